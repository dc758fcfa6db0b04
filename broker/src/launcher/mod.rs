//! The launcher: makes a sandboxee, locks it down, and decides nothing.
//!
//! It is forked from the broker while that has one thread, inside the broker's Landlock
//! domain. Order (docs/ARCHITECTURE.md): it joins the view, makes the pid namespace and its
//! init, which as root it is itself; then in the sandboxee itself session, streams, limits, capabilities, no_new_privs,
//! Landlock, seccomp last, a live probe, and the program.

mod confine;
mod entry;
mod init;
mod namespaces;
mod orders;
mod report;
mod sources;
mod spawn;
mod view;
mod zygote;

use std::{
    ffi::CString,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use doorward_policy::{
    Policy,
    filter::{Filter, FilterError},
};
use nix::{
    sched::{CloneFlags, setns, unshare},
    sys::wait::waitpid,
    unistd::Pid,
};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};

pub(crate) use confine::{Asked, WorkerFilters, bounding_set, capabilities, filter, secure_bits};
pub use entry::{Entry, Sandboxee};
pub(crate) use namespaces::Namespaces;
pub(crate) use orders::Orders;
pub(crate) use report::{Arrived, Report, arrived, exec_failure, wait_status};
pub(crate) use spawn::{Programs, Spawned};
pub(crate) use view::{Rising, View, ViewRequest};

use crate::{
    control::{self, Defence},
    front::api,
    limits::Held,
    sys::process,
};

/// What is run.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// A program, absolute, and its arguments, the first being its name.
    Exec(CString, Vec<CString>),
    /// A registered function and its arguments.
    Call(Entry, Vec<std::ffi::OsString>),
    /// A zygote, whose workers run a registered function.
    Workers(Entry),
}

/// What is to be started.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    /// What it may do.
    pub(crate) policy: &'a Policy,
    /// What it loads, made from that.
    pub(crate) filter: &'a Filter,
    /// What it runs.
    pub(crate) task: Task,
    /// The file that `task` executes, if only this sandboxee may start it.
    pub(crate) pin: Option<&'a OwnedFd>,
    /// Its whole environment, `NAME=VALUE`.
    pub(crate) environment: &'a [CString],
    /// Where it starts, if its view has that.
    pub(crate) directory: &'a Path,
    /// Its standard streams.
    pub(crate) streams: &'a [OwnedFd; 3],
    /// Whether standard input becomes its controlling terminal.
    pub(crate) terminal: bool,
    /// Where it lives; none without namespaces.
    pub(crate) view: Option<&'a View>,
    /// How its operations arrive.
    pub(crate) asked: Asked,
    /// Whether further programs may be started beside it.
    pub(crate) spawns: bool,
    /// Policies that those may run under, by name.
    pub(crate) others: &'a [(String, Policy)],
    /// What holds its limits.
    pub(crate) limits: &'a Held,
    /// Whether its zygote did already what is done but once for all workers.
    pub(crate) prepared: bool,
    /// What a zygote is given.
    pub(crate) nest: Option<Nest<'a>>,
}

/// What the workers of a zygote share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nest<'a> {
    /// Where the host's orders come.
    pub(crate) orders: &'a OwnedFd,
    /// What holds the limits of each.
    pub(crate) places: &'a [Held],
    /// What each loads behind the filter of the zygote.
    pub(crate) behind: Option<&'a Filter>,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
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
    /// Namespaces cannot be had here.
    #[error("namespaces cannot be had here; `doorward doctor` tells why")]
    Unavailable,
    /// The lock-down did not come to its end.
    #[error("the sandbox was not ready within ten seconds; is this machine out of memory?")]
    Late,
    /// The launcher ended without a word.
    #[error("the launcher ended before the sandboxee was locked down")]
    Lost,
}

/// A step that failed, and what the kernel said.
type Failure = (String, Errno);

fn step(name: &str) -> impl FnOnce(nix::errno::Errno) -> Failure {
    let name = name.to_owned();
    move |error| (name, Errno::from_raw_os_error(error as i32))
}

/// A sandboxee that is locked down and waits for its first operation to be served.
#[derive(Debug)]
pub(crate) struct Launched {
    /// The notification descriptor, if operations arrive so.
    pub(crate) listener: Option<OwnedFd>,
    /// The broker's end of its first lane.
    pub(crate) lane: Option<OwnedFd>,
    /// The program's process.
    pub(crate) program: OwnedFd,
    /// Tells the errno of a failed exec, hangs up on success.
    pub(crate) setup: OwnedFd,
    /// Tells the wait status of the program.
    pub(crate) status: OwnedFd,
    /// The launcher process.
    pub(crate) launcher: Pid,
}

/// The launcher's ends of what connects it to the broker.
struct Ends {
    report: Report,
    status: OwnedFd,
    lane: Option<OwnedFd>,
    spawns: Option<OwnedFd>,
    arrivals: Option<OwnedFd>,
}

