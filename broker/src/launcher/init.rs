//! The init of the pid namespace: reaps, and ends with the program. Where there is no
//! namespace the launcher itself plays it, as a subreaper that kills what it can find.

use doorward_policy::filter::Filter;
use nix::{
    errno::Errno,
    sys::wait::{WaitStatus, waitpid},
    unistd::Pid,
};

use super::{Ends, Launch, confine};
use crate::{broker::kill_children, sys::process};

/// Forks the sandboxee and waits for it.
pub(super) fn run(launch: &Launch<'_>, ends: Ends, filter: &Filter) -> Result<(), ()> {
    let Ends {
        report,
        status,
        lane,
    } = ends;
    process::prctl(libc::PR_SET_PDEATHSIG, 9)
        .map_err(|errno| report.failed("asking to die with the launcher", errno))?;
    let program = match process::fork() {
        Err(errno) => {
            report.failed("forking the sandboxee", errno);
            return Err(());
        }
        Ok(None) => {
            drop(status);
            process::exit(confine::become_sandboxee(launch, report, lane, filter))
        }
        Ok(Some(program)) => program,
    };
    drop((report, lane));
    process::name(c"doorward-init");
    let separate = launch.view.is_some();
    confine::init(separate);
    let raw = reap(program);
    if !separate {
        kill_children();
    }
    let _lost = rustix::io::write(&status, &raw.to_ne_bytes());
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
