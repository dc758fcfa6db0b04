//! Which sockets the broker made: their cookies, which the kernel never gives twice.

use std::{collections::VecDeque, os::fd::AsFd, sync::Mutex};

use rustix::{io::Errno, net::sockopt::socket_cookie};

/// How many are remembered; an older one that is still not connected never will be.
const MOST: usize = 16_384;

/// The cookies of the latest sockets made for one sandbox.
#[derive(Debug, Default)]
pub(super) struct Made(Mutex<VecDeque<u64>>);

impl Made {
    /// Remembers a socket.
    pub(super) fn remember(&self, socket: impl AsFd) -> Result<(), Errno> {
        let cookie = socket_cookie(socket)?;
        let mut made = self.0.lock().map_err(|_| Errno::IO)?;
        if made.len() >= MOST {
            made.pop_front();
        }
        made.push_back(cookie);
        Ok(())
    }

    /// Whether a socket is one of them.
    pub(super) fn holds(&self, socket: impl AsFd) -> Result<bool, Errno> {
        let cookie = socket_cookie(socket)?;
        let made = self.0.lock().map_err(|_| Errno::IO)?;
        Ok(made.iter().rev().any(|&one| one == cookie))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn strangers_are_told_apart_and_the_oldest_is_forgotten() {
        let made = Made::default();
        let one = UdpSocket::bind("127.0.0.1:0").unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        made.remember(&one).unwrap();
        assert!(made.holds(&one).unwrap());
        assert!(made.holds(one.try_clone().unwrap()).unwrap());
        assert!(!made.holds(&other).unwrap());
        for _ in 0..MOST {
            made.remember(&other).unwrap();
        }
        assert!(!made.holds(&one).unwrap());
        assert_eq!(made.0.lock().unwrap().len(), MOST);
    }
}
