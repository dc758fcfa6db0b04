//! Errors by the conventions of C: a value that no success has, and errno.

use std::panic::{AssertUnwindSafe, catch_unwind};

use doorward_sandboxee::ClientError;
use rustix::io::Errno;

use crate::sys::set_errno;

/// The errno of an error.
fn errno(error: &ClientError) -> Errno {
    match error {
        ClientError::Errno(errno) => *errno,
        ClientError::Protocol(_) => Errno::PROTO,
        ClientError::NoLane => Errno::NOTCONN,
        ClientError::Gone => Errno::PIPE,
    }
}

/// Does the work of a call. Where it fails errno is set and the call returns `failed`; a panic
/// does not reach C, but is `ENOTRECOVERABLE`.
pub(crate) fn answer<T>(failed: T, work: impl FnOnce() -> Result<T, ClientError>) -> T {
    let errno = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => return value,
        Ok(Err(error)) => errno(&error),
        Err(_) => Errno::NOTRECOVERABLE,
    };
    set_errno(errno);
    failed
}

/// Does what has no value but that it is done.
pub(crate) fn done(work: impl FnOnce() -> Result<(), ClientError>) -> i32 {
    answer(-1, || work().map(|()| 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> Option<i32> {
        std::io::Error::last_os_error().raw_os_error()
    }

    #[test]
    fn errors_and_panics_are_values() {
        assert_eq!(done(|| Ok(())), 0);
        assert_eq!(done(|| Err(ClientError::Errno(Errno::ACCESS))), -1);
        assert_eq!(last(), Some(libc::EACCES));
        assert_eq!(done(|| Err(ClientError::Gone)), -1);
        assert_eq!(last(), Some(libc::EPIPE));
        assert_eq!(done(|| Err(ClientError::NoLane)), -1);
        assert_eq!(last(), Some(libc::ENOTCONN));
        assert_eq!(answer(-1, || std::panic::panic_any("a defect")), -1);
        assert_eq!(last(), Some(libc::ENOTRECOVERABLE));
    }
}
