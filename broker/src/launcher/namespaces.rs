//! Which namespaces a sandboxee has, or could have.

use nix::{
    sched::{CloneFlags, unshare},
    sys::wait::{WaitStatus, waitpid},
};

use super::View;
use crate::sys::process;

/// Namespaces found by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Namespaces {
    /// All of mount, pid, ipc, uts, network and cgroup can be had.
    pub(crate) available: bool,
    /// Only with a user namespace around them.
    pub(crate) user: bool,
}

const ALL: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWCGROUP);

impl Namespaces {
    /// Those of a view that was made, or not.
    pub(crate) fn of(view: Option<&View>) -> Self {
        Self {
            available: view.is_some(),
            user: view.is_none_or(View::has_user_namespace),
        }
    }

    /// Tries in a child of its own. To be called while the process has one thread.
    pub(crate) fn probe() -> Self {
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
