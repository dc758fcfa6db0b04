//! UNIX sockets by path and by abstract name: services stand outside and count.

use std::os::{
    fd::OwnedFd,
    linux::net::SocketAddrExt,
    unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener, UnixStream},
};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::*;

const SCRIPT: &str = include_str!("scripts/unix.py");

/// A service that answers once what it hears, and remembers whom the kernel says it served.
struct Service {
    came: Arc<AtomicUsize>,
    user: Arc<AtomicUsize>,
}

impl Service {
    fn on(listener: OwnedFd) -> Self {
        let (came, user) = (Arc::default(), Arc::<AtomicUsize>::default());
        let (counted, seen) = (Arc::<AtomicUsize>::clone(&came), Arc::clone(&user));
        std::thread::spawn(move || {
            while let Ok(stream) = rustix::net::accept(&listener) {
                counted.fetch_add(1, Ordering::SeqCst);
                let peer = rustix::net::sockopt::socket_peercred(&stream).unwrap();
                seen.store(peer.uid.as_raw().try_into().unwrap(), Ordering::SeqCst);
                let mut bytes = [0; 64];
                let Ok(count @ 1..) = rustix::io::read(&stream, &mut bytes) else {
                    continue;
                };
                let _gone = rustix::io::write(&stream, &bytes[..count]);
            }
        });
        Self { came, user }
    }

    fn came(&self) -> usize {
        std::thread::sleep(Duration::from_millis(100));
        self.came.load(Ordering::SeqCst)
    }
}

fn open(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn services_are_reached_by_path_under_the_sandboxee_s_user() {
    for level in Level::ALL {
        let client = Client::new(level, SCRIPT, "");
        client.tree.directory("../services");
        let place = client.tree.path().join("services");
        let [stream, records, canary] =
            ["stream", "records", "canary"].map(|name| place.join(name));
        let service = Service::on(UnixListener::bind(&stream).unwrap().into());
        let hidden = Service::on(UnixListener::bind(&canary).unwrap().into());
        let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None);
        let listener = listener.unwrap();
        rustix::net::bind(&listener, &SocketAddrUnix::new(&records).unwrap()).unwrap();
        rustix::net::listen(&listener, 4).unwrap();
        let recorded = Service::on(listener);
        for path in [&stream, &records, &canary] {
            open(path);
        }
        let text = std::fs::read_to_string(&client.policy).unwrap().replace(
            "[net]\n",
            &format!(
                "[net]\nunix = [\"{}\", \"{}\", \"{}\"]\n",
                stream.display(),
                records.display(),
                place.join("missing").display()
            ),
        );
        let policy = client.tree.file("../policies/unix.toml", text);
        let [stream, records, canary] =
            [&stream, &records, &canary].map(|path| path.to_str().unwrap());
        let missing = place.join("missing");
        let link = client.tree.link(canary, "link");
        let arguments = [
            "stream",
            stream,
            "stream",
            "../services/stream",
            "record",
            records,
            "stream",
            records,
            "stream",
            missing.to_str().unwrap(),
            "stream",
            canary,
            "record",
            canary,
            "stream",
            link.to_str().unwrap(),
            "datagram",
            stream,
        ];
        let ended = client.run(&arguments).under_file(&policy).succeeded();
        assert_eq!(
            ended.text(),
            "stream stream hello\nstream stream hello\nrecord records hello\n\
             stream records EPROTOTYPE\nstream missing ENOENT\n\
             stream canary EACCES\nrecord canary EACCES\nstream link EACCES\n\
             datagram stream EAFNOSUPPORT\n",
            "{level} {}",
            ended.error()
        );
        assert_eq!((service.came(), recorded.came(), hidden.came()), (2, 1, 0));
        let user = u32::try_from(service.user.load(Ordering::SeqCst)).unwrap();
        assert_eq!(user, level.ids().0, "{level}");
        // The control.
        let ended = client.run(&["stream", canary]).native().succeeded();
        assert_eq!(ended.text(), "stream canary hello\n");
        assert_eq!(hidden.came(), 1);
    }
}

#[test]
fn abstract_names_are_reached_across_the_network_namespace() {
    for level in Level::ALL {
        let base = format!("doorward-{}-{level}", std::process::id());
        let named = |name: &str| {
            let address = UnixAddress::from_abstract_name(name.as_bytes()).unwrap();
            Service::on(UnixListener::bind_addr(&address).unwrap().into())
        };
        let service = named(&format!("{base}\0x"));
        let canary = named(&base);
        let client = Client::new(level, SCRIPT, &format!("unix = [\"@{base}?x\"]"));
        let (right, wrong) = (format!("@{base}%00x"), format!("@{base}"));
        let arguments = ["stream", &right, "stream", &wrong, "datagram", &right];
        let ended = client.sandboxed(&arguments).succeeded();
        assert_eq!(
            ended.text(),
            format!("stream {right} hello\nstream {wrong} EACCES\ndatagram {right} EAFNOSUPPORT\n"),
            "{level} {}",
            ended.error()
        );
        assert_eq!((service.came(), canary.came()), (1, 0), "{level}");
        let ended = client.run(&["stream", &wrong]).native().succeeded();
        assert_eq!(ended.text(), format!("stream {wrong} hello\n"));
        assert_eq!(canary.came(), 1, "{level}");
    }
}

#[test]
fn without_rules_no_name_of_the_host_is_reached() {
    for level in Level::ALL {
        let name = format!("doorward-{}-{level}-none", std::process::id());
        let address = UnixAddress::from_abstract_name(name.as_bytes()).unwrap();
        let service = Service::on(UnixListener::bind_addr(&address).unwrap().into());
        let client = Client::new(level, SCRIPT, "");
        let asked = format!("@{name}");
        let ended = client.sandboxed(&["stream", &asked]).succeeded();
        assert_eq!(ended.text(), format!("stream {asked} EACCES\n"), "{level}");
        assert_eq!(service.came(), 0, "{level}");
        UnixStream::connect_addr(&address).unwrap();
        assert_eq!(service.came(), 1);
    }
}

#[test]
fn a_socket_of_the_sandbox_s_own_is_not_bound() {
    let log = Tree::new(Level::Root);
    let at = log.name("log");
    let datagrams = UnixDatagram::bind(&at).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let script = "import errno, socket, sys\n\
        one = socket.socket(socket.AF_UNIX)\n\
        for name in ('/tmp/own', '\\0own'):\n    \
            try: one.bind(name)\n    \
            except OSError as error: print(errno.errorcode[error.errno])\n\
        a, b = socket.socketpair()\n\
        a.sendall(b'x'); print(b.recv(1))\n";
    let client = Client::new(
        Level::Root,
        script,
        &format!("unix = [\"dgram:{}\"]", at.display()),
    );
    let ended = client.sandboxed(&[]).succeeded();
    assert_eq!(ended.text(), "EACCES\nEACCES\nb'x'\n");
    assert!(datagrams.recv(&mut [0]).is_err());
}
