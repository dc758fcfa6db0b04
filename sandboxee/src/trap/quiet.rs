//! A while in which this thread handles no signal.
//!
//! A signal that is handled after a request was sent and before its sleep would not end that
//! sleep, as it would have ended the call natively. So signals wait until then, and it is told
//! whether one came that is to end it.

use rustix::io::Errno;

use super::{
    mask::{SET_BYTES, TRAPPED},
    sys::{self, Action, call},
};

const SET_MASK: u64 = 2;
/// Handlers above this are the program's: SIG_DFL and SIG_IGN.
const IGNORE: u64 = 1;
const RESTART: u64 = 0x1000_0000;
/// Signals are numbered from 1 to this.
const LAST: u64 = 64;

/// The mask that comes back when it ends. It is no drop that ends it: that would be reached by
/// unwinding too, of which there is none here.
#[derive(Debug)]
pub(super) struct Quiet {
    before: Result<u64, Errno>,
}

impl Quiet {
    pub(super) fn begin() -> Self {
        let (all, mut before) = (!TRAPPED, 0_u64);
        let (set, old) = (sys::address(&all), sys::address_mut(&mut before));
        let arguments = [SET_MASK, set, old, SET_BYTES, 0, 0];
        let begun = call(libc::SYS_rt_sigprocmask, arguments);
        Self {
            before: begun.map(|_| before),
        }
    }

    /// Whether a signal waits whose handler would have ended a sleep.
    pub(super) fn is_broken(&self) -> bool {
        let Ok(before) = self.before else {
            return false;
        };
        let mut pending = 0_u64;
        let room = sys::address_mut(&mut pending);
        let told = call(libc::SYS_rt_sigpending, [room, SET_BYTES, 0, 0, 0, 0]);
        let came = pending & !before;
        let has_come = |signal: &u64| came & bit(*signal) != 0;
        told.is_ok() && came != 0 && (1..=LAST).filter(has_come).any(ends_sleep)
    }

    /// Ends it; what waits is handled now.
    pub(super) fn end(self) {
        if let Ok(before) = self.before {
            let set = sys::address(&before);
            let arguments = [SET_MASK, set, 0, SET_BYTES, 0, 0];
            let _restored = call(libc::SYS_rt_sigprocmask, arguments);
        }
    }
}

fn bit(signal: u64) -> u64 {
    let place = u32::try_from(signal.saturating_sub(1)).unwrap_or(u32::MAX);
    1_u64.checked_shl(place).unwrap_or_default()
}

/// Whether the handler of a signal, where there is one, ends what sleeps.
fn ends_sleep(signal: u64) -> bool {
    let mut action = Action::default();
    let room = sys::address_mut(&mut action);
    let told = call(libc::SYS_rt_sigaction, [signal, 0, room, SET_BYTES, 0, 0]);
    told.is_ok() && action.handler > IGNORE && action.flags & RESTART == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trap::sys::tests::{COUNT, counted};

    const SIGNAL: u64 = 10;

    /// Whether it is broken by a signal that comes meanwhile, and how often that was handled
    /// meanwhile and in all.
    fn told(action: Action, blocked: bool) -> (bool, u32, u32) {
        use std::sync::atomic::Ordering::SeqCst;
        let count = || COUNT.load(SeqCst);
        let arguments = [SIGNAL, sys::address(&action), 0, SET_BYTES, 0, 0];
        call(libc::SYS_rt_sigaction, arguments).unwrap();
        let set = |set: u64| {
            let arguments = [SET_MASK, sys::address(&set), 0, SET_BYTES, 0, 0];
            call(libc::SYS_rt_sigprocmask, arguments).unwrap();
        };
        set(if blocked { bit(SIGNAL) } else { 0 });
        let begun = count();
        let quiet = Quiet::begin();
        assert!(!quiet.is_broken());
        let process = u64::from(std::process::id());
        let thread = call(libc::SYS_gettid, [0; 6]).unwrap();
        call(libc::SYS_tgkill, [process, thread, SIGNAL, 0, 0, 0]).unwrap();
        let (is_broken, meanwhile) = (quiet.is_broken(), count() - begun);
        quiet.end();
        let told = (is_broken, meanwhile, count() - begun);
        set(0);
        told
    }

    #[test]
    fn a_signal_that_ends_sleeps_breaks_it_and_is_handled_then() {
        assert_eq!(told(counted(0), false), (true, 0, 1));
        assert_eq!(told(counted(RESTART), false), (false, 0, 1));
        assert_eq!(told(counted(0), true), (false, 0, 0));
        let ignored = Action {
            handler: IGNORE,
            ..Action::default()
        };
        assert_eq!(told(ignored, false), (false, 0, 0));
    }
}