/// A sandboxee that is being locked down.
#[derive(Debug)]
pub(crate) struct Launching {
    lane: Option<OwnedFd>,
    setup: OwnedFd,
    status: OwnedFd,
    launcher: Pid,
    /// Takes requests to start further programs, and tells how they ended.
    pub(crate) spawns: Option<OwnedFd>,
    /// Hands over lanes and listeners of workers.
    pub(crate) arrivals: Option<OwnedFd>,
}

impl Launching {
    /// Waits until it is locked down.
    pub(crate) fn ready(self) -> Result<Launched, LaunchError> {
        let ready = report::ready(self.setup.as_fd(), report::PATIENCE)?;
        Ok(Launched {
            listener: ready.listener,
            lane: self.lane,
            program: ready.program,
            setup: self.setup,
            status: self.status,
            launcher: self.launcher,
        })
    }
}

/// Begins to start a sandboxee. To be called while the process has one thread.
pub(crate) fn launch(launch: &Launch<'_>) -> Result<Launching, LaunchError> {
    let pair = || {
        socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(LaunchError::Socket)
    };
    let (setup, theirs) = pair()?;
    let lane = || api::pair().map_err(LaunchError::Socket);
    let workers = launch.nest.is_some();
    let (lane, lane_theirs) = (launch.asked.api && !workers)
        .then(lane)
        .transpose()?
        .unzip();
    let (arrivals, arrivals_theirs) = workers.then(pair).transpose()?.unzip();
    let (spawns, spawns_theirs) = launch.spawns.then(pair).transpose()?.unzip();
    let (status, status_theirs) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(LaunchError::Socket)?;
    let apart = launch.view.is_some_and(|view| !view.has_user_namespace());
    let Some(launcher) = fork(apart)? else {
        drop((setup, status, lane, spawns, arrivals));
        let ends = Ends {
            report: Report::new(theirs),
            status: status_theirs,
            lane: lane_theirs,
            spawns: spawns_theirs,
            arrivals: arrivals_theirs,
        };
        process::exit(i32::from(live(launch, ends, apart).is_err()));
    };
    drop((
        theirs,
        status_theirs,
        lane_theirs,
        spawns_theirs,
        arrivals_theirs,
    ));
    Ok(Launching {
        lane,
        setup,
        status,
        launcher,
        spawns,
        arrivals,
    })
}

/// Forks; with `apart` the child is the init of a pid namespace of its own. Threads cannot be
/// made between the two halves of that, so this process goes back to its own namespace.
fn fork(apart: bool) -> Result<Option<Pid>, LaunchError> {
    if !apart {
        return process::fork().map_err(LaunchError::Fork);
    }
    let failed = |what: &str, errno| LaunchError::Step {
        step: what.to_owned(),
        errno,
    };
    let raw = |error: nix::errno::Errno| Errno::from_raw_os_error(error as i32);
    let own = rustix::fs::open("/proc/self/ns/pid", OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| failed("opening the own pid namespace", errno))?;
    unshare(CloneFlags::CLONE_NEWPID)
        .map_err(|error| failed("making a pid namespace", raw(error)))?;
    let forked = process::fork().map_err(LaunchError::Fork)?;
    if forked.is_some() {
        setns(&own, CloneFlags::CLONE_NEWPID)
            .map_err(|error| failed("going back to the own pid namespace", raw(error)))?;
    }
    Ok(forked)
}

/// The launcher's whole life: it returns only when the sandbox has ended or a step failed.
/// Where it is the init of the pid namespace already, it plays that as well.
fn live(launch: &Launch<'_>, ends: Ends, is_init: bool) -> Result<(), ()> {
    process::name(c"doorward-launch");
    let tell = |step: &str, errno: Errno| ends.report.failed(step, errno);
    // Neither it nor the init has a filter: a broker that was taken over is not to change them.
    let hide = process::prctl(
        libc::PR_SET_DUMPABLE,
        u64::from(control::is_off(Defence::Hidden)),
    );
    hide.map_err(|errno| tell("hiding the launcher's memory", errno))?;
    let die = process::prctl(libc::PR_SET_PDEATHSIG, 9);
    die.map_err(|errno| tell("asking to die with the broker", errno))?;
    let Some(view) = launch.view else {
        let keep = process::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
        keep.map_err(|errno| tell("becoming a subreaper", errno))?;
        return init::run(launch, ends);
    };
    view.enter(launch.directory)
        .map_err(|(step, errno)| tell(&step, errno))?;
    if is_init {
        return init::run(launch, ends);
    }
    unshare(CloneFlags::CLONE_NEWPID)
        .map_err(step("making a pid namespace"))
        .map_err(|(step, errno)| tell(&step, errno))?;
    match process::fork() {
        Err(errno) => {
            tell("forking the init of the pid namespace", errno);
            Err(())
        }
        Ok(None) => {
            let ended = init::run(launch, ends);
            process::exit(i32::from(ended.is_err()))
        }
        Ok(Some(init)) => {
            // Nothing that the sandboxee closes is to stay open here.
            process::close_all_but(&[]).map_err(|errno| tell("closing descriptors", errno))?;
            std::mem::forget(ends);
            let _ended = waitpid(init, None);
            Ok(())
        }
    }
}
