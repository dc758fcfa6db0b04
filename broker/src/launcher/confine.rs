//! Lock-down: what a process gives up to become a sandboxee, seccomp last.

use std::{
    ffi::CString,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use caps::{CapSet, Capability, errors::CapsError};
use doorward_policy::{
    AbsName, Policy,
    filter::{Arch, Filter, FilterRequest, Instruction},
    policy::{CodeMap, SystemCalls},
};
use doorward_sandboxee::{LANE, trap};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use doorward_sandboxee::worker::Host;

use super::{Entry, Launch, LaunchError, Namespaces, Report, Sandboxee, Task};
use crate::{
    control::{self, Defence},
    front::api,
    sys::process,
};

/// NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE, set and locked; KEEP_CAPS locked off.
const SECURE_BITS: libc::c_ulong = 0b1110_1111;
const MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;

/// By which fronts the operations of a sandboxee arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// By notification.
    pub(crate) notify: bool,
    /// On lanes.
    pub(crate) api: bool,
    /// On lanes, from a handler of its own: it may load filters under which its calls trap.
    pub(crate) trap: bool,
    /// The same in a program that knows nothing of it, and those that it executes.
    pub(crate) preload: bool,
}

impl Asked {
    /// What the log calls the front.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self { preload: true, .. } => "trap",
            Self { notify: true, .. } => "notify",
            Self { trap: true, .. } => "trap",
            _ => "api",
        }
    }

    /// Whether it has a lane by which programs can be started: an entry whose calls trap
    /// was given none.
    pub(crate) fn spawns(self) -> bool {
        self.api && (self.notify || !self.trap)
    }
}

/// The filter that a sandboxee will load; `separate` is whether it has namespaces of its own.
pub(crate) fn filter(policy: &Policy, asked: Asked, separate: bool) -> Result<Filter, LaunchError> {
    Ok(Filter::assemble(&FilterRequest {
        policy,
        arch: Arch::native(),
        notify: asked.notify,
        trap: asked.trap,
        network_namespace: separate,
        processes: true,
        zygote: false,
    })?)
}

/// The filters of workers. Namespaces are theirs together, so none may reach by them what is
/// another's; and each is one process, so that nothing is left of it when that has ended.
///
/// Loading a filter costs more than all else of a fork. So where there is no listener, of which
/// each needs its own, the zygote loads the most of it, and a worker only what it needs less.
#[derive(Debug)]
pub(crate) struct WorkerFilters {
    /// The whole, or the zygote's.
    pub(crate) filter: Filter,
    /// What a worker loads behind the zygote's.
    pub(crate) behind: Option<Filter>,
}

impl WorkerFilters {
    pub(crate) fn of(policy: &Policy, asked: Asked) -> Result<Self, LaunchError> {
        let zygote = !asked.notify && !asked.trap && policy.system_calls == SystemCalls::default();
        let arch = Arch::native();
        let filter = Filter::assemble(&FilterRequest {
            policy,
            arch,
            notify: asked.notify,
            trap: asked.trap,
            network_namespace: false,
            processes: zygote,
            zygote,
        })?;
        let behind = zygote.then(|| Filter::behind_zygote(arch)).transpose()?;
        Ok(Self { filter, behind })
    }
}

/// The init gives up what it does not need; it reads nothing that a sandboxee writes.
pub(super) fn init(separate: bool) {
    let _kept = process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1);
    if separate {
        let _kept = capabilities();
    }
}

