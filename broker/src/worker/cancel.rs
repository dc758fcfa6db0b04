//! Giving up a call from another thread.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    event::{EventfdFlags, eventfd},
    io::Errno,
};

/// Gives up the calls it was handed to, from any thread. Its copies are one and the same.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<OwnedFd>);

impl Cancel {
    /// One that has not been used.
    ///
    /// # Errors
    /// What eventfd(2) meets.
    pub fn new() -> Result<Self, Errno> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(Arc::new(eventfd(0, flags)?)))
    }

    /// Gives up all calls that have it, also those to come.
    pub fn cancel(&self) {
        // It fails only where it was used before.
        let _before = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl AsFd for Cancel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
