//! UNIX sockets by path and by abstract name.

use std::{
    io::{Read, Write},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::{
            fs::symlink,
            net::{SocketAddr, UnixDatagram, UnixListener, UnixStream},
        },
    },
    time::{Duration, Instant},
};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::*;

fn tree() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::home_dir().unwrap()).unwrap()
}

fn path(at: &Path) -> Vec<u8> {
    [&[1, 0][..], at.as_os_str().as_encoded_bytes(), &[0]].concat()
}

fn abstract_name(name: &[u8]) -> Vec<u8> {
    [&[1, 0, 0][..], name].concat()
}

fn stream() -> OwnedFd {
    rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap()
}

#[track_caller]
fn untouched(listener: &UnixListener) {
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody came");
    listener.set_nonblocking(false).unwrap();
}

#[track_caller]
fn reached(socket: OwnedFd, listener: &UnixListener) {
    let mut served = listener.accept().unwrap().0;
    served.write_all(b"hello").unwrap();
    drop(served);
    let mut text = String::new();
    UnixStream::from(socket).read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}

#[test]
fn a_socket_is_reached_by_its_path() {
    let tree = tree();
    let (at, canary) = (tree.path().join("service"), tree.path().join("canary"));
    let (server, other) = (
        UnixListener::bind(&at).unwrap(),
        UnixListener::bind(&canary).unwrap(),
    );
    symlink(&canary, tree.path().join("link")).unwrap();
    let bench = Bench::new(&format!("unix = [\"{}\"]", at.display()));
    for denied in [&canary, &tree.path().join("link")] {
        let decision = bench.connect(&stream(), &path(denied));
        refused(&decision, Reason::NoRule, Errno::ACCESS);
    }
    untouched(&other);
    let socket = stream();
    let decision = bench.connect(&socket, &path(&at));
    done(&decision);
    assert_eq!(decision.object, at.as_os_str().as_encoded_bytes());
    reached(socket, &server);
    // The name is a rule, so what comes there later is meant too; nothing there is ENOENT.
    drop(server);
    failed(&bench.connect(&stream(), &path(&at)), Errno::CONNREFUSED);
    std::fs::remove_file(&at).unwrap();
    failed(&bench.connect(&stream(), &path(&at)), Errno::NOENT);
    symlink(&canary, &at).unwrap();
    let decision = bench.connect(&stream(), &path(&at));
    assert!(!decision.verdict.is_allow(), "{decision:?}");
    std::fs::remove_file(&at).unwrap();
    std::fs::write(&at, "").unwrap();
    failed(&bench.connect(&stream(), &path(&at)), Errno::CONNREFUSED);
    untouched(&other);
}

#[test]
fn records_are_carried_and_datagrams_are_not() {
    let tree = tree();
    let at = tree.path().join("records");
    let server = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    rustix::net::bind(&server, &SocketAddrUnix::new(&at).unwrap()).unwrap();
    rustix::net::listen(&server, 4).unwrap();
    let log = tree.path().join("log");
    let datagrams = UnixDatagram::bind(&log).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let bench = Bench::new(&format!(
        "unix = [\"{}\", \"{}\", \"dgram:{}\"]",
        at.display(),
        tree.path().join("both").display(),
        log.display()
    ));
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    done(&bench.connect(&socket, &path(&at)));
    failed(&bench.connect(&stream(), &path(&at)), Errno::PROTOTYPE);
    let decision = bench.connect(&-1, &path(&at));
    assert!(
        matches!(decision.answer, Answer::Descriptor { .. }),
        "{decision:?}"
    );
    let decision = bench.connect(&UnixDatagram::unbound().unwrap(), &path(&log));
    refused(&decision, Reason::NotYet, Errno::ACCESS);
    let decision = bench.connect(&stream(), &path(&log));
    refused(&decision, Reason::NotYet, Errno::ACCESS);
    assert!(datagrams.recv(&mut [0]).is_err());
}

#[test]
fn abstract_names_are_bytes() {
    let name = format!("doorward-{}\0x", std::process::id()).into_bytes();
    let server = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let close = [&name[..name.len() - 1], b"y"].concat();
    let canary = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&close).unwrap()).unwrap();
    let pattern = format!("@doorward-{}?x", std::process::id());
    let bench = Bench::new(&format!("unix = [\"{pattern}\"]"));
    for wrong in [&close[..], &name[..name.len() - 2], b""] {
        let socket = bench.socket(libc::AF_UNIX, libc::SOCK_STREAM);
        let decision = bench.connect(&socket, &abstract_name(wrong));
        refused(&decision, Reason::NoRule, Errno::ACCESS);
    }
    untouched(&canary);
    let socket = bench.socket(libc::AF_UNIX, libc::SOCK_STREAM);
    done(&bench.connect(&socket, &abstract_name(&name)));
    reached(socket, &server);
}

#[test]
fn another_user_is_never_vouched_for() {
    let tree = tree();
    let at = tree.path().join("service");
    let server = UnixListener::bind(&at).unwrap();
    let mut bench = Bench::new(&format!("unix = [\"{}\"]", at.display()));
    let (user, group) = bench.asker.credentials;
    for other in [(user + 1, group), (user, group + 1)] {
        bench.asker.credentials = other;
        let decision = bench.connect(&stream(), &path(&at));
        refused(&decision, Reason::Foreign, Errno::ACCESS);
    }
    untouched(&server);
    bench.asker.credentials = (user, group);
    let socket = stream();
    done(&bench.connect(&socket, &path(&at)));
    reached(socket, &server);
}

#[test]
fn waiting_for_room_ends_with_the_asker_s_signal() {
    let tree = tree();
    let at = tree.path().join("service");
    let server = stream();
    rustix::net::bind(&server, &SocketAddrUnix::new(&at).unwrap()).unwrap();
    rustix::net::listen(&server, 0).unwrap();
    let _filling = UnixStream::connect(&at).unwrap();
    let mut bench = Bench::new(&format!("unix = [\"{}\"]", at.display()));
    let socket = stream();
    rustix::io::ioctl_fionbio(&socket, true).unwrap();
    failed(&bench.connect(&socket, &path(&at)), Errno::AGAIN);
    rustix::io::ioctl_fionbio(&socket, false).unwrap();
    bench.asker.interrupted = Some(Errno::INTR);
    let begun = Instant::now();
    failed(&bench.connect(&socket, &path(&at)), Errno::INTR);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn odd_unix_addresses_are_refused() {
    let bench = Bench::new("unix = [\"/run/service\"]");
    for bad in [&[1, 0][..], &[1], &[1; 111], &[2, 0, 0, 80, 127, 0, 0, 1]] {
        let decision = bench.connect(&stream(), bad);
        refused(&decision, Reason::Malformed, Errno::INVAL);
    }
    let other = bench.connect(&stream(), &[16, 0, 0, 0]);
    refused(&other, Reason::Malformed, Errno::INVAL);
    let unspecified = bench.connect(&stream(), &[0, 0]);
    refused(&unspecified, Reason::NoRule, Errno::INVAL);
}