/// Locks this process down and runs the task; the exit status if it did not exec.
pub(super) fn become_sandboxee(launch: &Launch<'_>, report: Report, lane: Option<OwnedFd>) -> i32 {
    const NOT_RUN: i32 = 127;
    let kept: Vec<BorrowedFd<'_>> = std::iter::once(report.as_fd())
        .chain(lane.as_ref().map(OwnedFd::as_fd))
        // Landlock needs it; exec closes it.
        .chain(launch.pin.map(OwnedFd::as_fd))
        .collect();
    let ready = left_open(launch, lane.as_ref())
        .and_then(|()| confine(launch, &kept))
        .and_then(|()| filtered(launch));
    let (program, listener) = match ready {
        Ok(ready) => ready,
        Err((step, errno)) => {
            report.failed(step, errno);
            return NOT_RUN;
        }
    };
    if let Err(errno) = report.ready(program.as_fd(), listener.as_ref().map(OwnedFd::as_fd)) {
        report.failed("handing over to the broker", errno);
        return NOT_RUN;
    }
    drop((program, listener));
    match &launch.task {
        Task::Exec(program, arguments) => {
            let lane = match shared(launch, lane) {
                Ok(lane) => lane,
                Err(errno) => {
                    report.exec(errno);
                    return NOT_RUN;
                }
            };
            let environment = environment(launch.environment, lane.as_ref());
            let Err(error) = nix::unistd::execve(program, arguments, &environment);
            report.exec(Errno::from_raw_os_error(error as i32));
            NOT_RUN
        }
        Task::Call(entry, arguments) => {
            let lane = match trapping(launch, lane) {
                Ok(lane) => lane,
                Err(errno) => {
                    report.exec(errno);
                    return NOT_RUN;
                }
            };
            drop(report);
            call(
                entry,
                Sandboxee {
                    arguments: arguments.clone(),
                    lane,
                    host: None,
                },
            )
        }
        // Who starts workers is no sandboxee.
        Task::Workers(_) => NOT_RUN,
    }
}

/// What the zygote does once for all its workers.
pub(super) fn zygote(launch: &Launch<'_>) -> Result<(), Step> {
    let named = |step: &'static str| move |errno: Errno| (step, errno);
    session_keyring();
    if !control::is_off(Defence::Capabilities) {
        capabilities().map_err(named("dropping capabilities"))?;
    }
    process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(named("setting no_new_privs"))?;
    load(launch.filter, false).map(drop)
}

/// Where its calls shall trap, gives the lane to what makes requests of them.
fn trapping(launch: &Launch<'_>, lane: Option<OwnedFd>) -> Result<Option<OwnedFd>, Errno> {
    match lane {
        Some(lane) if launch.asked.trap => trap::enter(lane).map(|()| None),
        lane => Ok(lane),
    }
}

/// Where calls of a program shall trap, makes the lane one for all programs that follow it.
fn shared(launch: &Launch<'_>, lane: Option<OwnedFd>) -> Result<Option<OwnedFd>, Errno> {
    match lane {
        Some(lane) if launch.asked.preload => trap::share(lane).map(Some),
        lane => Ok(lane),
    }
}

/// Locks this process down and lets it serve its host; the exit status.
pub(super) fn become_worker(
    launch: &Launch<'_>,
    entry: Entry,
    arrivals: Report,
    host: Host,
) -> i32 {
    const NOT_RUN: i32 = 127;
    let ready = lanes(launch).and_then(|(lane, theirs)| {
        let [socket, arena] = host.descriptors();
        let kept: Vec<BorrowedFd<'_>> = [arrivals.as_fd(), socket, arena]
            .into_iter()
            .chain(lane.iter().chain(&theirs).map(OwnedFd::as_fd))
            .collect();
        confine(launch, &kept)?;
        let listener = load(launch.filter, launch.asked.notify)?;
        arrivals
            .arrived(lane.as_ref(), listener.as_ref())
            .map_err(|errno| ("handing over to the broker", errno))?;
        trapping(launch, theirs).map_err(|errno| ("taking over its system calls", errno))
    });
    match ready {
        Ok(lane) => {
            drop(arrivals);
            let sandboxee = Sandboxee {
                arguments: Vec::new(),
                lane,
                host: Some(host),
            };
            call(&entry, sandboxee)
        }
        Err((step, errno)) => {
            host.failed(&format!(
                "{step} failed: {errno}; nothing of the worker was run"
            ));
            NOT_RUN
        }
    }
}

/// The broker's end of a worker's lane, and the worker's.
fn lanes(launch: &Launch<'_>) -> Result<(Option<OwnedFd>, Option<OwnedFd>), Step> {
    let pair = launch.asked.api.then(api::pair).transpose();
    Ok(pair.map_err(|errno| ("making a lane", errno))?.unzip())
}

/// A program's lane outlives exec.
fn left_open(launch: &Launch<'_>, lane: Option<&OwnedFd>) -> Result<(), Step> {
    match (&launch.task, lane) {
        (Task::Exec(..), Some(lane)) => fcntl_setfd(lane, FdFlags::empty())
            .map_err(|errno| ("leaving the lane to the program", errno)),
        _ => Ok(()),
    }
}

