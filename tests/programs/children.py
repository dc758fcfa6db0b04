# Children by every way that python has, threads beside them, and files by all.
import os, signal, subprocess, threading

with open("made", "w") as made:
    made.write("one\n")
print(subprocess.run(["cat", "made"], capture_output=True, text=True, check=True).stdout, end="")
print(subprocess.run("cat made | tr o O", shell=True, capture_output=True, text=True).stdout, end="")
pid = os.posix_spawn("/usr/bin/cat", ["cat", "made"], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
pid = os.fork()
if pid == 0:
    os._exit(len(open("made").read()))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
# SIGSYS alone stays unblocked.
print(signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, []))


def read(found):
    for _ in range(50):
        found.append(open("made").read())


found = []
threads = [threading.Thread(target=read, args=(found,)) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(found), set(found))
os.mkdir("there")
os.chdir("there")
print(os.path.basename(os.getcwd()), os.stat("../made").st_size, os.listdir(".."))
try:
    open("../missing")
except FileNotFoundError as error:
    print(error.errno)
