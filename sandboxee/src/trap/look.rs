//! Looking for a reply before sleeping, as [`Polling`] says.

use std::time::Duration;

use doorward_protocol::polling::Polling;
use rustix::io::Errno;

use super::{
    record::Received,
    sys::{self, call},
};

/// In nanoseconds.
const HOUR: u64 = 3_600_000_000_000;

/// Looks with `receive`, which does not wait; none where the caller is to sleep.
pub(super) fn look(
    polling: &mut Polling,
    mut receive: impl FnMut() -> Result<Received, Errno>,
) -> Option<Result<Received, Errno>> {
    // Without a clock no look would end: it then passes an hour with each reading.
    let mut unread = 0_u64;
    let clock = || {
        Duration::from_nanos(time().unwrap_or_else(|_| {
            unread = unread.saturating_add(HOUR);
            unread
        }))
    };
    polling.seek(clock, || match receive() {
        Err(Errno::AGAIN | Errno::INTR) => None,
        received => Some(received),
    })
}

/// Nanoseconds of the monotonic clock.
fn time() -> Result<u64, Errno> {
    let mut time = [0_u64; 2];
    let clock = u64::from(libc::CLOCK_MONOTONIC.cast_unsigned());
    let room = sys::address_mut(&mut time);
    call(libc::SYS_clock_gettime, [clock, room, 0, 0, 0, 0])?;
    let [seconds, nanoseconds] = time;
    Ok(seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds))
}
