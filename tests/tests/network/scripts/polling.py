# What was arranged for a socket before its connect holds after it: epoll, options, duplicates.
import errno, os, select, socket, sys

host, port = sys.argv[1], int(sys.argv[2])
one = socket.socket()
one.setblocking(False)
one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
poll = select.epoll()
poll.register(one, select.EPOLLOUT | select.EPOLLIN | select.EPOLLET)
print("before", [hex(event) for _, event in poll.poll(0)])
duplicate = one.dup()
print("connect", errno.errorcode[one.connect_ex((host, port))])
events = poll.poll(5)
print("after", [(number == one.fileno(), hex(event)) for number, event in events])
print("error", one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
print("again", errno.errorcode.get(one.connect_ex((host, port)), "0"))
print("third", errno.errorcode.get(one.connect_ex((host, port)), "0"))
print("options", [
    duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
    duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE),
    duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN),
    duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL),
])
print("same", os.fstat(one.fileno()).st_ino == os.fstat(duplicate.fileno()).st_ino)
duplicate.sendall(b"hello")
print("readable", [hex(event) for _, event in poll.poll(5)])
print("read", one.recv(10))
poll.modify(one, select.EPOLLOUT)
print("modified", [hex(event) for _, event in poll.poll(5)])
poll.unregister(one)
print("unregistered", poll.poll(0))
print("peer", one.getpeername(), duplicate.getpeername())
print("inherited", [os.get_inheritable(each.fileno()) for each in (one, duplicate)])
duplicate.shutdown(socket.SHUT_WR)
print("end", one.recv(10) if select.select([one], [], [], 5)[0] else "none")