/// The variables of a program, with the one that names its lane.
fn environment(variables: &[CString], lane: Option<&OwnedFd>) -> Vec<CString> {
    let named = lane.and_then(|lane| CString::new(format!("{LANE}={}", lane.as_raw_fd())).ok());
    variables.iter().cloned().chain(named).collect()
}

/// Runs an entry; a panic ends it as it ends a program.
fn call(entry: &Entry, sandboxee: Sandboxee) -> i32 {
    const PANICKED: u8 = 101;
    let run = entry.run;
    let status = std::panic::catch_unwind(move || run(sandboxee)).unwrap_or(PANICKED);
    let _lost = std::io::Write::flush(&mut std::io::stdout());
    i32::from(status)
}

type Step = (&'static str, Errno);

/// The last two steps, and the descriptors they yield: this process, and the listener.
fn filtered(launch: &Launch<'_>) -> Result<(OwnedFd, Option<OwnedFd>), Step> {
    let own = rustix::process::getpid();
    let program = rustix::process::pidfd_open(own, rustix::process::PidfdFlags::empty())
        .map_err(|errno| ("opening the own process", errno))?;
    Ok((program, load(launch.filter, launch.asked.notify)?))
}

/// Loads a filter and tries whether it holds; its listener, if it is to have one.
fn load(filter: &Filter, notify: bool) -> Result<Option<OwnedFd>, Step> {
    let open = control::is_off(Defence::SystemCalls);
    let loaded = if open {
        refusing_nothing(filter)
    } else {
        filter.instructions().to_vec()
    };
    let listener = process::load_filter(&loaded, notify)
        .map_err(|errno| ("loading the system-call filter", errno))?;
    if !open {
        probe().map_err(|step| (step, Errno::PERM))?;
    }
    Ok(listener)
}

/// A filter that notifies as this one does, and allows what it refuses.
fn refusing_nothing(filter: &Filter) -> Vec<Instruction> {
    const RETURN: u16 = 0x06;
    let opened = |step: &Instruction| match (step.code, step.k & libc::SECCOMP_RET_ACTION_FULL) {
        (RETURN, action) if action != libc::SECCOMP_RET_USER_NOTIF => Instruction {
            k: libc::SECCOMP_RET_ALLOW,
            ..*step
        },
        _ => *step,
    };
    filter.instructions().iter().map(opened).collect()
}

/// All but the filter. Of the descriptors from 3 on only these are left.
fn confine(launch: &Launch<'_>, kept: &[BorrowedFd<'_>]) -> Result<(), Step> {
    let named = |step: &'static str| move |errno: Errno| (step, errno);
    process::prctl(libc::PR_SET_PDEATHSIG, 9).map_err(named("asking to die with the init"))?;
    rustix::process::setsid().map_err(named("making a session"))?;
    process::default_signals().map_err(named("setting signals back"))?;
    streams(launch).map_err(named("connecting the standard streams"))?;
    if !launch.prepared {
        session_keyring();
    }
    let separate = Namespaces::of(launch.view);
    launch
        .limits
        .join()
        .map_err(named("joining the control group"))?;
    process::close_all_but(kept).map_err(named("closing descriptors"))?;
    launch
        .limits
        .restrict(separate)
        .map_err(named("setting limits"))?;
    if !launch.prepared && !control::is_off(Defence::Capabilities) {
        capabilities().map_err(named("dropping capabilities"))?;
    }
    process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(named("setting no_new_privs"))?;
    process::prctl(libc::PR_SET_DUMPABLE, 1).map_err(named("staying readable for the broker"))?;
    if launch.policy.code != CodeMap::Jit && !control::is_off(Defence::Mdwe) {
        process::prctl(libc::PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN)
            .map_err(named("refusing writable code"))?;
    }
    if control::is_off(Defence::Landlock) {
        return Ok(());
    }
    landlock(launch).map_err(named("entering the Landlock domain"))
}

/// A session keyring with nothing in it. A kernel may have none, and a container refuse it: the
/// filter holds keys as well.
fn session_keyring() {
    if !control::is_off(Defence::SessionKeyring) {
        let _without = process::new_session_keyring();
    }
}

