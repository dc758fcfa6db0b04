//! Where the serving thread runs, and where an asker wakes to receive a grant.
//!
//! The kernel wakes the receiver of a descriptor on an idle CPU, which costs several times
//! what the grant does; an answer by value wakes it here. So while a CPU is idle the sleeping
//! asker is held on this thread's CPU until the descriptor is in its table, and let go before
//! it is answered: it never runs under the hold, so neither it nor a child of it can see or
//! inherit one. The mask put back is the one that was read just before. A thread is named by
//! its number here, since no call takes a pidfd: were it killed and its number given away
//! within these few calls, that other thread of the same user would get the mask of this one.

use std::{cell::Cell, os::fd::OwnedFd};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::pread,
    thread::{CpuSet, Pid, sched_getaffinity, sched_getcpu, sched_setaffinity},
};

use crate::control::{self, Defence};

/// Grants until it is looked again whether a CPU is idle.
const GRANTS: u32 = 64;

/// The serving thread's place: free, or on one CPU.
#[derive(Debug)]
pub(super) struct Seat {
    /// Where the thread may run at all; none where that cannot be read.
    free: Option<CpuSet>,
    /// `/proc/loadavg`, which tells how many threads run now.
    load: Option<OwnedFd>,
    taken: Cell<Option<CpuSet>>,
    left: Cell<u32>,
}

impl Seat {
    /// Of the calling thread, which is left free.
    pub(super) fn new() -> Self {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Self {
            free: sched_getaffinity(None).ok(),
            load: openat(CWD, "/proc/loadavg", flags, Mode::empty()).ok(),
            taken: Cell::new(None),
            left: Cell::new(0),
        }
    }

    /// Whether the thread keeps to one CPU.
    pub(super) fn is_taken(&self) -> bool {
        self.taken.get().is_some()
    }

    /// Lets the scheduler place the thread again.
    pub(super) fn leave(&self) {
        if self.taken.take().is_some()
            && let Some(free) = &self.free
        {
            let _unchanged = sched_setaffinity(None, free);
        }
        self.left.set(0);
    }

    /// Holds an asker that sleeps, if a CPU is idle.
    pub(super) fn hold(&self, asker: i32) -> Option<Hold> {
        if self.left.get() == 0 {
            self.choose();
        }
        self.left.set(self.left.get().saturating_sub(1));
        let here = self.taken.get()?;
        let asker = Pid::from_raw(asker)?;
        let before = sched_getaffinity(Some(asker)).ok()?;
        sched_setaffinity(Some(asker), &here).ok()?;
        Some(Hold { asker, before })
    }

    fn choose(&self) {
        self.leave();
        self.left.set(GRANTS);
        if self.has_idle() {
            let mut here = CpuSet::new();
            here.set(sched_getcpu());
            if sched_setaffinity(None, &here).is_ok() {
                self.taken.set(Some(here));
            }
        }
    }

    fn has_idle(&self) -> bool {
        if control::is_off(Defence::HoldSparing) || control::is_off(Defence::HoldReleased) {
            return true;
        }
        let (Some(free), Some(load)) = (&self.free, &self.load) else {
            return false;
        };
        let mut text = [0; 64];
        let length = pread(load, &mut text, 0).unwrap_or(0);
        running(text.get(..length).unwrap_or_default()).is_some_and(|count| count < free.count())
    }
}

/// The threads that run or could run now, this one among them: proc_loadavg(5).
fn running(load: &[u8]) -> Option<u32> {
    let field = std::str::from_utf8(load).ok()?.split(' ').nth(3)?;
    field.split_once('/')?.0.parse().ok()
}

/// An asker that is to wake on this CPU; dropped, it may run again where it might before.
#[derive(Debug)]
pub(super) struct Hold {
    asker: Pid,
    before: CpuSet,
}

impl Hold {
    /// Ends it, or a little late in the control.
    pub(super) fn release(self) {
        if control::is_off(Defence::HoldReleased) {
            let _releasing = std::thread::Builder::new().spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(1));
                drop(self);
            });
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _gone = sched_setaffinity(Some(self.asker), &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::running;

    #[test]
    fn the_threads_that_run_are_read() {
        assert_eq!(running(b"0.35 0.43 0.87 2/135 12345\n"), Some(2));
        assert_eq!(running(b"0.35 0.43 0.87 2"), None);
        assert_eq!(running(b""), None);
        assert_eq!(running(b"0.35 0.43 0.87 x/1 2"), None);
    }
}
