//! Copies of the sockets made, for places where pidfd_getfd is refused.
//!
//! A copy keeps its socket open, so the other end would not see the asker close it: one is
//! given up as soon as its connection is made or under way, and only so many are kept.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Mutex,
};

use rustix::{
    io::Errno,
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};

/// How many are kept; older ones can no longer be connected.
const MOST: usize = 256;

/// The copies by inode number; none where the asker's own sockets can be had.
#[derive(Debug)]
pub(super) struct Kept(Option<Mutex<VecDeque<(u64, OwnedFd)>>>);

impl Kept {
    /// Keeps copies only if pidfd_getfd is refused here.
    pub(super) fn where_needed() -> Self {
        let tried = pidfd_open(getpid(), PidfdFlags::empty())
            .and_then(|own| pidfd_getfd(&own, own.as_raw_fd(), PidfdGetfdFlags::empty()));
        match tried {
            Ok(_) => Self(None),
            Err(_) => Self::always(),
        }
    }

    /// Keeps copies.
    pub(super) fn always() -> Self {
        Self(Some(Mutex::default()))
    }

    /// Keeps a copy, if that is needed.
    pub(super) fn keep(&self, socket: impl AsFd) -> Result<(), Errno> {
        let Some(kept) = &self.0 else { return Ok(()) };
        let inode = rustix::fs::fstat(&socket)?.st_ino;
        let copy = rustix::io::fcntl_dupfd_cloexec(socket, 0)?;
        let mut kept = kept.lock().map_err(|_| Errno::IO)?;
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back((inode, copy));
        Ok(())
    }

    /// The socket with this inode.
    pub(super) fn get(&self, inode: u64) -> Result<Option<OwnedFd>, Errno> {
        let Some(kept) = &self.0 else { return Ok(None) };
        let kept = kept.lock().map_err(|_| Errno::IO)?;
        kept.iter()
            .find(|(one, _)| *one == inode)
            .map(|(_, socket)| rustix::io::fcntl_dupfd_cloexec(socket, 0))
            .transpose()
    }

    /// Gives the copy up.
    pub(super) fn forget(&self, inode: u64) {
        if let Some(kept) = &self.0
            && let Ok(mut kept) = kept.lock()
        {
            kept.retain(|(one, _)| *one != inode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read, os::unix::net::UnixStream};

    #[test]
    fn copies_are_bounded_and_given_up() {
        let kept = Kept::always();
        let (one, mut peer) = UnixStream::pair().unwrap();
        let inode = rustix::fs::fstat(&one).unwrap().st_ino;
        kept.keep(&one).unwrap();
        drop(one);
        assert!(kept.get(inode).unwrap().is_some());
        peer.set_nonblocking(true).unwrap();
        assert!(peer.read(&mut [0]).is_err(), "the copy holds it open");
        kept.forget(inode);
        assert!(kept.get(inode).unwrap().is_none());
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        let (first, _peer) = UnixStream::pair().unwrap();
        kept.keep(&first).unwrap();
        for _ in 0..MOST {
            kept.keep(&peer).unwrap();
        }
        let inode = rustix::fs::fstat(&first).unwrap().st_ino;
        assert!(kept.get(inode).unwrap().is_none());
    }

    #[test]
    fn none_is_kept_where_the_asker_s_can_be_had() {
        let kept = Kept(None);
        let (one, _peer) = UnixStream::pair().unwrap();
        kept.keep(&one).unwrap();
        let inode = rustix::fs::fstat(&one).unwrap().st_ino;
        assert!(kept.get(inode).unwrap().is_none());
    }
}
