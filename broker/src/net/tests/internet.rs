//! TCP: what is reached, what is refused, and how long is waited.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::net::{
    AddressFamily, SocketType, sockopt,
    sockopt::{Timeout, set_socket_timeout},
};

use super::*;

const STREAM: i32 = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;

fn listener(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// The outside oracle: the server saw nobody.
#[track_caller]
fn untouched(listener: &TcpListener) {
    std::thread::sleep(Duration::from_millis(50));
    match listener.accept() {
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        Ok((_, peer)) => panic!("somebody came: {peer}"),
    }
}

#[track_caller]
fn accepted(listener: &TcpListener) -> TcpStream {
    let begun = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => return stream,
            Err(_) if begun.elapsed() < Duration::from_secs(5) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("nobody came: {error}"),
        }
    }
}

/// A listener whose backlog is full, so that a further connect hangs; with what fills it.
fn full() -> (OwnedFd, SocketAddr, Vec<TcpStream>) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    rustix::net::bind(&socket, &any).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let at = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
    let filling = (0..4)
        .map_while(|_| TcpStream::connect_timeout(&at, Duration::from_millis(300)).ok())
        .collect();
    (socket, at, filling)
}

#[test]
fn an_allowed_address_is_reached_on_the_asker_s_own_socket() {
    for (address, family) in [("127.0.0.1:0", libc::AF_INET), ("[::1]:0", libc::AF_INET6)] {
        let (server, at) = listener(address);
        let bench = Bench::new(&format!("connect = [\"tcp:{at}\"]"));
        let socket = bench.socket(family, STREAM);
        sockopt::set_tcp_nodelay(&socket, true).unwrap();
        let duplicate = socket.try_clone().unwrap();
        done(&bench.connect(&socket, &internet(at)));
        assert!(sockopt::tcp_nodelay(&duplicate).unwrap());
        accepted(&server).write_all(b"hello").unwrap();
        let mut text = String::new();
        TcpStream::from(duplicate)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "hello");
        failed(&bench.connect(&socket, &internet(at)), Errno::ISCONN);
    }
}

#[test]
fn a_non_blocking_connect_is_in_progress() {
    let (server, at) = listener("127.0.0.1:0");
    let bench = Bench::new(&format!("connect = [\"tcp:{at}\"]"));
    let socket = bench.socket(libc::AF_INET, STREAM | libc::SOCK_NONBLOCK);
    failed(&bench.connect(&socket, &internet(at)), Errno::INPROGRESS);
    accepted(&server);
    let mut ready = [rustix::event::PollFd::new(
        &socket,
        rustix::event::PollFlags::OUT,
    )];
    assert_eq!(rustix::event::poll(&mut ready, None), Ok(1));
    assert_eq!(sockopt::socket_error(&socket).unwrap(), Ok(()));
}

#[test]
fn a_refused_connect_is_told_as_by_the_kernel() {
    let (server, at) = listener("127.0.0.1:0");
    drop(server);
    let bench = Bench::new(&format!("connect = [\"tcp:{at}\"]"));
    let socket = bench.socket(libc::AF_INET, STREAM);
    failed(&bench.connect(&socket, &internet(at)), Errno::CONNREFUSED);
}

#[test]
fn what_no_rule_names_sees_no_connection() {
    let (server, at) = listener("127.0.0.1:0");
    let port = at.port();
    let other = if port == 1024 { 1025 } else { port - 1 };
    let bench = Bench::new(&format!("connect = [\"tcp:127.0.0.1:{other}\"]"));
    let try_it = |address: &str| {
        let to: SocketAddr = address.parse().unwrap();
        let family = if to.is_ipv4() {
            libc::AF_INET
        } else {
            libc::AF_INET6
        };
        let socket = bench.socket(family, STREAM);
        bench.connect(&socket, &internet(to))
    };
    for host in [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::]",
    ] {
        let decision = try_it(&format!("{host}:{port}"));
        refused(&decision, Reason::NoRule, Errno::ACCESS);
    }
    untouched(&server);
    let permitted = Bench::new(&format!("connect = [\"tcp:{at}\"]"));
    let socket = permitted.socket(libc::AF_INET, STREAM);
    done(&permitted.connect(&socket, &internet(at)));
    accepted(&server);
}

