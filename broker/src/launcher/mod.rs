//! The launcher: makes a sandboxee, locks it down, and decides nothing.
//!
//! It is forked from the broker while that has one thread. Order (docs/ARCHITECTURE.md):
//! namespaces, view, init, then in the sandboxee itself session, limits, capabilities,
//! no_new_privs, Landlock, seccomp last, a live probe, exec.

mod confine;
mod init;
mod namespaces;
mod report;
mod view;

use std::{
    ffi::CString,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use doorward_policy::{Policy, filter::FilterError};
use nix::unistd::Pid;
use rustix::io::Errno;

pub use namespaces::Namespaces;
pub(crate) use report::{Report, exec_failure, wait_status};

use crate::sys::process;

/// What is to be started.
#[derive(Debug)]
pub struct Launch<'a> {
    /// What it may do.
    pub policy: &'a Policy,
    /// The program, absolute.
    pub program: CString,
    /// Its arguments, the first being its name.
    pub arguments: Vec<CString>,
    /// Its whole environment.
    pub environment: Vec<CString>,
    /// Where it starts, if its view has that.
    pub directory: PathBuf,
    /// The directory behind /tmp and /var/tmp, if the policy has one.
    pub scratch: Option<PathBuf>,
    /// Which namespaces can be had.
    pub namespaces: Namespaces,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The policy's `[syscalls]` cannot be made into a filter.
    #[error("the system-call filter cannot be made")]
    Filter(#[from] FilterError),
    /// A socket or pipe to the launcher could not be made.
    #[error("cannot make the socket to the launcher")]
    Socket(#[source] Errno),
    /// fork(2) failed.
    #[error("cannot fork the launcher")]
    Fork(#[source] Errno),
    /// A step of the lock-down failed; nothing was started.
    #[error(
        "{step} failed: {errno}; nothing was started. `doorward doctor` tells which layers can be had here"
    )]
    Step {
        /// The step.
        step: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// The launcher ended without a word.
    #[error("the launcher ended before the sandboxee was locked down")]
    Lost,
}

/// A sandboxee that is locked down and waits for its first notification to be served.
#[derive(Debug)]
pub(crate) struct Launched {
    /// The notification descriptor.
    pub(crate) listener: OwnedFd,
    /// Tells the errno of a failed exec, hangs up on success.
    pub(crate) setup: OwnedFd,
    /// Tells the wait status of the program.
    pub(crate) status: OwnedFd,
    /// The launcher process.
    pub(crate) launcher: Pid,
}

/// Starts a sandboxee. To be called while the process has one thread.
pub(crate) fn launch(launch: &Launch<'_>) -> Result<Launched, LaunchError> {
    let filter = confine::filter(launch)?;
    let (setup, theirs) = report::pair().map_err(LaunchError::Socket)?;
    let (status, status_theirs) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(LaunchError::Socket)?;
    let Some(launcher) = process::fork().map_err(LaunchError::Fork)? else {
        drop((setup, status));
        let report = Report::new(theirs);
        let failed = namespaces::enter(launch, report, status_theirs, &filter);
        process::exit(i32::from(failed.is_err()));
    };
    drop((theirs, status_theirs));
    match report::listener(setup.as_fd())? {
        Some(listener) => Ok(Launched {
            listener,
            setup,
            status,
            launcher,
        }),
        None => Err(LaunchError::Lost),
    }
}
