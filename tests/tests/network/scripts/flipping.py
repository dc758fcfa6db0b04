# Many connects that nobody answers, their sockets made blocking and back all the while; what
# else is asked of the broker meanwhile is answered in time. argv: port.
import fcntl, os, socket, sys, threading, time

port = int(sys.argv[1])
sockets = [socket.socket() for _ in range(12)]

def flip():
    while True:
        for one in sockets:
            for flags in (os.O_NONBLOCK, 0):
                fcntl.fcntl(one.fileno(), fcntl.F_SETFL, flags)

def connect(one):
    while True:
        one.connect_ex(("127.0.0.1", port))

for one in sockets:
    threading.Thread(target=connect, args=(one,), daemon=True).start()
threading.Thread(target=flip, daemon=True).start()
slowest, asked, end = 0, 0, time.monotonic() + 2
while time.monotonic() < end:
    begun = time.monotonic()
    os.stat("/usr/lib")
    with open(sys.argv[0]) as file:
        file.read(1)
    slowest = max(slowest, time.monotonic() - begun)
    asked += 1
print("in time" if slowest < 1 and asked > 10 else f"{slowest} {asked}", flush=True)
os._exit(0)
