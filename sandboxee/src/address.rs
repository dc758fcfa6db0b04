//! Connections, and addresses as the kernel lays them out.

use std::{net::SocketAddr, os::fd::OwnedFd};

use doorward_protocol::Request;
use rustix::{io::Errno, net::AddressFamily};

use crate::{Client, ClientError};

/// Bytes of the longest address: that of a UNIX socket.
const LONGEST: usize = 110;

/// An address that is laid out without allocating.
#[derive(Debug)]
struct Layout {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Layout {
    fn of(parts: &[&[u8]]) -> Result<Self, Errno> {
        let mut layout = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        for part in parts {
            let end = layout.length.saturating_add(part.len());
            let Some(room) = layout.bytes.get_mut(layout.length..end) else {
                return Err(Errno::NAMETOOLONG);
            };
            room.copy_from_slice(part);
            layout.length = end;
        }
        Ok(layout)
    }

    fn internet(address: &SocketAddr) -> Result<Self, Errno> {
        let port = address.port().to_be_bytes();
        match address {
            SocketAddr::V4(four) => Self::of(&[
                &AddressFamily::INET.as_raw().to_ne_bytes(),
                &port,
                &four.ip().octets(),
                &[0; 8],
            ]),
            SocketAddr::V6(six) => Self::of(&[
                &AddressFamily::INET6.as_raw().to_ne_bytes(),
                &port,
                &six.flowinfo().to_ne_bytes(),
                &six.ip().octets(),
                &six.scope_id().to_ne_bytes(),
            ]),
        }
    }

    fn unix(parts: &[&[u8]; 2]) -> Result<Self, Errno> {
        let family = AddressFamily::UNIX.as_raw().to_ne_bytes();
        let [first, second] = parts;
        Self::of(&[&family, first, second])
    }
}

impl Client {
    /// A TCP connection, made by the broker.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect(&mut self, address: &SocketAddr) -> Result<OwnedFd, ClientError> {
        self.connect_to(Layout::internet(address))
    }

    /// A connection to the UNIX socket at a path.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect_unix(&mut self, path: &[u8]) -> Result<OwnedFd, ClientError> {
        self.connect_to(Layout::unix(&[path, &[0]]))
    }

    /// A connection to the UNIX socket of an abstract name, given without its leading NUL.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect_abstract(&mut self, name: &[u8]) -> Result<OwnedFd, ClientError> {
        self.connect_to(Layout::unix(&[&[0], name]))
    }

    /// A connection to an address as connect(2) takes it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect_address(&mut self, address: &[u8]) -> Result<OwnedFd, ClientError> {
        let (_, socket) = self.granted(&Request::Connect {
            descriptor: -1,
            address,
        })?;
        Ok(socket)
    }

    fn connect_to(&mut self, layout: Result<Layout, Errno>) -> Result<OwnedFd, ClientError> {
        let layout = layout.map_err(ClientError::Errno)?;
        self.connect_address(layout.bytes.get(..layout.length).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_laid_out_as_the_kernel_reads_them() {
        let four = Layout::internet(&"127.0.0.1:80".parse().unwrap()).unwrap();
        assert_eq!(four.length, 16);
        assert_eq!(four.bytes[..8], [2, 0, 0, 80, 127, 0, 0, 1]);
        let six = Layout::internet(&"[::1]:443".parse().unwrap()).unwrap();
        assert_eq!(six.length, 28);
        assert_eq!(six.bytes[..4], [10, 0, 1, 187]);
        assert_eq!(six.bytes[23], 1);
        let name = Layout::unix(&[&[0], b"x"]).unwrap();
        assert_eq!(name.bytes[..name.length], [1, 0, 0, b'x']);
        assert_eq!(
            Layout::unix(&[&[b'a'; 109], &[0]]).unwrap_err(),
            Errno::NAMETOOLONG
        );
        assert!(Layout::unix(&[&[b'a'; 107], &[0]]).is_ok());
    }
}
