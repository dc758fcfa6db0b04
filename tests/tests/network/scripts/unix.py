# UNIX sockets. argv: KIND NAME pairs; "@" before an abstract name, "%00" in it is a NUL.
import errno, os, socket, sys

KINDS = {"stream": socket.SOCK_STREAM, "record": socket.SOCK_SEQPACKET, "datagram": socket.SOCK_DGRAM}
for kind, name in zip(sys.argv[1::2], sys.argv[2::2]):
    address = name
    if name.startswith("@"):
        address = b"\0" + name[1:].encode().replace(b"%00", b"\0")
    try:
        with socket.socket(socket.AF_UNIX, KINDS[kind]) as one:
            one.connect(address)
            one.send(b"hello")
            result = one.recv(5).decode()
    except OSError as error:
        result = errno.errorcode[error.errno]
    print(kind, os.path.basename(name), result)
