//! Which namespaces can be had here, and entering them.

use std::os::fd::{AsFd, OwnedFd};

use doorward_policy::filter::Filter;
use nix::{
    sched::{CloneFlags, unshare},
    sys::wait::{WaitStatus, waitpid},
};
use rustix::io::Errno;

use super::{Launch, Report, init, view};
use crate::sys::process;

/// Namespaces found by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespaces {
    /// All of mount, pid, ipc, uts, network and cgroup can be had.
    pub available: bool,
    /// Only with a user namespace around them.
    pub user: bool,
}

const ALL: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWCGROUP);

impl Namespaces {
    /// Tries in a child of its own. To be called while the process has one thread.
    #[must_use]
    pub fn probe() -> Self {
        let tried = |flags: CloneFlags| match process::fork() {
            Ok(Some(child)) => matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0))),
            Ok(None) => process::exit(i32::from(unshare(flags).is_err())),
            Err(_) => false,
        };
        if rustix::process::geteuid().is_root() && tried(ALL) {
            return Self {
                available: true,
                user: false,
            };
        }
        Self {
            available: tried(ALL | CloneFlags::CLONE_NEWUSER),
            user: true,
        }
    }
}

/// The launcher's whole life: it returns only when the sandbox has ended or a step failed.
pub(super) fn enter(
    launch: &Launch<'_>,
    report: Report,
    status: OwnedFd,
    filter: &Filter,
) -> Result<(), ()> {
    let tell = |step: &str, errno: Errno| report.failed(step, errno);
    let die = process::prctl(libc::PR_SET_PDEATHSIG, 9);
    die.map_err(|errno| tell("asking to die with the broker", errno))?;
    if !launch.namespaces.available {
        let keep = process::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
        keep.map_err(|errno| tell("becoming a subreaper", errno))?;
        return init::run(launch, report, status.as_fd(), filter);
    }
    separate(launch.namespaces.user).map_err(|(step, errno)| tell(step, errno))?;
    view::build(launch).map_err(|(step, errno)| tell(&step, errno))?;
    match process::fork() {
        Err(errno) => {
            tell("forking the init of the pid namespace", errno);
            Err(())
        }
        Ok(None) => {
            let ended = init::run(launch, report, status.as_fd(), filter);
            process::exit(i32::from(ended.is_err()))
        }
        Ok(Some(init)) => {
            drop((report, status));
            let _ended = waitpid(init, None);
            Ok(())
        }
    }
}

fn separate(user: bool) -> Result<(), (&'static str, Errno)> {
    let as_errno = |error: nix::errno::Errno| Errno::from_raw_os_error(error as i32);
    if user {
        let (uid, gid) = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        unshare(CloneFlags::CLONE_NEWUSER)
            .map_err(|error| ("making a user namespace", as_errno(error)))?;
        let write = |path: &str, text: String| {
            std::fs::write(path, text).map_err(|error| {
                (
                    "mapping the user and group",
                    Errno::from_io_error(&error).unwrap_or(Errno::IO),
                )
            })
        };
        write("/proc/self/setgroups", "deny".into())?;
        write("/proc/self/uid_map", format!("{uid} {uid} 1\n"))?;
        write("/proc/self/gid_map", format!("{gid} {gid} 1\n"))?;
    }
    unshare(ALL).map_err(|error| ("making the namespaces", as_errno(error)))
}
