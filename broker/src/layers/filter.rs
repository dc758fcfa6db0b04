//! Trials of seccomp.

use std::os::fd::AsFd;

use doorward_policy::filter::Instruction;
use nix::sys::wait::{WaitStatus, waitpid};
use rustix::io::Errno;

use super::trial::errno;
use crate::sys::{notify, process};

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

/// A filter that answers getsid(2) by `action` and allows everything else.
fn program(action: u32) -> [Instruction; 4] {
    let instruction = |code: u16, jt: u8, jf: u8, k: u32| Instruction { code, jt, jf, k };
    let number = u32::try_from(libc::SYS_getsid).unwrap_or(u32::MAX);
    [
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, number),
        instruction(0x06, 0, 0, action),
        instruction(0x06, 0, 0, ALLOW),
    ]
}

/// A filter refuses what it is told to.
pub(super) fn filter() -> Result<(), Errno> {
    process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    let answer = Errno::UCLEAN.raw_os_error();
    let data = u32::try_from(answer).unwrap_or_default();
    process::load_filter(&program(libc::SECCOMP_RET_ERRNO | data), false)?;
    match nix::unistd::getsid(None) {
        Err(nix::errno::Errno::EUCLEAN) => Ok(()),
        _ => Err(Errno::IO),
    }
}

/// A notified call is answered with a descriptor, in one step.
pub(super) fn notification() -> Result<(), Errno> {
    process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    let listener = process::load_filter(&program(libc::SECCOMP_RET_USER_NOTIF), true)?;
    let listener = listener.ok_or(Errno::IO)?;
    let Some(asker) = process::fork()? else {
        process::prctl(libc::PR_SET_PDEATHSIG, 9).unwrap_or_default();
        let granted = nix::unistd::getsid(None)
            .is_ok_and(|number| std::fs::metadata(format!("/proc/self/fd/{number}")).is_ok());
        process::exit(i32::from(!granted))
    };
    let asked = notify::receive(listener.as_fd())?;
    let (grant, _writer) = rustix::pipe::pipe()?;
    let number = notify::add_descriptor(listener.as_fd(), asked.id, grant.as_fd(), true)?;
    notify::send_value(listener.as_fd(), asked.id, number)?;
    match waitpid(asker, None).map_err(errno)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        _ => Err(Errno::IO),
    }
}
