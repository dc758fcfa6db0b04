//! A socket address as words for people and for `explain`.

use doorward_policy::{AbsName, policy::Destination};

use crate::net::Given;

/// The destination it names, if it is one of TCP or UNIX.
pub(super) fn destination(address: &[u8]) -> Option<Destination> {
    match Given::read(address).ok()? {
        Given::Internet(to) => Some(Destination::Tcp(to)),
        Given::Path(path) => AbsName::parse(&path).ok().map(Destination::UnixPath),
        Given::Abstract(name) => Some(Destination::UnixAbstract(name)),
        Given::Other(_) => None,
    }
}

/// In words: `tcp:192.0.2.1:443`, `unix:/run/x`, `unix:@name`, or the family's number.
pub(super) fn words(address: &[u8]) -> Vec<u8> {
    match Given::read(address) {
        Ok(given @ (Given::Path(_) | Given::Abstract(_))) => {
            [b"unix:", given.text().as_slice()].concat()
        }
        Ok(given) => given.text(),
        Err(_) => address.first_chunk().map_or_else(Vec::new, |&family| {
            format!("family {}", u16::from_ne_bytes(family)).into_bytes()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn laid_out(family: i32, rest: &[u8]) -> Vec<u8> {
        let family = u16::try_from(family).unwrap().to_ne_bytes();
        [&family, rest].concat()
    }

    #[test]
    fn addresses_are_told_as_the_kernel_reads_them() {
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
