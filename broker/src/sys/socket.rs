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

/// Who sent a record, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sender {
    /// The process, as the broker's pid namespace numbers it.
    pub(crate) process: u32,
    /// Its effective user.
    pub(crate) user: u32,
    /// Its effective group.
    pub(crate) group: u32,
}

/// Room for the control message of SCM_CREDENTIALS and, since the kernel puts that first,
/// for nothing else.
#[repr(C)]
struct SenderMessage {
    header: libc::cmsghdr,
    sender: libc::ucred,
}

/// Who sent the next record of a socket with `SO_PASSCRED`; the record stays there. None
/// where the option was not yet set when it was sent.
///
/// # Errors
/// What recvmsg(2) meets.
pub(crate) fn next_sender(socket: BorrowedFd<'_>) -> Result<Option<Sender>, Errno> {
    let mut control = std::mem::MaybeUninit::<SenderMessage>::zeroed();
    let mut byte = 0u8;
    let mut vector = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let mut message = std::mem::MaybeUninit::<libc::msghdr>::zeroed();
    let pointer = message.as_mut_ptr();
    // SAFETY: a zeroed header is valid, and `pointer` is to it.
    let header = unsafe { &mut *pointer };
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<SenderMessage>() as _;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header describes buffers of ours that outlive the call.
    let result = unsafe { libc::recvmsg(socket.as_raw_fd(), pointer, flags) };
    if result < 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    }
    // SAFETY: it was zeroed before the kernel wrote into it, and all its fields are integers.
    let control = unsafe { control.assume_init() };
    let told = control.header.cmsg_level == libc::SOL_SOCKET
        && control.header.cmsg_type == libc::SCM_CREDENTIALS;
    let process = u32::try_from(control.sender.pid).unwrap_or(0);
    Ok((told && process > 0).then_some(Sender {
        process,
        user: control.sender.uid,
        group: control.sender.gid,
    }))
}
