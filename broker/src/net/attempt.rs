//! One connect(2) on a worker, as long as the kernel would let it wait.
//!
//! The open file description is the asker's, who may make it blocking while the broker is
//! in connect(2). A timer therefore interrupts the call every few milliseconds: the asker's
//! signals, its death and a deadline are then looked at, and the call is made again, which
//! for the kernel is to go on waiting for the same connection.

use std::{
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::sockopt::{Timeout, socket_timeout},
};

use crate::{
    files::{Attempt, Course, Fault},
    sys::interruption::Interruption,
};

/// Between two looks at the asker.
const TICK: Duration = Duration::from_millis(20);
/// The longest that anybody waits; the kernel's own retries end before.
const LONGEST: Duration = Duration::from_secs(180);
/// ERESTARTSYS, by which the kernel does with a signal what it would natively.
const RESTART: Errno = Errno::from_raw_os_error(512);

/// What to answer when time is up: of `SO_SNDTIMEO`, and of the deadline.
pub(super) struct Late {
    pub(super) option: Errno,
    pub(super) deadline: Errno,
}

/// Performs `connect` until it succeeds, fails, or is to be given up.
pub(super) fn perform(
    course: &Course<'_>,
    socket: BorrowedFd<'_>,
    late: &Late,
    connect: impl Fn() -> Result<(), Errno>,
) -> Attempt<()> {
    course.may_block()?;
    let wanted = socket_timeout(socket, Timeout::Send)?;
    let begun = Instant::now();
    let _interruption = Interruption::every(TICK)?;
    let mut again = false;
    loop {
        match connect() {
            Err(Errno::INTR) => {}
            // It was made non-blocking while this call waited, which changes nothing natively.
            Err(Errno::ALREADY) if again => std::thread::sleep(TICK),
            other => return Ok(other?),
        }
        again = true;
        match course.waits(Duration::ZERO) {
            Err(Fault::Failed(errno)) => {
                let timed = errno == RESTART && wanted.is_some();
                return Err(Fault::Failed(if timed { Errno::INTR } else { errno }));
            }
            other => other?,
        }
        let waited = begun.elapsed();
        if wanted.is_some_and(|wanted| waited >= wanted) {
            return Err(Fault::Failed(late.option));
        }
        if waited >= LONGEST {
            return Err(Fault::Failed(late.deadline));
        }
    }
}
