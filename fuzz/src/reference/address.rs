//! Socket addresses as the kernel lays them out, and what IPv6 addresses embed: RFC 4291
//! (mapped, compatible), RFC 2765 (translated), RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380
//! (Teredo), RFC 5214 (ISATAP).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a sockaddr says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Socket {
    /// Address, port, scope.
    Internet(IpAddr, u16, u32),
    /// A name of the file system.
    Path(Vec<u8>),
    /// An abstract name.
    Abstract(Vec<u8>),
    /// Another family.
    Other(u16),
    /// The kernel refuses it.
    Refused,
}

/// Reads a sockaddr, by the sizes of the C structures.
pub fn socket(bytes: &[u8]) -> Socket {
    if bytes.len() < 2 {
        return Socket::Refused;
    }
    let family = u16::from_ne_bytes([bytes[0], bytes[1]]);
    let port = || u16::from_be_bytes([bytes[2], bytes[3]]);
    match family {
        // AF_INET: struct sockaddr_in.
        2 if bytes.len() < size_of::<libc::sockaddr_in>() => Socket::Refused,
        2 => Socket::Internet(
            IpAddr::V4(Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7])),
            port(),
            0,
        ),
        // AF_INET6: struct sockaddr_in6, whose last field came later.
        10 if bytes.len() < size_of::<libc::sockaddr_in6>() - 4 => Socket::Refused,
        10 => {
            let mut octets = [0; 16];
            octets.copy_from_slice(&bytes[8..24]);
            let scope = match bytes.get(24..28) {
                Some(scope) => u32::from_ne_bytes([scope[0], scope[1], scope[2], scope[3]]),
                None => 0,
            };
            Socket::Internet(IpAddr::V6(Ipv6Addr::from(octets)), port(), scope)
        }
        1 if bytes.len() == 2 || bytes.len() > size_of::<libc::sockaddr_un>() => Socket::Refused,
        1 if bytes[2] == 0 => Socket::Abstract(bytes[3..].to_vec()),
        1 => {
            let name = &bytes[2..];
            let end = name
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(name.len());
            Socket::Path(name[..end].to_vec())
        }
        family => Socket::Other(family),
    }
}

/// All that an address stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfolded(pub Vec<IpAddr>);

fn four(octets: &[u8]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]))
}

fn starts(octets: &[u8; 16], words: &[u16]) -> bool {
    let prefix: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    octets.starts_with(&prefix)
}

impl Unfolded {
    /// Of an address.
    pub fn of(address: IpAddr) -> Self {
        let IpAddr::V6(six) = address else {
            return Self(vec![known(address)]);
        };
        let octets = six.octets();
        let tail = &octets[12..];
        let alone = [
            starts(&octets, &[0; 6]) && !matches!(tail, [0, 0, 0, 0 | 1]),
            starts(&octets, &[0, 0, 0, 0, 0, 0xffff]),
            starts(&octets, &[0, 0, 0, 0, 0xffff, 0]),
            starts(&octets, &[0x64, 0xff9b, 0, 0, 0, 0]),
        ];
        if alone.contains(&true) {
            return Self(vec![known(four(tail))]);
        }
        let mut all = vec![address];
        if starts(&octets, &[0x64, 0xff9b, 1]) {
            // By the length of the network's prefix; the ninth byte is always left out.
            for bytes in [
                [octets[6], octets[7], octets[9], octets[10]],
                [octets[7], octets[9], octets[10], octets[11]],
                [octets[9], octets[10], octets[11], octets[12]],
                [octets[12], octets[13], octets[14], octets[15]],
            ] {
                all.push(four(&bytes));
            }
        }
        if starts(&octets, &[0x2002]) {
            all.push(four(&octets[2..6]));
        }
        if starts(&octets, &[0x2001, 0]) {
            all.push(four(&octets[4..8]));
            let client: Vec<u8> = tail.iter().map(|byte| !byte).collect();
            all.push(four(&client));
        }
        let identifier = (octets[8] & !3, &octets[9..12]);
        if identifier == (0, &[0, 0x5e, 0xfe]) {
            all.push(four(tail));
        }
        Self(all.into_iter().map(known).collect())
    }
}

/// The unspecified address leads to this machine.
fn known(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(four) if four.octets() == [0; 4] => IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)),
        IpAddr::V6(six) if six.octets() == [0; 16] => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    }
}

/// Networks that a wildcard does not reach: loopback, private, link-local, multicast,
/// metadata and reserved ranges of the registries.
const CLOSED: [&str; 32] = [
    "127.0.0.0/8",
    "0.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "169.254.169.254/32",
    "169.254.170.2/32",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "192.0.0.192/32",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "240.0.0.0/4",
    "::1/128",
    "::/128",
    "fc00::/7",
    "fec0::/10",
    "fe80::/10",
    "ff00::/8",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
    "100::/64",
    "2001:2::/48",
    "2001:10::/28",
    "2001:20::/28",
    "5f00::/16",
    "64:ff9b:1::/48",
];

/// Whether an address lies in a network, bit by bit.
pub fn lies_in(address: IpAddr, base: IpAddr, length: u32) -> bool {
    let (one, other, width) = match (address, base) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    let bit = |bits: u128, at: u32| bits >> (width - 1 - at) & 1;
    (0..length).all(|at| bit(one, at) == bit(other, at))
}

/// Whether a wildcard does not reach an address, given the machine's own.
pub fn closed(address: IpAddr, own: &[IpAddr]) -> bool {
    Unfolded::of(address).0.iter().any(|form| {
        let special = CLOSED.iter().any(|network| {
            let (base, length) = network.split_once('/').unwrap();
            lies_in(*form, base.parse().unwrap(), length.parse().unwrap())
        });
        special || own.iter().any(|own| Unfolded::of(*own).0[0] == *form)
    })
}

/// A rule about addresses.
#[derive(Debug, Clone, Copy)]
pub enum Hosts {
    /// `*`.
    Any,
    /// An address.
    One(IpAddr),
    /// A network shorter than an address.
    Network(IpAddr, u32),
}

/// Whether a rule lets an address be reached, given the machine's own.
pub fn reaches(rule: Hosts, address: IpAddr, own: &[IpAddr]) -> bool {
    let meant = Unfolded::of(address).0[0];
    match rule {
        Hosts::Any => !closed(address, own),
        Hosts::One(one) => Unfolded::of(one).0[0] == meant,
        Hosts::Network(base, length) => {
            let inside = lies_in(meant, base, length) || lies_in(address, base, length);
            // Ranges that hold the whole network are opened by it.
            let ranges: Vec<_> = CLOSED
                .iter()
                .map(|network| network.split_once('/').unwrap())
                .map(|(base, length)| (base.parse().unwrap(), length.parse().unwrap()))
                .filter(|&(range, size)| size > length || !lies_in(base, range, size))
                .collect();
            let all = Unfolded::of(address).0;
            let special =
                |form: IpAddr| ranges.iter().any(|&(base, size)| lies_in(form, base, size));
            let mine = |form: IpAddr| own.iter().any(|own| Unfolded::of(*own).0[0] == form);
            inside
                && !all
                    .iter()
                    .any(|&form| special(form) || !form.is_loopback() && mine(form))
        }
    }
}
