//! What waits in a socket.

use std::os::fd::{AsRawFd, BorrowedFd};

/// Bytes of the kernel's that a socket holds: sent and not yet read by the other side, with the
/// kernel's own records of them, and come and not yet read.
pub(super) fn unread(socket: BorrowedFd<'_>) -> u64 {
    let mut sum = 0;
    for question in [libc::TIOCOUTQ, libc::FIONREAD] {
        let mut count: libc::c_int = 0;
        // SAFETY: both write one int, and a socket knows them or fails.
        let told = unsafe { libc::ioctl(socket.as_raw_fd(), question, &raw mut count) };
        sum += u64::try_from(if told == 0 { count } else { 0 }).unwrap_or(0);
    }
    sum
}