#[test]
fn a_wildcard_reaches_neither_loopback_nor_the_machine_s_own_addresses() {
    let (server, at) = listener("[::]:0");
    let port = at.port();
    let bench = Bench::new(&format!("connect = [\"tcp:*:{port}\"]"));
    let own = super::super::own::OwnAddresses::default().get().unwrap();
    let spelled = ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"];
    let spelled = spelled.map(|text| text.parse().unwrap());
    for host in own.iter().copied().chain(spelled) {
        let to = SocketAddr::new(host, port);
        let family = if to.is_ipv4() {
            libc::AF_INET
        } else {
            libc::AF_INET6
        };
        let socket = bench.socket(family, STREAM);
        let decision = bench.connect(&socket, &internet(to));
        refused(&decision, Reason::AddressClass, Errno::ACCESS);
    }
    untouched(&server);
    TcpStream::connect(("::1", port)).unwrap();
    accepted(&server);
}

#[test]
fn malformed_addresses_and_dissolving_are_refused() {
    let (server, at) = listener("127.0.0.1:0");
    let bench = Bench::new(&format!("connect = [\"tcp:{at}\", \"tcp:[::1]:*\"]"));
    let socket = bench.socket(libc::AF_INET, STREAM);
    let right = internet(at);
    for length in [0, 1, 2, 15] {
        let decision = bench.connect(&socket, &right[..length]);
        refused(&decision, Reason::Malformed, Errno::INVAL);
    }
    let unspecified = bench.connect(&socket, &[0; 16]);
    refused(&unspecified, Reason::NoRule, Errno::ACCESS);
    let six = internet("[::1]:80".parse().unwrap());
    let mismatch = bench.connect(&socket, &six);
    refused(&mismatch, Reason::Malformed, Errno::AFNOSUPPORT);
    let zero = internet("127.0.0.1:0".parse().unwrap());
    refused(
        &bench.connect(&socket, &zero),
        Reason::Malformed,
        Errno::INVAL,
    );
    let scoped = SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, 80, 0, 1);
    let six = bench.socket(libc::AF_INET6, STREAM);
    let decision = bench.connect(&six, &internet(SocketAddr::V6(scoped)));
    refused(&decision, Reason::AddressClass, Errno::ACCESS);
    untouched(&server);
    // The permitted variant, and that it cannot be dissolved afterwards.
    done(&bench.connect(&socket, &right));
    accepted(&server);
    let unspecified = bench.connect(&socket, &[0; 16]);
    refused(&unspecified, Reason::NoRule, Errno::ACCESS);
    assert_eq!(
        TcpStream::from(socket).peer_addr().unwrap(),
        at,
        "it stays connected"
    );
}

#[test]
fn only_sockets_that_the_broker_made_are_connected() {
    let (server, at) = listener("127.0.0.1:0");
    let bench = Bench::new(&format!("connect = [\"tcp:{at}\"]"));
    let stranger = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let decision = bench.connect(&stranger, &internet(at));
    refused(&decision, Reason::Foreign, Errno::ACCESS);
    let datagram = UdpSocket::bind("127.0.0.1:0").unwrap();
    let decision = bench.connect(&datagram, &internet(at));
    refused(&decision, Reason::NotYet, Errno::ACCESS);
    let file = std::fs::File::open("/dev/null").unwrap();
    failed(&bench.connect(&file, &internet(at)), Errno::NOTSOCK);
    failed(&bench.connect(&1_000_000, &internet(at)), Errno::BADF);
    untouched(&server);
}

