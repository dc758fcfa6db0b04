//! The host's side: start a sandbox from a policy, and learn how it ended.
//!
//! The broker is this executable, started anew; [`crate::init`] makes that work and is to
//! be called first in `main`.

mod foreground;
mod output;
mod preload;
mod program;
mod terminal;

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            ffi::{OsStrExt, OsStringExt},
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, OnceLock},
};

use doorward_policy::{Expansion, Policy, PolicyErrors, policy::Front};
use nix::{sys::wait::waitpid, unistd::Pid};
use rustix::io::Errno;

pub use crate::{
    broker::ControlError,
    limits::{Broken, Limit, Usage},
};
pub use program::ProgramError;

use output::{Output, Relaying};

use crate::{
    audit::Summary,
    broker::{
        self,
        control::{Control, Event, Job, Order, Outcome, Start, Streams},
    },
    control,
    front::{api::ApiReport, notify::NotifyReport},
    launcher::{Entry, Orders},
    sys::process,
    trace,
};

static ENTRIES: OnceLock<&[Entry]> = OnceLock::new();

/// Lets this executable play the broker's part. To be called first in `main`, before any
/// thread is made; it does not come back in a process that is a broker.
pub fn init(entries: &'static [Entry]) {
    let _again = ENTRIES.set(entries);
    if std::env::args_os()
        .next()
        .is_some_and(|name| name == broker::NAME)
    {
        broker::main(Control::from_standard_input(), entries);
    }
}

/// What a sandbox runs.
#[derive(Debug, Clone)]
pub enum Program {
    /// An unmodified program and its arguments, found by the PATH that it will see.
    Command(Vec<OsString>),
    /// A function registered with [`init`], and its arguments.
    Entry {
        /// The name it is registered with.
        name: String,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
}

/// What to run, and under what.
#[derive(Debug)]
pub struct Sandbox {
    policy: Arc<Policy>,
    program: Program,
    audit: Option<OwnedFd>,
    streams: Option<[OwnedFd; 3]>,
    terminal: bool,
    broker: Option<Spare>,
}

/// How a sandbox ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The program ended by itself or by a signal.
    Program(ExitStatus),
    /// A limit of the policy ended it.
    Limit(Broken),
    /// The program could not be executed.
    Exec(Errno),
    /// [`Running::kill`] ended it.
    Killed,
}

/// A sandbox that has ended: how, and what was served.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub ended: Ended,
    /// What the notify front served.
    pub notify: NotifyReport,
    /// What the api front served.
    pub api: ApiReport,
    /// What was decided.
    pub summary: Summary,
    /// What it used.
    pub usage: Usage,
}

/// Why a sandbox did not start, or its end is not known.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is no program to run.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// [`init`] was not called.
    #[error("call doorward::init first in main: the broker is this executable, started anew")]
    NotInitialised,
    /// A policy that a program of the policy is to run under cannot be read.
    #[error("a policy that [[exec.program]] names is wrong: {0}")]
    Policy(#[from] PolicyErrors),
    /// The library that takes a program's calls is missing.
    #[error(
        "{0} is neither beside this executable nor in ../lib of it, in a directory whose name has no space or colon; install it there, or say --front notify"
    )]
    Preload(&'static str),
    /// Workers were asked for, and a command to run.
    #[error("workers run a function registered with doorward::init; name it, not a command")]
    NoEntry,
    /// The broker could not be started.
    #[error("cannot start the broker")]
    Broker(#[source] std::io::Error),
    /// The session was not narrowed: it is as it was.
    #[error("the sandbox was not restricted: {0}")]
    Restriction(String),
    /// The sandbox has ended; there is nothing to narrow.
    #[error("the sandbox has ended")]
    Over,
    /// The broker could not be spoken to.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The broker says why nothing was started, or serving failed.
    #[error("{0}")]
    Failed(String),
    /// A terminal, pipe or descriptor could not be had.
    #[error("cannot {0}")]
    System(&'static str, #[source] Errno),
    /// The end of the program is not known: its init or the broker was killed.
    #[error("the sandbox was killed from outside")]
    Lost,
    /// The same where memory is limited: an allocation that fails ends a process.
    #[error(
        "the sandbox was killed from outside, or doorward ran out of memory: each of its processes may have {0} bytes of address space; raise that limit (ulimit -v)"
    )]
    Short(u64),
}

