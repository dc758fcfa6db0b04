//! Trying something in a child of its own, so that whatever it changes ends with it.

use std::time::Duration;

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{PidfdFlags, pidfd_open},
};

use crate::sys::process;

/// How long a trial may take; none waits for anything outside.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `attempt` in a child. To be called while the process has one thread.
///
/// # Errors
/// What `attempt` met; `ETIMEDOUT` if it did not end, `ECANCELED` if it was killed.
pub(super) fn attempt(attempt: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    let Some(child) = process::fork()? else {
        let code = match attempt() {
            Ok(()) => 0,
            Err(errno) => errno.raw_os_error().clamp(1, 255),
        };
        process::exit(code)
    };
    if !ends(child) {
        let _gone = kill(child, Signal::SIGKILL);
        let _reaped = waitpid(child, None);
        return Err(Errno::TIMEDOUT);
    }
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        Ok(WaitStatus::Exited(_, code)) => Err(Errno::from_raw_os_error(code)),
        _ => Err(Errno::CANCELED),
    }
}

fn ends(child: Pid) -> bool {
    let Some(child) = rustix::process::Pid::from_raw(child.as_raw()) else {
        return false;
    };
    let Ok(child) = pidfd_open(child, PidfdFlags::empty()) else {
        // Without pidfds a trial is waited for as long as it takes.
        return true;
    };
    let mut ready = [PollFd::new(&child, PollFlags::IN)];
    let timeout = Timespec::try_from(PATIENCE).ok();
    matches!(poll(&mut ready, timeout.as_ref()), Ok(1))
}

/// The errno of an error of the standard library or of nix.
pub(super) fn errno(error: impl Into<std::io::Error>) -> Errno {
    Errno::from_io_error(&error.into()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_tells_what_it_met() {
        assert_eq!(attempt(|| Ok(())), Ok(()));
        assert_eq!(attempt(|| Err(Errno::NOSYS)), Err(Errno::NOSYS));
        let killed = attempt(|| {
            let _gone = kill(Pid::this(), Signal::SIGKILL);
            Ok(())
        });
        assert_eq!(killed, Err(Errno::CANCELED));
    }
}
