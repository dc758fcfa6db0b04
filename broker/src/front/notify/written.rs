//! What was written into the memory of an asker, and whether it went to another.
//!
//! Memory is named by the number of a thread: no call writes by a descriptor of a process. One
//! of its memory, /proc/TID/mem, would name it for good, but writes into read-only private
//! mappings, too (`FOLL_FORCE`): a sandboxee that maps its program at the address meanwhile would
//! have it rewritten. A number can be given again between the look whether the request stands and
//! the writing, once its owner was killed and reaped and all other numbers were given. That cannot
//! be hindered from outside, but is seen: the kernel takes the answer only while the asker waits,
//! and then the number was the asker's all the while. When it takes none, the asker was reaped and
//! its number is another's, the broker ends, and the sandbox with it: nobody runs on with what
//! was written for another. A descriptor of the thread tells whether it was reaped. Where there is
//! none (before Linux 6.9, or where a container refuses it) the time at which the number's owner
//! began tells, in ticks of 10 ms: all numbers would have to be given within one to go unseen.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::{
    io::Errno,
    time::{ClockId, Timespec, clock_gettime},
};

use super::asker::Waiting;
use crate::control::{self, Defence};

/// The place of the time of its start behind the name of a process, in proc_pid_stat(5).
const STARTED: usize = 19;
/// What that is told in, in nanoseconds.
const TICK: i64 = 10_000_000;
const TICKS: i64 = 100;

/// Something written by a number, and when that was the asker's.
#[derive(Debug)]
pub(super) struct Written {
    thread: i32,
    process: Option<OwnedFd>,
    /// Ticks since the machine started.
    at: i64,
}

impl Written {
    /// To be made before the look whether the request stands.
    pub(super) fn to(waiting: &Waiting<'_>) -> Self {
        Self {
            thread: waiting.thread,
            process: waiting.named(),
            at: ticks(clock_gettime(ClockId::Boottime)),
        }
    }

    /// To be called when the kernel took the answer.
    pub(super) fn keep(self, waiting: &Waiting<'_>) {
        if let Some(process) = self.process {
            waiting.keep(process);
        }
    }

    /// To be called when the kernel took no answer: ends the broker if the number is another's.
    pub(super) fn check(self) {
        if !self.is_astray() || control::is_off(Defence::AstrayEnds) {
            return;
        }
        tracing::error!(
            "the number of a process was used again while it was answered; the sandbox is ended"
        );
        std::process::exit(1);
    }

    fn is_astray(&self) -> bool {
        if self.process.as_ref().is_some_and(|one| !is_reaped(one)) {
            return false;
        }
        match std::fs::read_to_string(format!("/proc/{}/stat", self.thread)) {
            // In the tick of the look it may be the asker where the descriptor is of an earlier one.
            Ok(stat) => started(&stat).is_none_or(|started| {
                started > self.at || (self.process.is_some() && started == self.at)
            }),
            // The number is nobody's.
            Err(error) => !matches!(
                Errno::from_io_error(&error),
                Some(Errno::NOENT | Errno::SRCH)
            ),
        }
    }
}

/// Whether the number of a thread is free for others: proc_pid_fdinfo(5) tells -1 then.
fn is_reaped(thread: &OwnedFd) -> bool {
    let known = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", thread.as_raw_fd()));
    !known.is_ok_and(|text| {
        let number = text.lines().find_map(|line| line.strip_prefix("Pid:"));
        number.is_some_and(|number| !number.trim().starts_with('-'))
    })
}

fn ticks(time: Timespec) -> i64 {
    let whole = time.tv_sec.saturating_mul(TICKS);
    whole.saturating_add(time.tv_nsec.checked_div(TICK).unwrap_or_default())
}

fn started(stat: &str) -> Option<i64> {
    let (_, behind) = stat.rsplit_once(") ")?;
    behind.split(' ').nth(STARTED)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_began_before_is_told_from_who_began_later() {
        let own = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let began = started(&own).unwrap();
        let now = ticks(clock_gettime(ClockId::Boottime));
        assert!((0..=6000).contains(&(now - began)), "{began} {now}");
        std::thread::sleep(std::time::Duration::from_millis(25));
        let later = std::thread::spawn(|| std::fs::read_to_string("/proc/thread-self/stat"));
        let later = started(&later.join().unwrap().unwrap()).unwrap();
        assert!(later > now, "{later} {now}");
        assert_eq!(started("1 (a) b) S 1 2"), None);
    }

    #[test]
    fn who_is_reaped_is_told_from_who_has_ended() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let number = child.id().cast_signed();
        let process = crate::sys::process::pidfd_of_thread(number).unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap();
        while !state().contains(") Z ") {
            std::thread::yield_now();
        }
        assert!(!is_reaped(&process));
        child.wait().unwrap();
        assert!(is_reaped(&process));
    }
}