impl HostError {
    /// Nobody tells the end.
    fn lost() -> Self {
        let most = rustix::process::getrlimit(rustix::process::Resource::As).current;
        most.map_or(Self::Lost, Self::Short)
    }
}

impl Sandbox {
    /// A sandbox of this policy with the host's own standard streams.
    pub fn new(policy: Arc<Policy>, program: Program) -> Self {
        Self {
            policy,
            program,
            audit: None,
            streams: None,
            terminal: false,
            broker: None,
        }
    }

    /// Uses a broker process that was started before.
    #[must_use]
    pub fn broker(mut self, spare: Spare) -> Self {
        self.broker = Some(spare);
        self
    }

    /// Where audit records go: a file or pipe opened for writing.
    #[must_use]
    pub fn audit(mut self, sink: OwnedFd) -> Self {
        self.audit = Some(sink);
        self
    }

    /// Its standard input, output and error instead of the host's own.
    #[must_use]
    pub fn streams(mut self, streams: [OwnedFd; 3]) -> Self {
        self.streams = Some(streams);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`HostError`]; then nothing was started.
    pub fn start(self) -> Result<Running, HostError> {
        self.begin(None)
    }

    /// Starts the zygote of so many workers at a time, and whose orders it takes.
    pub(crate) fn zygote(self, places: u32) -> Result<(Running, Orders), HostError> {
        let made = Orders::pair().map_err(|errno| HostError::System("make a socket", errno));
        let (orders, theirs) = made?;
        Ok((self.begin(Some((theirs, places)))?, orders))
    }

    fn begin(self, workers: Option<(OwnedFd, u32)>) -> Result<Running, HostError> {
        let spare = match self.broker {
            Some(spare) => spare,
            None => Spare::start()?,
        };
        let mut policy = Arc::unwrap_or_clone(self.policy);
        let mut environment = program::environment(&policy);
        let (orders, places) = workers.unzip();
        let bytes = |words: Vec<OsString>| words.into_iter().map(OsString::into_vec).collect();
        let job = match (self.program, places) {
            (Program::Command(_), Some(_)) => return Err(HostError::NoEntry),
            (Program::Command(command), None) => {
                let program = program::find(&command, &environment, &policy)?.into_bytes();
                if policy.front == Front::Trap {
                    let path = Path::new(OsStr::from_bytes(&program));
                    preload::add(path, &mut environment, &mut policy)?;
                }
                Job::Command {
                    program,
                    arguments: bytes(command),
                }
            }
            (Program::Entry { name, .. }, Some(places)) => Job::Workers { name, places },
            (Program::Entry { name, arguments }, None) => Job::Entry {
                name,
                arguments: bytes(arguments),
            },
        };
        let start = Start {
            others: others(&policy)?,
            policy,
            job,
            environment: environment
                .into_iter()
                .map(|(name, value)| (name.into_vec(), value.into_vec()))
                .collect(),
            directory: std::env::current_dir()
                .map_or_else(|_| OsString::from("/"), PathBuf::into_os_string),
            temporary: std::env::temp_dir().into_os_string(),
            terminal: self.terminal,
            audit: self.audit.is_some(),
        };
        let standard = match self.streams {
            Some(streams) => streams,
            None => own_streams()?,
        };
        let (output, standard) = match start.policy.limits.output {
            Some(most) => {
                let (output, standard) = Output::between(standard, self.terminal, most)
                    .map_err(|errno| HostError::System("relay the standard streams", errno))?;
                (Some(output), standard)
            }
            None => (None, standard),
        };
        let streams = Streams {
            standard,
            audit: self.audit,
            orders,
        };
        Running::begin(spare, &start, &streams)?.relaying(output)
    }
}

/// The other policies that programs of typed spawns get.
fn others(policy: &Policy) -> Result<Vec<(String, Policy)>, HostError> {
    let expansion = Expansion::of_process(rustix::process::getuid().as_raw());
    let mut others: Vec<(String, Policy)> = Vec::new();
    for name in policy.program_policies() {
        if others.iter().any(|(known, _)| known == name) {
            continue;
        }
        let loaded = if name.starts_with("builtin:") {
            Policy::builtin(name, &expansion)
        } else {
            Policy::load(Path::new(name), &expansion)
        };
        others.push((name.to_owned(), loaded?.policy));
    }
    Ok(others)
}

/// An error with all its sources, as people are told it.
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    match remedy(&text) {
        Some(remedy) if !text.contains(remedy) => format!("{text}; {remedy}"),
        _ => text,
    }
}

