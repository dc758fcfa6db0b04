//! Reaching what no rule names.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        linux::net::SocketAddrExt,
    },
};

use rustix::net::{AddressFamily, SendFlags, SocketAddrAny, SocketType};

use super::{address, bits, room};
use crate::self_test::{
    attacker::Attacker,
    case::{Attempt, Case, Permitted, Sign, refused},
    sys,
};

const fn case(
    name: &'static str,
    tried: &'static str,
    ids: &'static [&'static str],
    held_by: &'static [&'static str],
    sign: Sign,
    attack: fn(&Attacker) -> Attempt,
) -> Case {
    Case {
        name,
        tried,
        ids,
        held_by,
        sign,
        permitted: Permitted::Connect,
        attack,
    }
}

pub(in crate::self_test) const NETWORK: &[Case] = &[
    case(
        "loopback",
        "another port of this machine, by several of its addresses",
        &["N-3", "N-5"],
        &["broker", "network namespace"],
        Sign::Heard,
        loopback,
    ),
    case(
        "datagram",
        "a datagram to this machine",
        &["N-17", "N-20"],
        &["seccomp", "network namespace"],
        Sign::Heard,
        datagram,
    ),
    case(
        "fast-open",
        "a connection that no connect asks for",
        &["N-16", "N-18"],
        &["seccomp"],
        Sign::Heard,
        fast_open,
    ),
    case(
        "dissolved",
        "a granted connection is dissolved and made elsewhere",
        &["N-13"],
        &["broker", "landlock"],
        Sign::Heard,
        dissolved,
    ),
    case(
        "abstract",
        "a service of this machine, by its abstract name",
        &["N-21"],
        &["broker", "network namespace", "landlock"],
        Sign::Heard,
        abstract_name,
    ),
    case(
        "datagram-pair",
        "a service of this machine, through a pair of datagram sockets",
        &["N-22"],
        &["seccomp", "landlock"],
        Sign::Heard,
        datagram_pair,
    ),
    case(
        "path-socket",
        "a service of this machine, by its path",
        &["N-23"],
        &["broker", "mount namespace"],
        Sign::Heard,
        path_socket,
    ),
    case(
        "families",
        "sockets of kinds that lead past the broker",
        &["N-1", "S-6"],
        &["seccomp"],
        Sign::Done,
        families,
    ),
    case(
        "vsock",
        "a socket to the machine below, which no namespace holds",
        &["N-2"],
        &["seccomp"],
        Sign::Done,
        |_| socket(&[40], &[1]),
    ),
    case(
        "listening",
        "a port of this machine is listened on",
        &["N-16"],
        &["seccomp"],
        Sign::Done,
        listening,
    ),
    case(
        "interfaces",
        "the interfaces of the host, by a granted connection",
        &["N-26", "L-18"],
        &["seccomp"],
        Sign::Done,
        interfaces,
    ),
    case(
        "bound-to-device",
        "a granted connection is bound to an interface",
        &["N-25"],
        &["seccomp"],
        Sign::Done,
        bound_to_device,
    ),
];

fn answer<T>(result: rustix::io::Result<T>) -> i64 {
    result.map_or_else(refused, |_| 0)
}

fn of(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    }
}

fn loopback(attacker: &Attacker) -> Attempt {
    let port = attacker.outside().port;
    let addresses = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let mut results = Vec::new();
    for place in addresses {
        let target = SocketAddr::new(place, port);
        for protocol in [None, Some(rustix::net::ipproto::MPTCP)] {
            let connected = rustix::net::socket(of(place), SocketType::STREAM, protocol)
                .and_then(|socket| rustix::net::connect(&socket, &target));
            results.push(answer(connected));
        }
        results.push(attacker.ask(|client| client.connect(&target).map(drop)));
    }
    Attempt::best(results)
}

fn datagram(attacker: &Attacker) -> Attempt {
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, attacker.outside().port));
    let sent = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)
        .and_then(|socket| rustix::net::sendto(&socket, b"out", SendFlags::empty(), &target));
    Attempt::best([answer(sent)])
}

fn fast_open(attacker: &Attacker) -> Attempt {
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, attacker.outside().port));
    let flags = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.unsigned_abs());
    let sent = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)
        .and_then(|socket| rustix::net::sendto(&socket, b"out", flags, &target));
    Attempt::best([answer(sent)])
}

/// A connection to the granted address.
fn granted(attacker: &Attacker) -> Result<OwnedFd, i64> {
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, attacker.target.port));
    if let Some(connection) = attacker.granted(|client| client.connect(&target)) {
        return Ok(connection);
    }
    let connection = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None);
    connection
        .and_then(|socket| rustix::net::connect(&socket, &target).map(|()| socket))
        .map_err(refused)
}