#[test]
fn other_kinds_of_sockets_are_not_made() {
    let bench = Bench::new("connect = [\"tcp:192.0.2.1:80\"]");
    let make = |family, kind, protocol| {
        bench.perform(&Request::Socket {
            family,
            kind,
            protocol,
        })
    };
    for (family, kind, protocol) in [
        (libc::AF_INET, libc::SOCK_DGRAM, 0),
        (libc::AF_INET, libc::SOCK_RAW, 6),
        (libc::AF_INET, libc::SOCK_STREAM, 262),
        (libc::AF_INET6, libc::SOCK_STREAM, 132),
        (libc::AF_UNIX, libc::SOCK_DGRAM, 0),
        (40, libc::SOCK_STREAM, 0),
        (-1, 0xf, -1),
    ] {
        let decision = make(family, kind, protocol);
        refused(&decision, Reason::NoRule, Errno::AFNOSUPPORT);
    }
    let odd = make(libc::AF_INET, libc::SOCK_STREAM | 0x100, 0);
    refused(&odd, Reason::Malformed, Errno::INVAL);
    // No rule for UNIX sockets: those are the sandboxee's own.
    let unix = make(libc::AF_UNIX, libc::SOCK_STREAM, 0);
    refused(&unix, Reason::NoRule, Errno::ACCESS);
    let none = Bench::new("");
    let decision = none.perform(&Request::Socket {
        family: libc::AF_INET,
        kind: libc::SOCK_STREAM,
        protocol: 6,
    });
    refused(&decision, Reason::NoRule, Errno::ACCESS);
}

#[test]
fn listening_is_refused_with_its_reason() {
    let bench = Bench::new("connect = [\"tcp:192.0.2.1:80\"]");
    let socket = bench.socket(libc::AF_INET, STREAM);
    let address = internet("127.0.0.1:8080".parse().unwrap());
    let bind = bench.perform(&Request::Bind {
        descriptor: socket.as_raw_fd(),
        address: &address,
    });
    refused(&bind, Reason::NotYet, Errno::ACCESS);
    assert_eq!(bind.object, b"tcp:127.0.0.1:8080");
    let listen = bench.perform(&Request::Listen {
        descriptor: socket.as_raw_fd(),
    });
    refused(&listen, Reason::NotYet, Errno::ACCESS);
}

#[test]
fn a_waiting_connect_ends_with_the_asker_s_signal() {
    let (_server, at, _filling) = full();
    let mut bench = Bench::new(&format!("connect = [\"tcp:{at}\"]"));
    bench.asker.interrupted = Some(Errno::from_raw_os_error(512));
    let socket = bench.socket(libc::AF_INET, STREAM);
    let begun = Instant::now();
    let decision = bench.connect(&socket, &internet(at));
    failed(&decision, Errno::from_raw_os_error(512));
    assert!(begun.elapsed() < Duration::from_secs(1));
    // Asked again, as the kernel does for SA_RESTART, the same connection is waited for.
    failed(
        &bench.connect(&socket, &internet(at)),
        Errno::from_raw_os_error(512),
    );
}

#[test]
fn a_waiting_connect_ends_with_the_socket_s_own_time_limit() {
    let (_server, at, _filling) = full();
    let bench = Bench::new(&format!("connect = [\"tcp:{at}\"]"));
    let socket = bench.socket(libc::AF_INET, STREAM);
    let limit = Duration::from_millis(300);
    set_socket_timeout(&socket, Timeout::Send, Some(limit)).unwrap();
    let begun = Instant::now();
    failed(&bench.connect(&socket, &internet(at)), Errno::INPROGRESS);
    let waited = begun.elapsed();
    assert!(waited >= limit && waited < limit * 4, "{waited:?}");
}

