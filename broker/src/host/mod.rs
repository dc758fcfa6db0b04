//! The host's side: start a sandbox from a policy and learn how it ended.

mod program;
mod scratch;

use std::{
    ffi::{CString, OsString},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, process::ExitStatusExt},
    },
    path::PathBuf,
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_policy::Policy;
use nix::sys::{
    signal::{Signal, kill},
    wait::waitpid,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

pub use program::ProgramError;

use crate::{
    audit::{self, Log},
    front::{Context, notify},
    launcher::{self, Launch, LaunchError, Launched, Namespaces},
    layers,
    service::{Services, Setup, SetupError},
};

/// What to run, and under what.
#[derive(Debug)]
pub struct Sandbox {
    /// What it may do.
    pub policy: Arc<Policy>,
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// Where its decisions are recorded: a file or pipe opened for writing.
    pub audit: Option<OwnedFd>,
}

/// How a sandbox ended.
#[derive(Debug)]
pub enum Ended {
    /// The program ended by itself or by a signal.
    Program(ExitStatus),
    /// The policy's `limits.wall` ended it.
    Wall,
    /// The program could not be executed.
    Exec(Errno),
}

/// A sandbox that has ended: how, and what was served.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub ended: Ended,
    /// What the notify front served.
    pub notify: notify::NotifyReport,
    /// What was denied.
    pub audit: audit::Summary,
}

/// Why a sandbox did not start, or its end is not known.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is no program to run.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The scratch directory could not be made.
    #[error("cannot make the scratch directory below {directory}")]
    Scratch {
        /// Where.
        directory: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It was not started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A layer that the policy requires cannot be had here.
    #[error(
        "the policy requires the layer '{0}', which cannot be had here; `doorward doctor` tells why"
    )]
    Layer(String),
    /// The policy wants what is not held yet, and says that it must be.
    #[error(
        "the policy requires exact limits, but {0} cannot be held exactly here; drop it or `limits = \"exact\"`"
    )]
    Limit(&'static str),
    /// The services could not be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Serving failed.
    #[error(transparent)]
    Notify(#[from] notify::NotifyError),
    /// A thread or pipe could not be made.
    #[error("cannot {0}")]
    System(&'static str, #[source] Errno),
    /// The end of the program is not known: its init was killed.
    #[error("the sandbox was killed from outside")]
    Lost,
}

impl Sandbox {
    /// Runs it to its end. To be called while the process has one thread.
    ///
    /// # Errors
    /// [`HostError`] when nothing was started, or its end is not known.
    pub fn run(self) -> Result<Report, HostError> {
        let namespaces = Namespaces::probe();
        required(&self.policy, namespaces)?;
        let environment = program::environment(&self.policy);
        let found = program::find(&self.command, &environment, &self.policy)?;
        let scratch = scratch::Scratch::make(&self.policy)?;
        let launch = Launch {
            policy: &self.policy,
            program: found,
            arguments: self
                .command
                .iter()
                .filter_map(|word| CString::new(word.as_bytes()).ok())
                .collect(),
            environment: program::block(&environment, &scratch, namespaces.available),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            scratch: scratch.path().map(Into::into),
            namespaces,
        };
        let launched = launcher::launch(&launch)?;
        // It has a thread of its own, so it comes after the last fork.
        let log = Arc::new(Log::new(
            Arc::clone(&self.policy),
            &audit::session_name(),
            layers::start(&self.policy, "notify", namespaces),
            self.audit,
        ));
        let services = Services::new(Setup {
            policy: Arc::clone(&self.policy),
            scratch: scratch.open()?,
            view: namespaces.available,
            network: self.policy.has_tcp(),
            map_foreign_ids: namespaces.available && namespaces.user,
            spawn: None,
        })?;
        let context = Context {
            services: Arc::new(services),
            audit: Arc::clone(&log),
        };
        let (ended, notify) = supervise(launched, context, self.policy.limits.wall)?;
        Ok(Report {
            ended,
            notify,
            audit: log.finish(),
        })
    }
}

/// Fails closed on what the policy requires and this place lacks.
fn required(policy: &Policy, namespaces: Namespaces) -> Result<(), HostError> {
    for layer in &policy.require.layers {
        let held = match layer.as_str() {
            "seccomp" | "landlock" => true,
            "namespaces" | "network" => namespaces.available,
            _ => false,
        };
        if !held {
            return Err(HostError::Layer(layer.clone()));
        }
    }
    let limits = &policy.limits;
    let inexact = [
        (limits.memory.is_some(), "memory"),
        (limits.cpu.is_some(), "cpu"),
        (limits.cpu_share.is_some(), "cpu_share"),
        (limits.processes.is_some(), "processes"),
        (limits.output.is_some(), "output"),
        (limits.requests_per_second.is_some(), "requests_per_second"),
    ];
    match inexact
        .iter()
        .find(|(asked, _)| *asked && policy.require.exact_limits)
    {
        Some((_, name)) => Err(HostError::Limit(name)),
        None => Ok(()),
    }
}

/// Serves until the program has ended, then ends what is left of the sandbox.
fn supervise(
    launched: Launched,
    context: Context,
    wall: Option<Duration>,
) -> Result<(Ended, notify::NotifyReport), HostError> {
    let Launched {
        listener,
        setup,
        status,
        launcher,
    } = launched;
    let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|errno| HostError::System("make a pipe", errno))?;
    let front = std::thread::Builder::new()
        .name("notify".into())
        .spawn(move || notify::serve(listener, context, stopped.as_fd()))
        .map_err(|error| {
            HostError::System(
                "start the serving thread",
                Errno::from_io_error(&error).unwrap_or(Errno::AGAIN),
            )
        })?;
    let failed = launcher::exec_failure(setup.as_fd());
    let in_time = failed.is_some() || ended_within(status.as_fd(), wall);
    let raw = in_time.then(|| launcher::wait_status(&status)).flatten();
    let _gone = kill(launcher, Signal::SIGKILL);
    let _reaped = waitpid(launcher, None);
    drop(stop);
    let served = front
        .join()
        .unwrap_or_else(|_| Ok(notify::NotifyReport::default()))?;
    let ended = match (failed, in_time, raw) {
        (Some(errno), _, _) => Ended::Exec(errno),
        (None, false, _) => Ended::Wall,
        (None, true, Some(raw)) => Ended::Program(ExitStatus::from_raw(raw)),
        (None, true, None) => return Err(HostError::Lost),
    };
    Ok((ended, served))
}

/// Waits for the program's status, at most `wall`.
fn ended_within(status: std::os::fd::BorrowedFd<'_>, wall: Option<Duration>) -> bool {
    let deadline = wall.and_then(|wall| Instant::now().checked_add(wall));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut ready = [PollFd::from_borrowed_fd(status, PollFlags::IN)];
        match poll(&mut ready, timeout.as_ref()) {
            Ok(0) => return false,
            Err(Errno::INTR) => {}
            _ => return true,
        }
    }
}
