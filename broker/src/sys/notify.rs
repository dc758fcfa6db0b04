//! Seccomp user notification: the ioctls of seccomp_unotify(2).

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const VALID: libc::c_ulong = 0x4008_2102;
const ADD: libc::c_ulong = 0x4018_2103;
const SET_FLAGS: libc::c_ulong = 0x4008_2104;
const SYNC_WAKE_UP: libc::c_ulong = 1;
const CONTINUE: u32 = 1;
const ADD_SEND: u32 = 2;

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    pub(crate) thread: u32,
    flags: u32,
    pub(crate) number: i32,
    pub(crate) arch: u32,
    pointer: u64,
    pub(crate) arguments: [u64; 6],
}

#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

#[repr(C)]
struct Addition {
    id: u64,
    flags: u32,
    source: u32,
    target: u32,
    target_flags: u32,
}

fn errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Waits for the next notification. `ENOENT`: its sender is gone already.
pub(crate) fn receive(listener: BorrowedFd<'_>) -> Result<Notification, Errno> {
    let mut notification = Notification::default();
    // SAFETY: the argument is a zeroed `struct seccomp_notif` of ours.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut notification) };
    if result == 0 {
        Ok(notification)
    } else {
        Err(errno())
    }
}

/// Whether the sender still waits for this very notification.
pub(crate) fn valid(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the argument is a u64 of ours that the kernel reads.
    unsafe { libc::ioctl(listener.as_raw_fd(), VALID, &raw const id) == 0 }
}

fn respond(listener: BorrowedFd<'_>, response: &Response) -> Result<(), Errno> {
    // SAFETY: the argument is a `struct seccomp_notif_resp` of ours.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), SEND, std::ptr::from_ref(response)) };
    if result == 0 { Ok(()) } else { Err(errno()) }
}

/// Answers with a value.
pub(crate) fn send_value(listener: BorrowedFd<'_>, id: u64, value: i64) -> Result<(), Errno> {
    respond(
        listener,
        &Response {
            id,
            value,
            error: 0,
            flags: 0,
        },
    )
}

/// Answers with an errno; 512 makes the kernel handle a signal as it would natively.
pub(crate) fn send_errno(listener: BorrowedFd<'_>, id: u64, errno: Errno) -> Result<(), Errno> {
    let error = errno.raw_os_error().wrapping_neg();
    respond(
        listener,
        &Response {
            id,
            value: 0,
            error,
            flags: 0,
        },
    )
}

/// Lets the kernel perform the call.
pub(crate) fn send_continue(listener: BorrowedFd<'_>, id: u64) -> Result<(), Errno> {
    respond(
        listener,
        &Response {
            id,
            value: 0,
            error: 0,
            flags: CONTINUE,
        },
    )
}

/// Answers with a descriptor: adds it to the sender's table and returns its number there.
pub(crate) fn send_descriptor(
    listener: BorrowedFd<'_>,
    id: u64,
    descriptor: BorrowedFd<'_>,
    close_on_exec: bool,
) -> Result<(), Errno> {
    add(listener, id, descriptor, close_on_exec, ADD_SEND).map(drop)
}

/// Adds a descriptor to the sender's table, who is still owed the answer: the number that
/// is returned here.
pub(crate) fn add_descriptor(
    listener: BorrowedFd<'_>,
    id: u64,
    descriptor: BorrowedFd<'_>,
    close_on_exec: bool,
) -> Result<i64, Errno> {
    add(listener, id, descriptor, close_on_exec, 0)
}

fn add(
    listener: BorrowedFd<'_>,
    id: u64,
    descriptor: BorrowedFd<'_>,
    close_on_exec: bool,
    flags: u32,
) -> Result<i64, Errno> {
    let addition = Addition {
        id,
        flags,
        source: u32::try_from(descriptor.as_raw_fd()).map_err(|_| Errno::BADF)?,
        target: 0,
        target_flags: if close_on_exec {
            libc::O_CLOEXEC.unsigned_abs()
        } else {
            0
        },
    };
    // SAFETY: the argument is a `struct seccomp_notif_addfd` of ours.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), ADD, &raw const addition) };
    if result >= 0 {
        Ok(i64::from(result))
    } else {
        Err(errno())
    }
}

/// Wakes the other side on this CPU, where the kernel can (Linux 6.6).
pub(crate) fn wake_here(listener: BorrowedFd<'_>) -> bool {
    // SAFETY: the argument is a number, not a pointer.
    unsafe { libc::ioctl(listener.as_raw_fd(), SET_FLAGS, SYNC_WAKE_UP) == 0 }
}
