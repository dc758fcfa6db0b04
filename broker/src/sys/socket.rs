//! Socket options without a wrapper.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

/// `SO_PASSRIGHTS` (Linux 6.16).
const PASS_RIGHTS: libc::c_int = 83;

/// Whoever sends a descriptor to this socket gets EPERM.
///
/// # Errors
/// `ENOPROTOOPT` before Linux 6.16.
pub(crate) fn refuse_descriptors(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    set(socket, PASS_RIGHTS, 0)
}

fn set(socket: BorrowedFd<'_>, option: libc::c_int, value: libc::c_int) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the value is an int of ours that the kernel reads during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
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

/// A control message with one number: sender or descriptor.
#[repr(C, align(8))]
struct Message<T> {
    header: libc::cmsghdr,
    value: T,
}

/// Room for SCM_CREDENTIALS, which the kernel puts first, and SCM_PIDFD.
#[repr(C)]
struct Messages {
    sender: Message<libc::ucred>,
    process: Message<libc::c_int>,
}

/// `SO_PASSPIDFD` and `SCM_PIDFD` (Linux 6.5).
const PASS_PROCESS: libc::c_int = 76;
const SCM_PROCESS: libc::c_int = 4;

/// Whether the process that sends comes with each record, as a descriptor.
///
/// # Errors
/// `ENOPROTOOPT` before Linux 6.5.
pub(crate) fn pass_process(socket: BorrowedFd<'_>, on: bool) -> Result<(), Errno> {
    set(socket, PASS_PROCESS, libc::c_int::from(on))
}

/// A record, or a look at it.
#[derive(Debug)]
pub(crate) struct Record {
    /// Bytes of it that were received.
    pub(crate) length: usize,
    /// Whether more of it, or more beside it, was lost.
    pub(crate) cut: bool,
    /// Who sent it, where the option was set when it was sent.
    pub(crate) sender: Option<Sender>,
    /// The same process, where that was asked for.
    pub(crate) process: Option<OwnedFd>,
}

/// Looks at the next record of a socket with `SO_PASSCRED`; it stays there.
///
/// # Errors
/// What recvmsg(2) meets.
pub(crate) fn look(socket: BorrowedFd<'_>) -> Result<Record, Errno> {
    receive_with(socket, &mut [0], libc::MSG_PEEK)
}

/// Receives the next record of a socket with `SO_PASSCRED`.
///
/// # Errors
/// What recvmsg(2) meets.
pub(crate) fn receive_from(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Record, Errno> {
    receive_with(socket, buffer, 0)
}

fn receive_with(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: libc::c_int,
) -> Result<Record, Errno> {
    let mut control = std::mem::MaybeUninit::<Messages>::zeroed();
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut message = std::mem::MaybeUninit::<libc::msghdr>::zeroed();
    let pointer = message.as_mut_ptr();
    // SAFETY: a zeroed header is valid, and `pointer` is to it.
    let header = unsafe { &mut *pointer };
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Messages>() as _;
    let flags = flags | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header describes buffers of ours that outlive the call.
    let result = unsafe { libc::recvmsg(socket.as_raw_fd(), pointer, flags) };
    let Ok(length) = usize::try_from(result) else {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    };
    let lost = header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0;
    // SAFETY: it was zeroed before the kernel wrote into it, and all its fields are integers.
    let Messages { sender, process } = unsafe { control.assume_init() };
    let told = is(&sender.header, libc::SCM_CREDENTIALS);
    let number = u32::try_from(sender.value.pid).unwrap_or(0);
    // Where descriptors cannot be refused, one of the sender's may have come in its place.
    let foreign = is(&process.header, libc::SCM_RIGHTS);
    let process = (foreign || is(&process.header, SCM_PROCESS)).then_some(process.value);
    let process = process.filter(|value| *value >= 0).map(|value| {
        // SAFETY: the kernel made this descriptor for this very record.
        unsafe { OwnedFd::from_raw_fd(value) }
    });
    let process = process.filter(|_| !foreign);
    Ok(Record {
        length,
        cut: lost || foreign,
        sender: (told && number > 0).then_some(Sender {
            process: number,
            user: sender.value.uid,
            group: sender.value.gid,
        }),
        process,
    })
}

fn is(header: &libc::cmsghdr, kind: libc::c_int) -> bool {
    header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == kind
}
