//! The only `unsafe` of the crate: a descriptor that is known by its number.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// The descriptor that was left open under this number, closed on exec from now on; none if
/// there is none. To be asked for at most once for each number.
pub(crate) fn inherited(number: RawFd) -> Option<OwnedFd> {
    const STANDARD: RawFd = 2;
    if number <= STANDARD {
        return None;
    }
    // SAFETY: no valid descriptor is -1, and a number that is not open gives EBADF below.
    let looked = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(looked, FdFlags::CLOEXEC).ok()?;
    // SAFETY: it is open, and was left for this program, whose only taker is the caller.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
