"""Imports a dozen modules, starts programs, reads and writes files."""

import asyncio
import collections
import ctypes
import datetime
import decimal
import hashlib
import json
import logging
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree
import zipfile

child = subprocess.run(
    [sys.executable, "-c", "import sys; print(6 * 7); sys.exit(5)"], capture_output=True, text=True
)
print("child said:", child.stdout.strip(), child.returncode)
piped = subprocess.run("printf 'b\\na\\n' | sort | tr a-z A-Z", shell=True, capture_output=True, text=True)
print("shell said:", piped.stdout.split(), piped.returncode)
failed = subprocess.run(["/bin/sh", "-c", "kill -TERM $$"])
print("signal:", failed.returncode)

try:
    subprocess.run(["no-such-program"])
except FileNotFoundError as error:
    print("missing:", error.errno)

found = []
threads = [threading.Thread(target=lambda n=n: found.append(n * n)) for n in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("threads:", sorted(found))


def square(number, results):
    results.send(number * number)


ours, theirs = multiprocessing.Pipe()
process = multiprocessing.get_context("fork").Process(target=square, args=(12, theirs))
process.start()
print("process:", ours.recv())
process.join()
print("process:", process.exitcode)


async def sleepy():
    process = await asyncio.create_subprocess_exec("/usr/bin/cat", stdin=-1, stdout=-1)
    output, _ = await process.communicate(b"through cat")
    return output.decode()


print("asyncio:", asyncio.run(sleepy()))

out = pathlib.Path("out")
out.mkdir(mode=0o750)
with open(out / "result.json", "w") as file:
    json.dump({"sum": hashlib.sha256(b"doorward").hexdigest(), "pi": str(decimal.Decimal("3.14"))}, file)
os.chmod(out / "result.json", 0o600)
os.umask(0o027)
(out / "copy.json").write_bytes((out / "result.json").read_bytes())
os.rename(out / "copy.json", out / "renamed.json")
os.symlink("renamed.json", out / "link.json")
os.link(out / "renamed.json", out / "hard.json")
os.utime(out / "hard.json", (1, 2))
print("times:", int(os.stat(out / "renamed.json").st_mtime), os.stat(out / "hard.json").st_nlink)
print("link:", os.readlink(out / "link.json"), (out / "link.json").resolve().name)
print("list:", sorted(os.listdir("out")), sorted(entry.name for entry in os.scandir("out") if entry.is_file()))
print("walk:", [(base, sorted(files)) for base, _, files in os.walk("out")])

with tempfile.TemporaryDirectory() as scratch:
    with zipfile.ZipFile(os.path.join(scratch, "a.zip"), "w") as archive:
        archive.writestr("x", "y" * 1000)
    print("zip:", zipfile.ZipFile(os.path.join(scratch, "a.zip")).read("x")[:3])
    shutil.copytree("out", os.path.join(scratch, "tree"), symlinks=True)
    database = sqlite3.connect(os.path.join(scratch, "d.db"))
    database.execute("create table t (a)")
    database.executemany("insert into t values (?)", [(n,) for n in range(10)])
    database.commit()
    print("sqlite:", database.execute("select sum(a) from t").fetchone())
    database.close()
    descriptor = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    print("at:", sorted(os.listdir(descriptor)), os.stat("a.zip", dir_fd=descriptor).st_size > 0)
    os.fchdir(descriptor)
    print("cwd:", os.getcwd() == os.path.realpath(scratch))
    os.chdir("/")
    os.close(descriptor)

status = dict(line.rstrip("\n").split(":", 1) for line in open("/proc/self/status"))
print("self:", status["Name"].strip(), status["NSpid"].split()[-1] == str(os.getpid()), os.path.samefile("/proc/self/exe", sys.executable))
print("descriptors:", sorted(int(name) for name in os.listdir("/dev/fd"))[:3])
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
ignored = [one for one in signal.valid_signals() if signal.getsignal(one) == signal.SIG_IGN]
print("signals:", sorted(blocked), sorted(ignored))
print("words:", re.findall(r"\w+", "a b c"), collections.Counter("hello").most_common(1))
print("day:", datetime.date(2020, 2, 29).isoformat(), ctypes.sizeof(ctypes.c_long))
print("xml:", xml.etree.ElementTree.fromstring("<a><b/></a>")[0].tag, ssl.OPENSSL_VERSION_INFO[0] >= 1)
logging.getLogger("x").warning("logged")
sys.stdout.flush()
sys.exit(3)
