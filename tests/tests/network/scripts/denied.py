# Every other way to use a brokered socket. argv: the allowed port, a port that no rule names.
import ctypes, errno, os, socket, struct, sys

allowed, canary = int(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)

def address(port, family=socket.AF_INET):
    return struct.pack("=H", family) + struct.pack("!H", port) + socket.inet_aton("127.0.0.1") + bytes(8)

def tell(what, attempt):
    try:
        result = attempt()
    except OSError as error:
        result = errno.errorcode.get(error.errno, str(error.errno))
    print(what, result)

def raw(name, *arguments):
    code = getattr(libc, name)(*arguments)
    return errno.errorcode[ctypes.get_errno()] if code < 0 else "done"

def fresh():
    return socket.socket()

def connected():
    one = fresh()
    one.connect(("127.0.0.1", allowed))
    return one

FAST, FAST_CONNECT = 0x20000000, 30
one = fresh()
tell("sendto-fastopen", lambda: one.sendto(b"x", FAST, ("127.0.0.1", canary)))
tell("sendmsg-fastopen", lambda: one.sendmsg([b"x"], [], FAST, ("127.0.0.1", canary)))
tell("sendto-address", lambda: one.sendto(b"x", ("127.0.0.1", canary)))
one = fresh()
tell("fastopen-connect", lambda: one.setsockopt(socket.IPPROTO_TCP, FAST_CONNECT, 1))
tell("bindtodevice", lambda: one.setsockopt(socket.SOL_SOCKET, 25, b"lo\0"))
unspecified = bytes(16)
one = connected()
tell("unspecified", lambda: raw("connect", one.fileno(), unspecified, 16))
tell("again-elsewhere", lambda: one.connect(("127.0.0.1", canary)))
tell("still-connected", lambda: one.getpeername()[1] == allowed)
one = fresh()
tell("short", lambda: raw("connect", one.fileno(), address(allowed), 8))
tell("huge", lambda: raw("connect", one.fileno(), address(allowed), 1000))
tell("bad-pointer", lambda: raw("connect", one.fileno(), ctypes.c_void_p(16), 16))
tell("bad-descriptor", lambda: raw("connect", -1, address(allowed), 16))
tell("not-a-socket", lambda: raw("connect", 1, address(allowed), 16))
tell("bind", lambda: one.bind(("127.0.0.1", 0)))
tell("listen", lambda: one.listen())
idle = fresh()
tell("accept", lambda: raw("accept", idle.fileno(), None, None))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tell("udp-connect", lambda: udp.connect(("127.0.0.1", canary)))
tell("udp-sendmsg", lambda: udp.sendmsg([b"x"], [], 0, ("127.0.0.1", canary)))
for kind, name in ((socket.SOCK_DGRAM, "dgram"), (socket.SOCK_RAW, "raw")):
    tell("unix-" + name, lambda: socket.socket(socket.AF_UNIX, kind))
tell("unix-dgram-pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
tell("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
tell("packet", lambda: socket.socket(17, socket.SOCK_RAW))
one = fresh()
one.connect(("127.0.0.1", allowed))
one.sendall(b"hello")
print("permitted", one.recv(5, socket.MSG_WAITALL).decode())
