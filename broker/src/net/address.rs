//! Socket addresses as the kernel lays them out, read from the broker's copy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use doorward_policy::Reason;
use rustix::{io::Errno, net::AddressFamily};

use crate::files::Fault;

/// `sizeof(struct sockaddr_in)`, the least the kernel takes for IPv4.
const IPV4_LENGTH: usize = 16;
/// `struct sockaddr_in6` without its scope (RFC 2133), the least it takes for IPv6.
const IPV6_LENGTH: usize = 24;
/// `sizeof(struct sockaddr_un)`, the most it takes for a UNIX name.
const UNIX_LENGTH: usize = 110;

/// An address as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// IPv4 or IPv6, with a port.
    Internet(SocketAddr),
    /// A UNIX name of the file system, without its NUL.
    Path(Vec<u8>),
    /// An abstract UNIX name, without the NUL before it; it may hold others.
    Abstract(Vec<u8>),
    /// Any other family; 0 dissolves an association.
    Other(u16),
}

fn malformed(errno: Errno) -> Fault {
    Fault::denied(Reason::Malformed, errno)
}

fn word(bytes: &[u8], at: usize) -> Result<[u8; 2], Fault> {
    part(bytes, at)
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Fault> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or(malformed(Errno::INVAL))
}

impl Given {
    /// Reads one. What is behind a structure's end does not count, as for the kernel.
    ///
    /// # Errors
    /// `EINVAL` for one that is too short, or too long for a UNIX name.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let family = u16::from_ne_bytes(word(bytes, 0)?);
        match AddressFamily::from_raw(family) {
            AddressFamily::INET if bytes.len() >= IPV4_LENGTH => {
                let port = u16::from_be_bytes(word(bytes, 2)?);
                let address = IpAddr::V4(Ipv4Addr::from(part::<4>(bytes, 4)?));
                Ok(Self::Internet(SocketAddr::new(address, port)))
            }
            AddressFamily::INET6 if bytes.len() >= IPV6_LENGTH => {
                let port = u16::from_be_bytes(word(bytes, 2)?);
                let address = Ipv6Addr::from(part::<16>(bytes, 8)?);
                let scope = part(bytes, IPV6_LENGTH).map_or(0, u32::from_ne_bytes);
                let address = SocketAddrV6::new(address, port, 0, scope);
                Ok(Self::Internet(SocketAddr::V6(address)))
            }
            AddressFamily::INET | AddressFamily::INET6 => Err(malformed(Errno::INVAL)),
            AddressFamily::UNIX => {
                let name = bytes.get(2..).unwrap_or_default();
                match name {
                    [] => Err(malformed(Errno::INVAL)),
                    _ if bytes.len() > UNIX_LENGTH => Err(malformed(Errno::INVAL)),
                    [0, rest @ ..] => Ok(Self::Abstract(rest.to_vec())),
                    _ => Ok(Self::Path(
                        name.split(|&byte| byte == 0)
                            .next()
                            .unwrap_or_default()
                            .to_vec(),
                    )),
                }
            }
            _ => Ok(Self::Other(family)),
        }
    }

    /// As policies and records write it; not escaped.
    pub(crate) fn text(&self) -> Vec<u8> {
        match self {
            Self::Internet(address) => format!("tcp:{address}").into_bytes(),
            Self::Path(path) => path.clone(),
            Self::Abstract(name) => [b"@", name.as_slice()].concat(),
            Self::Other(0) => b"AF_UNSPEC".to_vec(),
            Self::Other(family) => format!("family {family}").into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> bool {
        Given::read(bytes) == Err(malformed(Errno::INVAL))
    }

    #[test]
    fn lengths_are_checked_and_what_is_behind_does_not_count() {
        let mut four = [0_u8; 128];
        four[..8].copy_from_slice(&[2, 0, 0, 80, 192, 0, 2, 1]);
        let read = Given::Internet("192.0.2.1:80".parse().unwrap());
        assert_eq!(Given::read(&four).unwrap(), read);
        assert_eq!(Given::read(&four[..16]).unwrap(), read);
        for length in 0..16 {
            assert!(refused(&four[..length]), "{length}");
        }
        let mut six = [0_u8; 128];
        six[..4].copy_from_slice(&[10, 0, 0, 80]);
        six[23] = 1;
        six[24] = 7;
        assert_eq!(
            Given::read(&six[..24]).unwrap(),
            Given::Internet("[::1]:80".parse().unwrap())
        );
        let scoped = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 7);
        assert_eq!(
            Given::read(&six).unwrap(),
            Given::Internet(SocketAddr::V6(scoped))
        );
        assert!(refused(&six[..23]));
        assert_eq!(Given::read(&[0, 0]).unwrap(), Given::Other(0));
    }

    #[test]
    fn unix_names_end_where_the_kernel_ends_them() {
        let read = |name: &[u8]| Given::read(&[&[1, 0], name].concat());
        assert_eq!(read(b"/a\0b").unwrap(), Given::Path(b"/a".to_vec()));
        assert_eq!(read(b"/a").unwrap(), Given::Path(b"/a".to_vec()));
        assert_eq!(read(b"\0a\0b").unwrap(), Given::Abstract(b"a\0b".to_vec()));
        assert_eq!(read(b"\0").unwrap(), Given::Abstract(Vec::new()));
        assert_eq!(read(&[b'a'; 108]).unwrap(), Given::Path(vec![b'a'; 108]));
        assert!(refused(&[1, 0]));
        assert!(read(&[b'a'; 109]).is_err());
    }
}
