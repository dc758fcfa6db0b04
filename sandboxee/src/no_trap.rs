//! The trap front, which is made for x86-64 alone.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

/// Refuses: there is nothing to join.
///
/// # Errors
/// `ENOSYS`.
pub fn share(_lane: OwnedFd) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

/// Refuses: calls go on as they were.
///
/// # Errors
/// `ENOSYS`.
pub fn enter(_lane: OwnedFd) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
