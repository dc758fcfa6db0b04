//! A timer that interrupts what blocks one thread, again and again.

use std::{ptr::null_mut, sync::OnceLock, time::Duration};

use rustix::io::Errno;

/// It is ignored by default, so that one that comes late or astray does nothing.
const SIGNAL: libc::c_int = libc::SIGURG;

fn errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Nothing: that the signal is caught is what ends a blocking call, with `EINTR`.
extern "C" fn caught(_signal: libc::c_int) {}

fn catch() -> Result<(), Errno> {
    static CAUGHT: OnceLock<Result<(), Errno>> = OnceLock::new();
    *CAUGHT.get_or_init(|| {
        let handler: extern "C" fn(libc::c_int) = caught;
        let action = nix::sys::signal::SigAction::new(
            nix::sys::signal::SigHandler::Handler(handler),
            nix::sys::signal::SaFlags::empty(),
            nix::sys::signal::SigSet::empty(),
        );
        // SAFETY: the handler touches nothing, so it may run at any moment.
        unsafe { nix::sys::signal::sigaction(nix::sys::signal::Signal::SIGURG, &action) }
            .map(drop)
            .map_err(|error| Errno::from_raw_os_error(error as i32))
    })
}

/// While it lives, blocking calls of the thread that made it fail with `EINTR` now and then.
#[derive(Debug)]
pub(crate) struct Interruption(libc::timer_t);

impl Interruption {
    /// Interrupts this thread every `period`.
    pub(crate) fn every(period: Duration) -> Result<Self, Errno> {
        catch()?;
        let mut ours = nix::sys::signal::SigSet::empty();
        ours.add(nix::sys::signal::Signal::SIGURG);
        ours.thread_unblock()
            .map_err(|error| Errno::from_raw_os_error(error as i32))?;
        // SAFETY: all its fields are numbers or a pointer, for which zero is a value.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_signo = SIGNAL;
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_notify_thread_id = rustix::thread::gettid().as_raw_nonzero().get();
        let mut timer: libc::timer_t = null_mut();
        // SAFETY: both pointers are to values of ours that outlive the call.
        let made =
            unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
        if made != 0 {
            return Err(errno());
        }
        let interruption = Self(timer);
        let every = libc::timespec {
            tv_sec: libc::time_t::try_from(period.as_secs()).map_err(|_| Errno::INVAL)?,
            tv_nsec: libc::c_long::from(period.subsec_nanos()),
        };
        let times = libc::itimerspec {
            it_interval: every,
            it_value: every,
        };
        // SAFETY: the timer lives, and `times` outlives the call.
        let set = unsafe { libc::timer_settime(timer, 0, &raw const times, null_mut()) };
        if set == 0 {
            Ok(interruption)
        } else {
            Err(errno())
        }
    }
}

impl Drop for Interruption {
    fn drop(&mut self) {
        // SAFETY: it was made by timer_create and is deleted once.
        let _deleted = unsafe { libc::timer_delete(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_blocking_call_is_interrupted_again_and_again() {
        let (read, _write) = rustix::pipe::pipe().unwrap();
        let begun = Instant::now();
        let interruption = Interruption::every(Duration::from_millis(5)).unwrap();
        for _ in 0..3 {
            assert_eq!(rustix::io::read(&read, &mut [0_u8]), Err(Errno::INTR));
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(interruption);
    }
}
