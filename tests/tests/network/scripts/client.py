# Says what becomes of a connect to each HOST PORT, by every way there is to make one.
import errno, select, socket, sys

def tell(way, host, port, attempt):
    try:
        attempt()
        result = "reached"
    except OSError as error:
        result = errno.errorcode.get(error.errno, str(error.errno))
    print(way, host, port, result)

def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET

def blocking(host, port):
    with socket.socket(family(host)) as one:
        one.connect((host, port))
        one.sendall(b"hello")
        assert one.recv(5, socket.MSG_WAITALL) == b"hello"

def nonblocking(host, port):
    with socket.socket(family(host), socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as one:
        code = one.connect_ex((host, port))
        if code == errno.EINPROGRESS:
            select.select([], [one], [])
            code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "connect")

def explicit(host, port):
    with socket.socket(family(host), socket.SOCK_STREAM, socket.IPPROTO_TCP) as one:
        one.settimeout(5)
        one.connect((host, port))

arguments = sys.argv[1:]
for host, port in zip(arguments[::2], arguments[1::2]):
    for way in (blocking, nonblocking, explicit):
        tell(way.__name__, host, port, lambda: way(host, int(port)))
