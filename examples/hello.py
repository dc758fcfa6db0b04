"""What a program sees under doorward's default policy."""

import os
import subprocess
import tempfile

print("hello from process", os.getpid())
with tempfile.NamedTemporaryFile("w+") as scratch:
    scratch.write("scratch can be written\n")
    scratch.seek(0)
    print(scratch.read(), end="")
print(subprocess.run(["echo", "programs can be started"], capture_output=True, text=True, check=True).stdout, end="")
for secret in ["/etc/shadow", "/root/.bashrc", "/proc/1/environ"]:
    try:
        open(secret)
        print(secret, "can be read!")
    except OSError as error:
        print(secret, "->", error.strerror)