#[test]
fn a_socket_made_blocking_meanwhile_never_holds_a_request_up() {
    let (_server, at, _filling) = full();
    let mut bench = Bench::new(&format!("connect = [\"tcp:{at}\"]"));
    bench.asker.interrupted = Some(Errno::SRCH);
    let flipping = bench.socket(libc::AF_INET, STREAM | libc::SOCK_NONBLOCK);
    let duplicate = flipping.try_clone().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut blocking = false;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                blocking = !blocking;
                rustix::io::ioctl_fionbio(&duplicate, !blocking).unwrap();
            }
        });
        for _ in 0..50 {
            let begun = Instant::now();
            let cached = bench.services.perform(
                &Request::Connect {
                    descriptor: flipping.as_raw_fd(),
                    address: &internet(at),
                },
                &bench.asker,
                Patience::Cached,
            );
            assert!(matches!(cached, Outcome::WouldBlock), "never on the loop");
            let decision = bench.connect(&flipping, &internet(at));
            assert!(matches!(decision.answer, Answer::Errno(_)), "{decision:?}");
            assert!(begun.elapsed() < Duration::from_secs(1));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_fresh_socket_is_made_connected_and_granted() {
    let (server, at) = listener("127.0.0.1:0");
    let bench = Bench::new(&format!("connect = [\"tcp:{at}\"]"));
    let decision = bench.connect(&-1, &internet(at));
    let Answer::Descriptor { descriptor, .. } = decision.answer else {
        panic!("{decision:?}");
    };
    assert!(
        !rustix::fs::fcntl_getfl(descriptor.as_fd())
            .unwrap()
            .contains(rustix::fs::OFlags::NONBLOCK)
    );
    TcpStream::from(descriptor).write_all(b"x").unwrap();
    let mut byte = [0];
    let mut stream = accepted(&server);
    stream.set_nonblocking(false).unwrap();
    stream.read_exact(&mut byte).unwrap();
    let denied = bench.connect(&-1, &internet("127.0.0.1:1".parse().unwrap()));
    refused(&denied, Reason::NoRule, Errno::ACCESS);
}

/// A network that keeps copies, and an asker whose own sockets cannot be had.
fn withheld(net: &str) -> (Network, TrialAsker) {
    let network = Network {
        kept: Arc::new(Kept::always()),
        ..Network::new(
            doorward_policy::Narrowed::new(Arc::new(policy(net)), Arc::default()),
            true,
        )
    };
    let asker = TrialAsker {
        withholds: true,
        interrupted: None,
        ..TrialAsker::default()
    };
    (network, asker)
}

fn kept(network: &Network, asker: &TrialAsker, kind: i32) -> OwnedFd {
    let made = network.socket(&mut trial::course(asker), libc::AF_INET, kind, 0);
    match made {
        Ok(Answer::Descriptor { descriptor, .. }) => descriptor,
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_the_asker_s_sockets_cannot_be_had_copies_are_connected() {
    let (server, at) = listener("127.0.0.1:0");
    let (network, asker) = withheld(&format!("connect = [\"tcp:{at}\"]"));
    let files = trial::files(trial::TrialRules::default(), None);
    let connect = |socket: &OwnedFd| {
        let mut course = trial::course(&asker);
        network.connect(&mut course, &files, socket.as_raw_fd(), &internet(at))
    };
    for kind in [STREAM, STREAM | libc::SOCK_NONBLOCK] {
        let socket = kept(&network, &asker, kind);
        let connected = connect(&socket);
        assert!(
            matches!(
                connected,
                Ok(Answer::Value(0)) | Err(Fault::Failed(Errno::INPROGRESS))
            ),
            "{connected:?}"
        );
        let mut stream = accepted(&server);
        stream.set_nonblocking(false).unwrap();
        // No copy holds it open behind the asker's back.
        drop(socket);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    let stranger = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    assert_eq!(
        connect(&stranger).unwrap_err(),
        Fault::denied(Reason::Foreign, Errno::ACCESS)
    );
    drop(server);
    // A refused one may be tried again.
    let socket = kept(&network, &asker, STREAM);
    for _ in 0..2 {
        let refused = connect(&socket).unwrap_err();
        assert_eq!(refused, Fault::Failed(Errno::CONNREFUSED));
    }
}