fn on_a_connection(attacker: &Attacker, act: impl FnOnce(&OwnedFd) -> Vec<i64>) -> Attempt {
    match granted(attacker) {
        Ok(connection) => Attempt::best(act(&connection)),
        Err(result) => Attempt::best([result]),
    }
}

fn dissolved(attacker: &Attacker) -> Attempt {
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, attacker.outside().port));
    on_a_connection(attacker, |connection| {
        let unspecified = [0_u16; 8];
        let number = bits(connection.as_raw_fd());
        let _dissolved = sys::call(libc::SYS_connect, &[number, address(&unspecified), 16]);
        vec![answer(rustix::net::connect(connection, &target))]
    })
}

fn named(name: &str) -> Option<SocketAddrAny> {
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).ok()?;
    let name = address.as_abstract_name()?;
    let address = rustix::net::SocketAddrUnix::new_abstract_name(name).ok()?;
    Some(address.into())
}

fn abstract_name(attacker: &Attacker) -> Attempt {
    let name = attacker.outside().name;
    let mut results =
        vec![attacker.ask(|client| client.connect_abstract(name.as_bytes()).map(drop))];
    for (kind, name) in [
        (SocketType::STREAM, name.clone()),
        (SocketType::DGRAM, format!("{name}-datagram")),
    ] {
        let Some(target) = named(&name) else { continue };
        let sent = rustix::net::socket(AddressFamily::UNIX, kind, None).and_then(|socket| {
            rustix::net::connect(&socket, &target)?;
            rustix::net::send(&socket, b"out", SendFlags::empty())
        });
        results.push(answer(sent));
    }
    Attempt::best(results)
}

fn datagram_pair(attacker: &Attacker) -> Attempt {
    let Some(target) = named(&format!("{}-datagram", attacker.outside().name)) else {
        return Attempt::best([-1]);
    };
    let pair = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        rustix::net::SocketFlags::empty(),
        None,
    );
    let sent = pair.and_then(|(one, _other)| {
        rustix::net::sendto(one.as_fd(), b"out", SendFlags::empty(), &target)
    });
    Attempt::best([answer(sent)])
}

fn path_socket(attacker: &Attacker) -> Attempt {
    let path = attacker.name("outside", "socket");
    let target = rustix::net::SocketAddrUnix::new(path.as_path());
    let connected = target.and_then(|target| {
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::net::connect(&socket, &target)
    });
    let path = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    Attempt::best([
        answer(connected),
        attacker.ask(|client| client.connect_unix(path).map(drop)),
    ])
}

fn socket(families: &[u64], kinds: &[u64]) -> Attempt {
    let tried = families.iter().flat_map(|family| {
        kinds
            .iter()
            .map(|kind| sys::call(libc::SYS_socket, &[*family, *kind, 0]))
    });
    Attempt::best(tried)
}

/// All but UNIX and the Internet, which other cases use, and what netlink tells of the whole
/// machine.
fn families(_: &Attacker) -> Attempt {
    const NETLINK: u64 = 16;
    // 40 is a case of its own.
    let others: Vec<u64> = (0..47)
        .filter(|family| ![1, 2, 10, NETLINK, 40].contains(family))
        .collect();
    let other = socket(&others, &[1, 2, 3, 4, 5, 3 | 0o2_000_000]);
    let told = (1..23).map(|protocol| sys::call(libc::SYS_socket, &[NETLINK, 3, protocol]));
    Attempt::best(std::iter::once(other.result).chain(told))
}

fn listening(_: &Attacker) -> Attempt {
    let listening = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)
        .and_then(|socket| rustix::net::listen(&socket, 1));
    Attempt::best([answer(listening)])
}

fn interfaces(attacker: &Attacker) -> Attempt {
    const SIOCGIFCONF: u64 = 0x8912;
    const SIOCGIFFLAGS: u64 = 0x8913;
    on_a_connection(attacker, |connection| {
        let number = bits(connection.as_raw_fd());
        let mut request = [0_u8; 40];
        if let Some(name) = request.get_mut(..2) {
            name.copy_from_slice(b"lo");
        }
        let mut list = [0_u64; 2];
        vec![
            sys::call(libc::SYS_ioctl, &[number, SIOCGIFCONF, room(&mut list)]),
            sys::call(libc::SYS_ioctl, &[number, SIOCGIFFLAGS, room(&mut request)]),
        ]
    })
}

fn bound_to_device(attacker: &Attacker) -> Attempt {
    on_a_connection(attacker, |connection| {
        let number = bits(connection.as_raw_fd());
        let option = bits(libc::SO_BINDTODEVICE);
        let name = *b"lo\0\0";
        let arguments = [number, bits(libc::SOL_SOCKET), option, address(&name), 4];
        vec![sys::call(libc::SYS_setsockopt, &arguments)]
    })
}
