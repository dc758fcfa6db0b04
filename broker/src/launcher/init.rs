//! The init of the pid namespace: reaps, and ends with the program. Where there is no
//! namespace the launcher itself plays it, as a subreaper that kills what it can find.

use std::os::fd::BorrowedFd;

use doorward_policy::filter::Filter;
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{Launch, Report, confine};
use crate::sys::process;

/// Forks the sandboxee and waits for it.
pub(super) fn run(
    launch: &Launch<'_>,
    report: Report,
    status: BorrowedFd<'_>,
    filter: &Filter,
) -> Result<(), ()> {
    process::prctl(libc::PR_SET_PDEATHSIG, 9)
        .map_err(|errno| report.failed("asking to die with the launcher", errno))?;
    let program = match process::fork() {
        Err(errno) => {
            report.failed("forking the sandboxee", errno);
            return Err(());
        }
        Ok(None) => {
            confine::become_sandboxee(launch, &report, filter);
            process::exit(127)
        }
        Ok(Some(program)) => program,
    };
    drop(report);
    confine::init(launch.namespaces.available);
    let raw = reap(program);
    if !launch.namespaces.available {
        kill_leftovers();
    }
    let _lost = rustix::io::write(status, &raw.to_ne_bytes());
    Ok(())
}

/// Reaps everybody until the program has ended; its wait status.
fn reap(program: Pid) -> i32 {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => return code.wrapping_shl(8),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => return signal as i32,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return 255_i32.wrapping_shl(8),
        }
    }
}

/// Without a pid namespace: what was orphaned has come to this subreaper. Bounded: a
/// tree that forks faster than it is killed may survive, which `user-no-ns` documents.
fn kill_leftovers() {
    for _ in 0..1000 {
        let own = std::process::id();
        let children =
            std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|text| text.parse().ok())
        {
            let _gone = kill(Pid::from_raw(child), Signal::SIGKILL);
        }
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
        if matches!(
            waitpid(None, Some(WaitPidFlag::WNOHANG)),
            Err(Errno::ECHILD)
        ) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
