//! A socket address as the kernel lays it out, as words for people and for `explain`.
//! The bytes are a sandboxee's; nothing is read beyond their end.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use doorward_policy::{AbsName, policy::Destination};

fn field<const N: usize>(address: &[u8], at: usize) -> Option<[u8; N]> {
    address.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The destination it names, if it is one of TCP or UNIX.
pub(super) fn destination(address: &[u8]) -> Option<Destination> {
    let family = i32::from(u16::from_ne_bytes(field(address, 0)?));
    let port = || field(address, 2).map(u16::from_be_bytes);
    match family {
        libc::AF_INET => {
            let ip = Ipv4Addr::from(field::<4>(address, 4)?);
            Some(Destination::Tcp(SocketAddrV4::new(ip, port()?).into()))
        }
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(field::<16>(address, 8)?);
            let scope = field(address, 24).map_or(0, u32::from_ne_bytes);
            Some(Destination::Tcp(SocketAddr::V6(SocketAddrV6::new(
                ip,
                port()?,
                0,
                scope,
            ))))
        }
        libc::AF_UNIX => match address.get(2..)? {
            [] => None,
            [0, name @ ..] => Some(Destination::UnixAbstract(name.to_vec())),
            path => {
                let path = path.split(|&byte| byte == 0).next()?;
                AbsName::parse(path).ok().map(Destination::UnixPath)
            }
        },
        _ => None,
    }
}

/// In words: `tcp:192.0.2.1:443`, `unix:/run/x`, `unix:@name`, or the family's number.
pub(super) fn words(address: &[u8]) -> Vec<u8> {
    match destination(address) {
        Some(Destination::Tcp(to)) => format!("tcp:{to}").into_bytes(),
        Some(Destination::UnixPath(name)) => [b"unix:", name.as_bytes()].concat(),
        Some(Destination::UnixAbstract(name)) => [b"unix:@", name.as_slice()].concat(),
        None => match field(address, 0).map(u16::from_ne_bytes) {
            Some(family) if i32::from(family) == libc::AF_UNIX => {
                let path = address.get(2..).unwrap_or_default();
                let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
                [b"unix:", path].concat()
            }
            Some(family) => format!("family {family}").into_bytes(),
            None => Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(family: i32, rest: &[u8]) -> Vec<u8> {
        let family = u16::try_from(family).unwrap().to_ne_bytes();
        [&family, rest].concat()
    }

    #[test]
    fn addresses_are_read_as_the_kernel_reads_them() {
        let four = laid_out(
            libc::AF_INET,
            &[1, 187, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        );
        assert_eq!(words(&four), b"tcp:192.0.2.1:443");
        let mut six = vec![0, 80, 0, 0, 0, 0];
        six.extend(Ipv6Addr::LOCALHOST.octets());
        six.extend(7_u32.to_ne_bytes());
        assert_eq!(words(&laid_out(libc::AF_INET6, &six)), b"tcp:[::1%7]:80");
        assert_eq!(
            words(&laid_out(libc::AF_UNIX, b"/run/x\0junk")),
            b"unix:/run/x"
        );
        assert_eq!(words(&laid_out(libc::AF_UNIX, b"here\0")), b"unix:here");
        assert_eq!(words(&laid_out(libc::AF_UNIX, b"\0a\0b")), b"unix:@a\0b");
        assert_eq!(words(&laid_out(40, b"")), b"family 40");
        assert_eq!(words(&laid_out(libc::AF_INET, b"\x01")), b"family 2");
        assert_eq!(words(b"\x01"), b"");
    }
}
