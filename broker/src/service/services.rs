//! The services of one sandbox: the one place where requests meet policy.
//!
//! Requests are hostile values. Safe, because each arm hands them to a service that
//! checks them, and whatever comes back is an answer together with its verdict.

use std::{
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_policy::{
    AbsName, Denial, Narrowed, Policy, Reason, RestrictionError, Restrictions, RuleId, Verdict,
};
use doorward_protocol::{Request, request::PathArgument};
use rustix::io::Errno;

use super::{
    Answer, Asker, Decision, InForce, NarrowError, Outcome, Patience, Setup, SetupError, Spawner,
};
use crate::files::{
    Attempt, Course, Detail, Fault, Files, Filesystem, Grant, Kernel, Kind, Manner, Own, Roots,
    Rules, Wanted, meant,
};
use crate::limits::{Budget, Pace};
use crate::net::Network;

/// Performs requests for one sandbox under its policy. Shared by its fronts and workers.
pub struct Services {
    policy: Narrowed,
    in_force: Arc<InForce>,
    files: Files<Kernel>,
    network: Network,
    spawn: Option<Box<dyn Spawner + Send + Sync>>,
    pace: Arc<Pace>,
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
        Self::within(Arc::default(), setup)
    }

    /// Those of one policy among several of a session.
    pub(crate) fn within(in_force: Arc<InForce>, setup: Setup) -> Result<Self, SetupError> {
        rustix::process::umask(rustix::fs::Mode::empty());
        let filesystem = Kernel::open().map_err(SetupError::Proc)?;
        let root = Kernel::root().map_err(SetupError::Root)?;
        let budget = setup
            .scratch
            .as_ref()
            .zip(setup.policy.scratch)
            .map(|(directory, most)| Budget::new(directory, most))
            .transpose()
            .map_err(SetupError::Scratch)?;
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
        let policy = Narrowed::new(setup.policy, Arc::clone(in_force.restrictions()));
        let rules: Arc<dyn Rules> = Arc::new(policy.clone());
        let network = Network::new(policy.clone(), setup.network);
        Ok(Self {
            pace: Arc::default(),
            in_force,
            policy,
            files: Files {
                filesystem: Arc::new(filesystem),
                roots: Arc::new(Roots::new(root, scratch)),
                policy: rules,
                budget: budget.map(Arc::new),
                turn: Arc::default(),
                view: setup.view,
                program: None,
                only_ids: setup.map_foreign_ids.then_some(ids),
            },
            network,
            spawn: setup.spawn,
        })
    }

    /// The same for a worker, which narrows itself and none of its neighbours. It starts nothing.
    pub(crate) fn of_worker(&self) -> Self {
        let in_force = Arc::new(InForce::default());
        let restrictions = Arc::clone(in_force.restrictions());
        let policy = Narrowed::new(Arc::clone(self.policy()), restrictions);
        Self {
            files: self.files.judged_by(Arc::new(policy.clone())),
            network: self.network.judged_by(policy.clone()),
            policy,
            in_force,
            spawn: None,
            pace: Arc::clone(&self.pace),
        }
    }

    /// With the program, by its canonical name, that /proc/self/exe leads to in the view.
    #[must_use]
    pub(crate) fn with_program(mut self, program: Option<AbsName>) -> Self {
        self.files.program = program;
        self
    }

    /// The policy they decide by, without the restrictions of the session.
    pub fn policy(&self) -> &Arc<Policy> {
        self.policy.policy()
    }

    /// Narrows the session by a document in the words of a policy; the number that this
    /// restriction has in the session, from 1. What is answered after this
    /// has returned was allowed by it, too.
    ///
    /// # Errors
    /// [`NarrowError`]: the session is as it was.
    pub fn restrict(&self, document: &[u8]) -> Result<usize, NarrowError> {
        self.in_force.narrow(document)
    }

    /// The restrictions made so far.
    pub(crate) fn restrictions(&self) -> &Arc<Restrictions> {
        self.in_force.restrictions()
    }

    /// What the scratch directory may hold.
    pub(crate) fn scratch(&self) -> Option<&Budget> {
        self.files.budget.as_deref()
    }

    /// Takes one request; how long its front has to wait before it serves it.
    pub(crate) fn pause(&self) -> Duration {
        let rate = self.policy.requests_per_second();
        rate.map_or(Duration::ZERO, |rate| self.pace.take(rate, Instant::now()))
    }

    /// Decides and performs one request. Never panics on anything `request` or
    /// `asker` says; a denial is a value in the outcome.
    pub fn perform(&self, request: &Request<'_>, asker: &dyn Asker, patience: Patience) -> Outcome {
        #[cfg(doorward_control = "taken-over")]
        if let Some(told) = super::taken_over::obey(request) {
            return Outcome::Done(Decision {
                answer: Answer::Bytes(told),
                verdict: Verdict::Allow(RuleId::OWN),
                object: b"an order".to_vec(),
            });
        }
        let begin = || match request {
            // Neither is decided by what can be narrowed, and both wait.
            Request::Restrict { .. } | Request::Wait { .. } => Course::new(asker, patience),
            _ => Course::new(asker, patience).by(self.in_force.enter()),
        };
        let mut course = begin();
        let attempted = loop {
            match self.attempt(&mut course, request) {
                // As often as a session can be narrowed.
                Err(Fault::Narrowed) => course = begin(),
                attempted => break attempted,
            }
        };
        let (answer, verdict) = match attempted {
            Ok(answer) => (answer, Verdict::Allow(course.rule.unwrap_or(RuleId::OWN))),
            Err(Fault::WouldBlock | Fault::Narrowed) => return Outcome::WouldBlock,
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
        match request {
            Request::Open { .. }
            | Request::Stat { .. }
            | Request::Access { .. }
            | Request::Readlink { .. }
            | Request::Statfs { .. }
            | Request::Chdir { .. }
            | Request::Getcwd => self.look(course, request),
            Request::Spawn { path, arguments } => self.start(course, path, arguments),
            Request::Wait {
                process,
                milliseconds,
            } => self.wait(course, *process, *milliseconds),
            Request::Restrict { document } => self.narrow(course, document),
            Request::Socket {
                family,
                kind,
                protocol,
            } => self.network.socket(course, *family, *kind, *protocol),
            Request::Connect {
                descriptor,
                address,
            } => self
                .network
                .connect(course, &self.files, *descriptor, address),
            Request::Exec { path } => {
                let name = self.files.program(course, path)?;
                let verdict = self.policy.decide_exec(&name);
                match verdict {
                    Verdict::Deny(denial)
                        if denial.reason == Reason::SpawnOnly && course.asker.starts(&name) =>
                    {
                        course.rule = denial.rule;
                    }
                    verdict => course.obey(verdict)?,
                }
                Ok(Answer::Continue)
            }
            Request::Lock { descriptor, lock } => {
                self.files.lock(course, *descriptor, *lock)?;
                Ok(Answer::Value(0))
            }
            Request::Watch {
                descriptor,
                path,
                mask,
            } => {
                let watch = self.files.watch(course, *descriptor, path, *mask)?;
                Ok(Answer::Value(i64::from(watch)))
            }
            // Handles and lanes are the session's, which answers these itself.
            Request::Forget { .. } | Request::Lane => {
                Err(Fault::denied(Reason::Front, Errno::ACCESS))
            }
            _ => self.change(course, request).map(|()| Answer::Value(0)),
        }
    }

    /// What opens or looks.
    fn look(&self, course: &mut Course<'_>, request: &Request<'_>) -> Attempt<Answer> {
        let files = &self.files;
        Ok(match request {
            Request::Open {
                path,
                flags,
                mode,
                resolve,
            } => {
                let wanted = Wanted::of(*flags, *resolve)?;
                granted(match files.own(course, path)? {
                    Some(own) => files.open_own(course, &own, wanted, *mode)?,
                    None => files.open(course, path, wanted, *mode)?,
                })
            }
            Request::Stat { path, follow } => {
                Answer::Stat(Box::new(if let Some(number) = meant(path) {
                    files.fstat(course, number)?
                } else if let Some(own) = files.own(course, path)? {
                    files.stat_own(course, &own, *follow)?
                } else {
                    files.stat(course, path, *follow)?
                }))
            }
            Request::Access { path, mode, follow } => {
                let own = match meant(path) {
                    Some(number) => Some(Own::Descriptor(number)),
                    None => files.own(course, path)?,
                };
                match own {
                    Some(own) => files.access_own(course, &own, *mode, *follow)?,
                    None => files.access(course, path, *mode, *follow)?,
                }
                Answer::Value(0)
            }
            Request::Readlink { path } => Answer::Bytes(match files.own(course, path)? {
                Some(own) => files.readlink_own(course, &own)?,
                None => files.readlink(course, path)?,
            }),
            Request::Statfs { path } => Answer::FileSystem(Box::new(files.statfs(course, path)?)),
            Request::Chdir { path } => {
                files.chdir(course, path)?;
                Answer::Continue
            }
            Request::Getcwd => Answer::Bytes(files.getcwd(course)?),
            _ => return Err(not_yet()),
        })
    }

    /// What changes files or names.
    fn change(&self, course: &mut Course<'_>, request: &Request<'_>) -> Attempt<()> {
        let files = &self.files;
        match request {
            Request::Mkdir { path, mode } => files.mkdir(course, path, *mode),
            Request::Rmdir { path } => files.rmdir(course, path),
            Request::Unlink { path } => files.unlink(course, path),
            Request::Rename { old, new, flags } => files.rename(course, old, new, *flags),
            Request::Link { old, new, flags } => files.link(course, old, new, *flags),
            Request::Symlink { target, path } => files.symlink(course, target, path),
            Request::Truncate { path, length } => files.truncate(course, path, *length),
            Request::Chmod { path, mode, follow } => match self.own_number(course, path)? {
                Some(number) => files.fchmod(course, number, *mode),
                None => files.chmod(course, path, *mode, *follow),
            },
            Request::Chown {
                path,
                user,
                group,
                follow,
            } => match self.own_number(course, path)? {
                Some(number) => files.fchown(course, number, *user, *group),
                None => files.chown(course, path, *user, *group, *follow),
            },
            Request::Utimens {
                path,
                times,
                follow,
            } => match self.own_number(course, path)? {
                Some(number) => files.futimens(course, number, *times),
                None => files.utimens(course, path, *times, *follow),
            },
            Request::Bind { address, .. } => self.network.bind(course, address),
            Request::Listen { .. } => self.network.listen(),
            _ => Err(not_yet()),
        }
    }

    /// The asker's descriptor that a path means, if it means one.
    fn own_number(&self, course: &mut Course<'_>, path: &PathArgument<'_>) -> Attempt<Option<i32>> {
        if let Some(number) = meant(path) {
            return Ok(Some(number));
        }
        Ok(match self.files.own(course, path)? {
            Some(Own::Descriptor(number)) => Some(number),
            Some(_) => return Err(Fault::denied(Reason::Foreign, Errno::PERM)),
            None => None,
        })
    }

    fn start(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        arguments: &[&[u8]],
    ) -> Attempt<Answer> {
        let Some(spawner) = &self.spawn else {
            return Err(Fault::denied(Reason::Front, Errno::ACCESS));
        };
        let manner = Manner::of(true, Detail::Identity);
        let found = self.files.find(course, path, false, manner)?;
        let verdict = self.policy.decide_spawn(&found.name, arguments);
        course.obey(verdict)?;
        let policy = match verdict {
            Verdict::Allow(rule) => self.policy().program_policy(rule),
            Verdict::Deny(_) => None,
        };
        if found.status.kind() != Kind::File {
            return Err(Fault::Failed(Errno::ACCESS));
        }
        if course.cached() {
            return Err(Fault::WouldBlock);
        }
        let pin = rustix::io::fcntl_dupfd_cloexec(&*found.pin, 0)?;
        let process = spawner.start(&found.name, pin, arguments, policy)?;
        Ok(Answer::Value(i64::from(process)))
    }

    /// Restrict; on a worker, since it waits for what is under way.
    fn narrow(&self, course: &mut Course<'_>, document: &[u8]) -> Attempt<Answer> {
        course.may_block()?;
        match self.restrict(document) {
            Ok(number) => {
                course.object = format!("restriction {number}").into_bytes();
                Ok(Answer::Value(i64::try_from(number).unwrap_or(i64::MAX)))
            }
            Err(error) => {
                let (reason, errno) = match &error {
                    NarrowError::Busy => return Err(Fault::Failed(Errno::TIMEDOUT)),
                    NarrowError::Restriction(RestrictionError::Many) => {
                        (Reason::Quota, Errno::NOSPC)
                    }
                    NarrowError::Restriction(RestrictionError::Long) => {
                        (Reason::Quota, Errno::TOOBIG)
                    }
                    NarrowError::Restriction(_) => (Reason::Malformed, Errno::INVAL),
                };
                course.object = error.to_string().into_bytes();
                course.object.truncate(LONGEST_TOLD);
                Err(Fault::denied(reason, errno))
            }
        }
    }

    fn wait(&self, course: &mut Course<'_>, process: u32, milliseconds: u32) -> Attempt<Answer> {
        let Some(spawner) = &self.spawn else {
            return Err(Fault::denied(Reason::Front, Errno::CHILD));
        };
        let limit = Duration::from_millis(u64::from(milliseconds.min(LONGEST_WAIT)));
        let limit = if course.cached() {
            Duration::ZERO
        } else {
            limit
        };
        match spawner.wait(process, limit)? {
            Some(status) => Ok(Answer::Value(i64::from(status))),
            None if course.cached() && milliseconds > 0 => Err(Fault::WouldBlock),
            None => Err(Fault::Failed(Errno::TIMEDOUT)),
        }
    }
}

/// Bound of one wait for a spawned program, in milliseconds.
const LONGEST_WAIT: u32 = 10_000;

/// Bytes of what is wrong with a restriction that a record has.
const LONGEST_TOLD: usize = 1024;

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