/// What helps where a step met the end of a resource, told by the errno in its text.
fn remedy(text: &str) -> Option<&'static str> {
    const REMEDIES: [(Errno, &str); 3] = [
        (
            Errno::MFILE,
            "raise the limit of open descriptors (ulimit -n)",
        ),
        (
            Errno::NFILE,
            "raise the machine's limit of open files (fs.file-max)",
        ),
        (
            Errno::NOMEM,
            "raise the limit of address space (ulimit -v), or free memory",
        ),
    ];
    let met = |errno: Errno| text.contains(&format!("(os error {})", errno.raw_os_error()));
    let mut remedies = REMEDIES.iter();
    remedies
        .find(|(errno, _)| met(*errno))
        .map(|(_, remedy)| *remedy)
}

/// Duplicates of this process's standard streams.
fn own_streams() -> Result<[OwnedFd; 3], HostError> {
    let own = |stream: BorrowedFd<'_>| {
        rustix::io::fcntl_dupfd_cloexec(stream, 3)
            .map_err(|errno| HostError::System("duplicate a standard stream; is it open?", errno))
    };
    Ok([
        own(std::io::stdin().as_fd())?,
        own(std::io::stdout().as_fd())?,
        own(std::io::stderr().as_fd())?,
    ])
}

/// A broker process that waits to be told what to serve, so that it can be started while
/// the policy is still being read. Dropped, it ends.
#[derive(Debug)]
pub struct Spare {
    control: Control,
    process: Pid,
}

impl Spare {
    /// Starts it as a copy of this process, which costs less than [`Spare::start`]. For a host
    /// whose memory holds nothing that a broker must not know: it keeps neither descriptors
    /// nor environment nor arguments, but the rest. It is for commands alone and knows no
    /// entries, which would run in that memory. A host with threads gets a broker that is
    /// started anew.
    ///
    /// # Errors
    /// [`HostError::Broker`], or [`HostError::NotInitialised`].
    pub fn fork() -> Result<Self, HostError> {
        ENTRIES.get().ok_or(HostError::NotInitialised)?;
        if !process::has_one_thread() {
            return Self::start();
        }
        let (ours, theirs) = UnixStream::pair().map_err(HostError::Broker)?;
        match process::fork().map_err(|errno| HostError::Broker(errno.into()))? {
            Some(process) => {
                tracing::debug!(process = process.as_raw(), "a broker was started");
                Ok(Self {
                    control: Control::new(ours),
                    process,
                })
            }
            None => {
                // Read while there is an environment.
                let _chosen = control::choice();
                // Nothing of the host's is dropped here, since this does not come back.
                let control = process::forget_host(broker::NAME, theirs.as_fd())
                    .map(|()| Control::new(theirs));
                broker::main(control.map_err(io::Error::from), &[])
            }
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`HostError::Broker`], or [`HostError::NotInitialised`].
    pub fn start() -> Result<Self, HostError> {
        ENTRIES.get().ok_or(HostError::NotInitialised)?;
        let (ours, theirs) = UnixStream::pair().map_err(HostError::Broker)?;
        let process = Command::new("/proc/self/exe")
            .arg0(broker::NAME)
            .env_clear()
            .envs(std::env::var_os(trace::LEVEL).map(|level| (trace::LEVEL, level)))
            .envs(control::choice())
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .map_err(HostError::Broker)?;
        tracing::debug!(process = process.id(), "a broker was started");
        Ok(Self {
            control: Control::new(ours),
            process: Pid::from_raw(process.id().cast_signed()),
        })
    }

    fn end(&mut self) {
        self.control.hang_up();
        while let Err(nix::errno::Errno::EINTR) = waitpid(self.process, None) {}
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.end();
    }
}

/// A sandbox that runs. Dropped, it is ended.
#[derive(Debug)]
pub struct Running {
    broker: Spare,
    /// It ended before it ran.
    ended: Option<Event>,
    /// Its output, where that has a limit.
    relaying: Option<Relaying>,
}

impl Running {
    fn begin(broker: Spare, start: &Start, streams: &Streams) -> Result<Self, HostError> {
        broker.control.start(start, streams)?;
        let mut running = Self {
            broker,
            ended: None,
            relaying: None,
        };
        match running.event()? {
            Event::Started => Ok(running),
            Event::Failed(text) => Err(HostError::Failed(text)),
            ended => {
                running.ended = Some(ended);
                Ok(running)
            }
        }
    }

