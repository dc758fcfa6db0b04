//! Records, sent and received by raw calls.

use rustix::io::Errno;

use super::{
    lanes::{self, signed},
    sys::{self, call},
};

/// The header of a message with one piece, as recvmsg(2) and sendmsg(2) have it.
#[derive(Debug, Default)]
#[repr(C)]
struct Header {
    name: u64,
    name_length: u64,
    vector: u64,
    vector_length: u64,
    control: u64,
    control_length: u64,
    flags: u64,
}

/// A control message with one descriptor.
#[derive(Debug, Default)]
#[repr(C, align(8))]
struct Rights {
    length: u64,
    level: i32,
    kind: i32,
    number: i32,
    spare: i32,
}

/// Sends one record.
///
/// # Errors
/// The kernel's; `EINTR` where nothing was sent.
pub(super) fn send(lane: i32, record: &[u8]) -> Result<(), Errno> {
    let length = u64::try_from(record.len()).unwrap_or_default();
    let vector = [sys::address(record), length];
    let header = Header {
        vector: sys::address(&vector),
        vector_length: 1,
        ..Header::default()
    };
    let flags = signed(libc::MSG_NOSIGNAL);
    let arguments = [signed(lane), sys::address(&header), flags, 0, 0, 0];
    call(libc::SYS_sendmsg, arguments).map(drop)
}

/// A record that came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) length: usize,
    pub(super) descriptor: Option<i32>,
}

/// Receives one record.
///
/// # Errors
/// `EINTR` when a signal was handled meanwhile, `EPIPE` when the broker is gone, `EMFILE` when
/// there is no room for the descriptor that came, `EIO` for what is no record of a broker's.
pub(super) fn receive(lane: i32, into: &mut [u8], flags: i32) -> Result<Received, Errno> {
    let length = u64::try_from(into.len()).unwrap_or_default();
    let vector = [sys::address_mut(into), length];
    let mut rights = Rights::default();
    let mut header = Header {
        vector: sys::address(&vector),
        vector_length: 1,
        control: sys::address_mut(&mut rights),
        control_length: 20,
        ..Header::default()
    };
    let pointer = sys::address_mut(&mut header);
    let arguments = [signed(lane), pointer, signed(flags), 0, 0, 0];
    let received = call(libc::SYS_recvmsg, arguments)?;
    let length = usize::try_from(received).map_err(|_| Errno::IO)?;
    let came = &rights;
    let descriptor =
        (came.length == 20 && came.level == libc::SOL_SOCKET && came.kind == libc::SCM_RIGHTS)
            .then_some(came.number);
    let has = |flag: i32| header.flags & signed(flag) != 0;
    let failed = match length {
        0 => Some(Errno::PIPE),
        _ if has(libc::MSG_TRUNC) => Some(Errno::IO),
        _ if has(libc::MSG_CTRUNC) => Some(Errno::MFILE),
        _ => None,
    };
    if let Some(errno) = failed {
        descriptor.into_iter().for_each(lanes::discard);
        return Err(errno);
    }
    Ok(Received { length, descriptor })
}

/// Waits until a record can be received, at most for `left` nanoseconds, of which it takes off
/// what has passed; signals do not end it.
pub(super) fn wait(lane: i32, left: &mut i64) {
    const SECOND: i64 = 1_000_000_000;
    // `struct pollfd`: the number, and behind it the events that are waited for.
    let mut polled = signed(lane) | (u64::from(libc::POLLIN.cast_unsigned()) << 32);
    // `struct timespec`; what is left of it is written there.
    let mut time = [*left / SECOND, *left % SECOND];
    let polled = sys::address_mut(&mut polled);
    let arguments = [polled, 1, sys::address_mut(&mut time), 0, 8, 0];
    while call(libc::SYS_ppoll, arguments) == Err(Errno::INTR) {}
    let [seconds, nanoseconds] = time;
    *left = seconds.saturating_mul(SECOND).saturating_add(nanoseconds);
}

/// The same, to the end.
pub(super) fn receive_all(lane: i32, into: &mut [u8]) -> Result<Received, Errno> {
    loop {
        match receive(lane, into, libc::MSG_CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

pub(super) fn send_all(lane: i32, record: &[u8]) -> Result<(), Errno> {
    loop {
        match send(lane, record) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
