# A blocking connect that nobody answers, and a signal. argv: how, port.
import errno, signal, socket, struct, sys, time

how, port = sys.argv[1], int(sys.argv[2])
caught = []

class Stop(Exception):
    pass

def handler(number, frame):
    caught.append(number)
    if how == "interrupted":
        raise Stop

signal.signal(signal.SIGALRM, handler)
if how == "restarted":
    signal.siginterrupt(signal.SIGALRM, False)
begun = time.monotonic()
if how != "timeout":
    signal.setitimer(signal.ITIMER_REAL, 0.5)
one = socket.socket()
try:
    if how == "timeout":
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 500000))
    one.connect(("127.0.0.1", port))
    result = "reached"
except Stop:
    result = "stopped"
except OSError as error:
    result = errno.errorcode[error.errno]
waited = time.monotonic() - begun
print(result, len(caught), "at once" if waited < 0.4 else "in time" if waited < 1.2 else "later")