    /// Lets its output be relayed.
    fn relaying(mut self, output: Option<Output>) -> Result<Self, HostError> {
        let Some(output) = output else {
            return Ok(self);
        };
        let control = self.broker.control.try_clone()?;
        let end = move || {
            let _gone = control.send(&Order::Kill);
        };
        let begun = output.begin(end);
        let failed = |errno| HostError::System("relay the standard streams", errno);
        self.relaying = Some(begun.map_err(failed)?);
        Ok(self)
    }

    fn event(&mut self) -> Result<Event, HostError> {
        match self.ended.take() {
            Some(event) => Ok(event),
            None => self.broker.control.receive()?.ok_or_else(HostError::lost),
        }
    }

    /// Sends a signal to the program's process group.
    ///
    /// # Errors
    /// [`HostError::Control`] when the broker is gone.
    pub fn signal(&self, signal: i32) -> Result<(), HostError> {
        Ok(self.broker.control.send(&Order::Signal(signal))?)
    }

    /// Narrows the session by a document in the words of a policy, as docs/POLICY.md says:
    /// what is decided after this has returned is allowed only if the document allows it, too.
    /// It is never widened again. Waits for what is under way, at most 5 s.
    ///
    /// # Errors
    /// [`HostError::Restriction`]: the session is as it was. [`HostError::Over`] when the
    /// sandbox has ended, [`HostError::Control`] when the broker is gone.
    pub fn restrict(&mut self, document: &str) -> Result<(), HostError> {
        if self.ended.is_some() {
            return Err(HostError::Over);
        }
        if document.len() > doorward_policy::restriction::DOCUMENT_LIMIT {
            return Err(HostError::Restriction(
                doorward_policy::RestrictionError::Long.to_string(),
            ));
        }
        let control = &self.broker.control;
        control.send(&Order::Restrict(document.to_owned()))?;
        match control.receive()?.ok_or(HostError::Lost)? {
            Event::Restricted(narrowed) => narrowed.map_err(HostError::Restriction),
            ended => {
                self.ended = Some(ended);
                Err(HostError::Over)
            }
        }
    }

    /// Ends the sandbox now: all its processes die. [`Running::wait`] tells the rest.
    ///
    /// # Errors
    /// [`HostError::Control`] when the broker is gone.
    pub fn kill(&self) -> Result<(), HostError> {
        Ok(self.broker.control.send(&Order::Kill)?)
    }

    /// Waits for its end, and, where the policy limits its output, until all of that has
    /// been passed on.
    ///
    /// # Errors
    /// [`HostError`] when serving failed or the end is not known.
    pub fn wait(self) -> Result<Report, HostError> {
        self.finish(|relaying| {
            if let Some(relaying) = relaying {
                relaying.wait();
            }
        })
    }

    /// Waits for its end; then `pass_on` waits for its output.
    fn finish(mut self, pass_on: impl FnOnce(Option<&Relaying>)) -> Result<Report, HostError> {
        let event = self.event();
        // The keeper has taken away what was made for the sandbox when it ends.
        self.broker.end();
        pass_on(self.relaying.as_ref());
        let mut report = report(event?)?;
        // It may have ended by itself before the host had counted all.
        if let Some(most) = self.relaying.as_ref().and_then(Relaying::exceeded) {
            report.ended = Ended::Limit(Broken::output(most));
        }
        report.usage.output = self.relaying.as_ref().map(Relaying::passed);
        Ok(report)
    }
}

impl AsFd for Running {
    /// Readable when the sandbox has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.broker.control.as_fd()
    }
}

fn report(event: Event) -> Result<Report, HostError> {
    let Event::Ended {
        outcome,
        notify,
        api,
        summary,
        usage,
    } = event
    else {
        return Err(match event {
            Event::Failed(text) => HostError::Failed(text),
            _ => HostError::lost(),
        });
    };
    let ended = match outcome {
        Outcome::Status(raw) => Ended::Program(ExitStatus::from_raw(raw)),
        Outcome::Limit(broken) => Ended::Limit(broken),
        Outcome::Exec(errno) => Ended::Exec(Errno::from_raw_os_error(errno)),
        Outcome::Killed => Ended::Killed,
        Outcome::Lost => return Err(HostError::lost()),
    };
    Ok(Report {
        ended,
        notify,
        api,
        summary,
        usage: *usage,
    })
}