/// Standard input, output and error; a terminal becomes the controlling one.
fn streams(launch: &Launch<'_>) -> Result<(), Errno> {
    let [input, output, error] = launch.streams;
    rustix::stdio::dup2_stdin(input)?;
    rustix::stdio::dup2_stdout(output)?;
    rustix::stdio::dup2_stderr(error)?;
    if launch.terminal {
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
    }
    Ok(())
}

/// Drops every capability from the bounding set, where that may be done.
pub(crate) fn bounding_set() -> Result<(), Errno> {
    if holds_setpcap()? {
        caps::clear(None, CapSet::Bounding).map_err(refused)?;
    }
    Ok(())
}

fn holds_setpcap() -> Result<bool, Errno> {
    caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(refused)
}

fn refused(_: CapsError) -> Errno {
    Errno::PERM
}

/// Being root means nothing from now on, so that a change of user takes and gives no capability.
pub(crate) fn secure_bits() -> Result<(), Errno> {
    process::prctl(libc::PR_SET_SECUREBITS, SECURE_BITS)
}

/// Drops every capability from every set; what cannot be dropped was not there.
pub(crate) fn capabilities() -> Result<(), Errno> {
    if holds_setpcap()? {
        secure_bits()?;
    }
    bounding_set()?;
    caps::clear(None, CapSet::Ambient).map_err(refused)?;
    caps::clear(None, CapSet::Inheritable).map_err(refused)?;
    caps::clear(None, CapSet::Effective).map_err(refused)?;
    caps::clear(None, CapSet::Permitted).map_err(refused)
}

/// All file rights handled, none given but starting (and so reading) the programs of the
/// exec rules and of this start; TCP without rules; signals and abstract sockets stay inside.
fn landlock(launch: &Launch<'_>) -> Result<(), Errno> {
    let failed = |_: landlock::RulesetError| Errno::PERM;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V3))
        .map_err(failed)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))
        .map_err(failed)?
        .handle_access(AccessNet::from_all(ABI::V6))
        .map_err(failed)?
        .scope(Scope::from_all(ABI::V6))
        .map_err(failed)?;
    let mut ruleset = ruleset.create().map_err(failed)?;
    let rights = AccessFs::Execute | AccessFs::ReadFile;
    if let Some(pin) = launch.pin {
        ruleset = ruleset
            .add_rule(PathBeneath::new(pin, rights))
            .map_err(failed)?;
    }
    for path in programs(launch.policy) {
        let Ok(pin) = PathFd::new(&path) else {
            continue;
        };
        ruleset = ruleset
            .add_rule(PathBeneath::new(pin, rights))
            .map_err(failed)?;
    }
    let status = ruleset.restrict_self().map_err(failed)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        Err(Errno::NOSYS)
    } else {
        Ok(())
    }
}

/// The files and directories of the exec rules. A glob other than a whole directory is
/// matched once, now, in its own directory: what appears later cannot be started.
fn programs(policy: &Policy) -> Vec<std::path::PathBuf> {
    const MOST: usize = 4096;
    let mut found = Vec::new();
    for rule in policy.exec_rules() {
        let prefix = std::path::PathBuf::from(std::ffi::OsStr::from_bytes(rule.prefix.as_bytes()));
        if rule
            .pattern
            .as_deref()
            .is_none_or(|pattern| pattern == "**")
        {
            found.push(prefix);
            continue;
        }
        let entries = std::fs::read_dir(&prefix).into_iter().flatten().flatten();
        let allowed = |path: &std::path::PathBuf| {
            AbsName::parse(path.as_os_str().as_bytes())
                .is_ok_and(|name| policy.decide_exec(&name).is_allow())
        };
        found.extend(entries.map(|entry| entry.path()).filter(allowed).take(MOST));
    }
    found.truncate(MOST);
    found
}

/// Tries what must be refused by now without the broker's help. The program is not
/// started if anything succeeds.
fn probe() -> Result<(), &'static str> {
    use nix::sched::{CloneFlags, unshare};
    if unshare(CloneFlags::CLONE_NEWUTS).is_ok() {
        return Err("the probe of seccomp (unshare)");
    }
    let vsock = rustix::net::AddressFamily::from_raw(40);
    if rustix::net::socket(vsock, rustix::net::SocketType::STREAM, None).is_ok() {
        return Err("the probe of seccomp (vsock)");
    }
    Ok(())
}
