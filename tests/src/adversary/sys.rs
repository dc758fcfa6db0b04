//! Processes and raw system calls.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::{
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal},
    unistd::ForkResult,
};

/// Forks; the child does this and ends. None when there may be no more processes.
pub(super) fn fork(act: impl FnOnce()) -> Option<i32> {
    // SAFETY: the processes that fork have one thread.
    match unsafe { nix::unistd::fork() } {
        Ok(ForkResult::Parent { child }) => Some(child.as_raw()),
        Ok(ForkResult::Child) => {
            let _panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
            // SAFETY: it ends this process at once.
            unsafe { libc::_exit(0) }
        }
        Err(_) => None,
    }
}

/// Whether a child has ended; it is not reaped.
pub(super) fn has_ended(process: i32) -> bool {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let state = waitid(Id::Pid(nix::unistd::Pid::from_raw(process)), flags);
    !matches!(state, Ok(WaitStatus::StillAlive))
}

/// Kills and reaps a child.
pub(super) fn end(process: i32) {
    let process = nix::unistd::Pid::from_raw(process);
    let _gone = nix::sys::signal::kill(process, Signal::SIGKILL);
    let _reaped = nix::sys::wait::waitpid(process, None);
}

/// Kills all other processes of this pid namespace but its init, until there is none.
///
/// # Panics
/// Where this process is in no pid namespace of its own.
pub(super) fn end_others() {
    assert!(
        nix::unistd::getppid().as_raw() <= 1,
        "no pid namespace of its own"
    );
    for _ in 0..100 {
        let all = nix::unistd::Pid::from_raw(-1);
        let left = nix::sys::signal::kill(all, Signal::SIGKILL).is_ok();
        while nix::sys::wait::waitpid(all, Some(nix::sys::wait::WaitPidFlag::WNOHANG))
            .is_ok_and(|status| status != nix::sys::wait::WaitStatus::StillAlive)
        {}
        if !left {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Uses up its time.
pub(super) fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

extern "C" fn nothing(_: libc::c_int) {}

/// Leaves every descriptor but its lane, so that it does not read the replies of the honest
/// process.
pub(super) fn leave_all_but(lane: BorrowedFd<'_>) {
    let lane = lane.as_raw_fd().cast_unsigned();
    for (first, last) in [(0, lane - 1), (lane + 1, u32::MAX)] {
        // SAFETY: a child of fork uses no other descriptor of its parent, and ends by _exit.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

/// Lets no call wait long: a timer interrupts each.
pub(super) fn interrupt() {
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing.
    let _set = unsafe { nix::sys::signal::sigaction(Signal::SIGALRM, &action) };
    let time = libc::timeval {
        tv_sec: 0,
        tv_usec: 2_000,
    };
    let timer = libc::itimerval {
        it_interval: time,
        it_value: time,
    };
    // SAFETY: the value is ours, and the old one is not asked for.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
}

/// Any system call.
pub(super) fn call(number: u32, arguments: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: none; an attacker may well destroy itself, which is a process of its own.
    unsafe { libc::syscall(number.into(), a, b, c, d, e, f) }
}
