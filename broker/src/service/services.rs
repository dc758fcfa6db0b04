//! The services of one sandbox: the one place where requests meet policy.
//!
//! Requests are hostile values. Safe, because each arm hands them to a service that
//! checks them, and whatever comes back is an answer together with its verdict.

use std::{os::fd::OwnedFd, sync::Arc};

use doorward_policy::{Denial, Policy, Reason, RuleId, Verdict};
use doorward_protocol::Request;
use rustix::io::Errno;

use super::{Answer, Asker, Decision, Outcome, Patience, Setup, SetupError, Spawner};
use crate::files::{Attempt, Course, Fault, Files, Filesystem, Grant, Kernel, Roots, Wanted};

/// Performs requests for one sandbox under its policy. Shared by its fronts and workers.
pub struct Services {
    files: Files<Kernel>,
    network: bool,
    spawn: Option<Box<dyn Spawner + Send + Sync>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Services")
            .field("files", &self.files)
            .field("network", &self.network)
            .field("spawn", &self.spawn.is_some())
            .finish()
    }
}

impl Services {
    /// Pins what walks begin at. To be called in the broker after its last fork of a
    /// process that serves requests; it clears the broker's umask, since the modes of
    /// what is created are masked by the asker's.
    ///
    /// # Errors
    /// [`SetupError`] names the step.
    pub fn new(setup: Setup) -> Result<Self, SetupError> {
        rustix::process::umask(rustix::fs::Mode::empty());
        let filesystem = Kernel::open().map_err(SetupError::Proc)?;
        let root = Kernel::root().map_err(SetupError::Root)?;
        let scratch = setup
            .scratch
            .map(|directory| {
                let mut real = Vec::new();
                filesystem.name(&directory, &mut real)?;
                Ok((directory, real))
            })
            .transpose()
            .map_err(SetupError::Scratch)?;
        let ids = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        Ok(Self {
            files: Files {
                filesystem,
                roots: Roots::new(root, scratch),
                policy: setup.policy,
                view: setup.view,
                only_ids: setup.map_foreign_ids.then_some(ids),
            },
            network: setup.network,
            spawn: setup.spawn,
        })
    }

    /// The policy they decide by.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.files.policy
    }

    /// Decides and performs one request. Never panics on anything `request` or
    /// `asker` says; a denial is a value in the outcome.
    pub fn perform(&self, request: &Request<'_>, asker: &dyn Asker, patience: Patience) -> Outcome {
        let mut course = Course::new(asker, patience);
        let (answer, verdict) = match self.attempt(&mut course, request) {
            Ok(answer) => (answer, Verdict::Allow(course.rule.unwrap_or(RuleId::OWN))),
            Err(Fault::WouldBlock) => return Outcome::WouldBlock,
            Err(Fault::Denied(denial)) => (
                Answer::Errno(Errno::from_raw_os_error(denial.errno)),
                Verdict::Deny(denial),
            ),
            Err(Fault::Failed(errno)) => (
                Answer::Errno(errno),
                Verdict::Allow(course.rule.unwrap_or(RuleId::OWN)),
            ),
        };
        Outcome::Done(Decision {
            answer,
            verdict,
            object: course.object,
        })
    }

    fn attempt(&self, course: &mut Course<'_>, request: &Request<'_>) -> Attempt<Answer> {
        let files = &self.files;
        Ok(match request {
            Request::Open {
                path,
                flags,
                mode,
                resolve,
            } => {
                let wanted = Wanted::of(*flags, *resolve)?;
                granted(files.open(course, path, wanted, *mode)?)
            }
            Request::Stat { path, follow } => {
                Answer::Stat(Box::new(files.stat(course, path, *follow)?))
            }
            Request::Access { path, mode, follow } => {
                files.access(course, path, *mode, *follow)?;
                Answer::Value(0)
            }
            Request::Readlink { path } => Answer::Bytes(files.readlink(course, path)?),
            Request::Statfs { path } => Answer::FileSystem(Box::new(files.statfs(course, path)?)),
            _ => return Err(not_yet()),
        })
    }
}

fn granted(grant: Grant<OwnedFd>) -> Answer {
    Answer::Descriptor {
        descriptor: grant.file,
        close_on_exec: grant.close_on_exec,
    }
}

fn not_yet() -> Fault {
    Fault::Denied(Denial {
        rule: None,
        reason: Reason::NotYet,
        errno: Errno::ACCESS.raw_os_error(),
    })
}
