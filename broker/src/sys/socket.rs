//! Socket options without a wrapper.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// `SO_PASSRIGHTS` (Linux 6.16).
const PASS_RIGHTS: libc::c_int = 83;

/// Whoever sends a descriptor to this socket gets EPERM.
///
/// # Errors
/// `ENOPROTOOPT` before Linux 6.16.
pub(crate) fn refuse_descriptors(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    let off: libc::c_int = 0;
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the value is an int of ours that the kernel reads during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            PASS_RIGHTS,
            (&raw const off).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}
