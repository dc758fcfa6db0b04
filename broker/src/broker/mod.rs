//! The broker process: one executable plays all parts, and this is the part the host
//! starts. It begins with nothing of the host's memory, or, forked from the command, with
//! what that has read by then: its arguments and no more.
//!
//! Order of start (docs/ARCHITECTURE.md): the keeper is its parent; the view is built in a
//! short-lived process of the keeper's; the broker enters its Landlock domain, forks the launcher inside it
//! and waits until the sandboxee is locked down; then it drops its capabilities, loads its
//! own filter, and serves.

mod arrivals;
mod confine;
pub(crate) mod control;
mod keeper;
mod remains;
mod scratch;
mod supervise;

use std::{
    convert::Infallible,
    ffi::{CString, OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use doorward_policy::{
    AbsName, Policy,
    policy::{CodeMap, Front, IdentityUser},
};
use doorward_sandboxee::LANE;
use nix::unistd::Pid;
use rustix::io::Errno;

pub use control::ControlError;
pub(crate) use keeper::kill_children;

use crate::{
    audit::{self, Log},
    front::Context,
    launcher::{
        self, Asked, Entry, Launch, LaunchError, Launched, Namespaces, Nest, Programs, Rising,
        Task, View, ViewRequest, WorkerFilters, launch,
    },
    layers,
    limits::{self, Facts, Held, LimitError},
    service::{InForce, Services, Setup, SetupError, Spawner},
    sys::process,
    tenant::{Claim, Tenant, TenantError},
    trace,
};
use control::{Control, Event, Job, Start, Streams};
use scratch::Scratch;

/// The name under which the host starts this executable as a broker.
pub(crate) const NAME: &str = "doorward-broker";

/// Why a broker did not serve a sandbox to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    /// The scratch directory could not be made.
    #[error(
        "cannot make the scratch directory below {directory}; set TMPDIR to one that can be written"
    )]
    Scratch {
        directory: PathBuf,
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
    /// The policy wants what cannot be held, and says that it must be.
    #[error(
        "the policy requires exact limits, but {name} is held by {by} here, which is not exact; drop it or `limits = \"exact\"`"
    )]
    Limit { name: String, by: String },
    /// The control group could not be made.
    #[error(transparent)]
    Limits(#[from] LimitError),
    /// The executable has no such entry.
    #[error("there is no entry '{0}'; register it with doorward::init")]
    Entry(String),
    /// The policy gives workers what they cannot have.
    #[error("workers cannot have {what}: {why}")]
    NotForWorkers {
        what: &'static str,
        why: &'static str,
    },
    /// The policy asks for a kernel user of its own, which cannot be had.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The broker could not enter its Landlock domain.
    #[error("the broker cannot enter its Landlock domain")]
    Landlock(#[from] landlock::RulesetError),
    /// The broker could not be locked down.
    #[error("{0} failed")]
    Confine(&'static str, #[source] Errno),
    /// The services could not be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Serving failed.
    #[error(transparent)]
    Notify(#[from] crate::front::notify::NotifyError),
    /// Serving lanes failed.
    #[error(transparent)]
    Api(#[from] crate::front::api::ApiError),
    /// A thread or pipe could not be made.
    #[error("cannot {0}")]
    System(&'static str, #[source] Errno),
    /// The host cannot be spoken to.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// The broker's and the keeper's whole life: the process that the host started becomes the
/// keeper, its child the broker.
pub(crate) fn main(control: io::Result<Control>, entries: &'static [Entry]) -> ! {
    process::name(c"doorward-keeper");
    let Ok(control) = control else {
        process::exit(1);
    };
    let rising = separate();
    let (start, streams) = match control.started() {
        Ok(started) => started,
        Err(error) => process::exit(report(&control, Err(error.into()))),
    };
    match rising.and_then(|rising| Ok((rising, begin(&start)?))) {
        Err(error) => process::exit(report(&control, Err(error))),
        Ok((rising, (made, None))) => {
            let Err(error) = serve(&control, start, streams, entries, &made, rising);
            process::exit(report(&control, Err(error)));
        }
        Ok((rising, (made, Some(broker)))) => {
            // The host is to see the end of the broker, not of the keeper, and the builder that
            // of the broker.
            drop((control, streams, rising));
            let _warns = trace::begin();
            made.scratch.remove_stale();
            keeper::keep(broker);
            made.limits.remove();
            made.places.iter().for_each(Held::remove);
            drop(made);
            process::exit(0);
        }
    }
}

/// Tells the host of a failure; the exit status.
fn report(control: &Control, served: Result<(), BrokerError>) -> i32 {
    let failed = served.is_err();
    if let Err(error) = served {
        let _gone = control.send(&Event::Failed(crate::host::told(&error)));
    }
    i32::from(failed)
}

/// What the keeper makes for a sandbox, and takes away.
struct Made {
    tenant: Option<Tenant>,
    scratch: Scratch,
    limits: Held,
    /// What holds the limits of each worker that there can be at a time.
    places: Vec<Held>,
    /// The keeper's alone; given back when all else is gone.
    _claim: Option<Claim>,
}

/// What the keeper does before it knows what is to be served.
fn separate() -> Result<Rising, BrokerError> {
    let system = |what| move |errno| BrokerError::System(what, errno);
    rustix::process::setsid().map_err(system("make a session"))?;
    process::prctl(libc::PR_SET_CHILD_SUBREAPER, 1).map_err(system("become a subreaper"))?;
    let rising = View::begin()?;
    // Nothing that is forked from here gets a capability by executing something; dropped here,
    // each of them finds it done.
    launcher::bounding_set().map_err(system("drop the bounding set"))?;
    Ok(rising)
}

/// What the keeper does before it forks the broker, and the fork.
fn begin(start: &Start) -> Result<(Made, Option<Pid>), BrokerError> {
    let claim = claim(start)?;
    let tenant = claim.as_ref().map(Claim::tenant);
    let scratch = Scratch::make(&start.policy, Path::new(&start.temporary), tenant)?;
    let (limits, places) = match start.job {
        Job::Workers { places, .. } => (Held::none(), places_of(&start.policy, places)?),
        _ => (Held::make(&start.policy)?, Vec::new()),
    };
    match process::fork() {
        Ok(broker) => {
            let made = Made {
                tenant,
                scratch,
                limits,
                places,
                _claim: claim.filter(|_| broker.is_some()),
            };
            Ok((made, broker))
        }
        Err(errno) => {
            limits.remove();
            places.iter().for_each(Held::remove);
            Err(BrokerError::System("fork the broker", errno))
        }
    }
}

/// The user that the sandbox is to have, if that is one of its own.
fn claim(start: &Start) -> Result<Option<Claim>, TenantError> {
    let is_isolated = |policy: &Policy| policy.identity == IdentityUser::Isolated;
    if is_isolated(&start.policy) {
        return Claim::new().map(Some);
    }
    match start.others.iter().find(|(_, other)| is_isolated(other)) {
        Some((name, _)) => Err(TenantError::Spawn(name.clone())),
        None => Ok(None),
    }
}

/// Makes this process, the broker, the tenant's, who lives in this view.
fn settle(tenant: Tenant, view: Option<&View>) -> Result<(), BrokerError> {
    // Elsewhere a process of it could outlive its sandbox.
    if view.is_none_or(View::has_user_namespace) {
        return Err(TenantError::Level.into());
    }
    let keeper = rustix::process::getppid();
    tenant.take()?;
    // A change of user takes that back.
    die_with_keeper()?;
    if rustix::process::getppid() != keeper {
        return Err(LaunchError::Lost.into());
    }
    Ok(())
}

fn die_with_keeper() -> Result<(), BrokerError> {
    process::prctl(libc::PR_SET_PDEATHSIG, 9)
        .map_err(|errno| BrokerError::System("ask to die with the keeper", errno))
}

/// What holds the limits of so many workers.
fn places_of(policy: &Policy, count: u32) -> Result<Vec<Held>, BrokerError> {
    let refused = |what, why| Err(BrokerError::NotForWorkers { what, why });
    if policy.scratch.is_some() {
        return refused(
            "fs.scratch",
            "each would share it with all that come after; give what is large as input or output of a call",
        );
    }
    if policy.limits.wall.is_some() {
        return refused(
            "limits.wall",
            "they wait for calls; give each call a deadline, and a pool an age",
        );
    }
    let mut places = Vec::new();
    for _ in 0..count {
        match Held::of_worker(policy) {
            Ok(place) => places.push(place),
            Err(error) => {
                places.iter().for_each(Held::remove);
                return Err(error.into());
            }
        }
    }
    Ok(places)
}

/// The broker proper. It comes back only when it failed before it served.
fn serve(
    control: &Control,
    start: Start,
    streams: Streams,
    entries: &'static [Entry],
    made: &Made,
    rising: Rising,
) -> Result<Infallible, BrokerError> {
    let Made {
        tenant,
        scratch,
        limits,
        places,
        ..
    } = made;
    process::name(c"doorward-broker");
    die_with_keeper()?;
    let asked = fronts(start.policy.front, &start.job);
    let policies =
        std::iter::once(&start.policy).chain(start.others.iter().map(|(_, other)| other));
    let request = ViewRequest {
        hull: policies.clone().flat_map(Policy::hull).collect(),
        scratch: scratch.path().map(|path| path.as_os_str().to_owned()),
        tenant: tenant.map(Tenant::number),
        program: canonical(&start.job).map(PathBuf::into_os_string),
    };
    rising.build(&request)?;
    // What can be made ready meanwhile; most places let namespaces be had.
    let domain = confine::domain(policies.clone(), &request.hull, scratch.path())?;
    let confined = |(step, errno)| BrokerError::Confine(step, errno);
    let filter = confine::filter(policies).map_err(confined)?;
    let workers = matches!(start.job, Job::Workers { .. });
    let mut of_workers = None;
    let mut theirs = if workers {
        let filters = WorkerFilters::of(&start.policy, asked)?;
        of_workers = filters.behind;
        filters.filter
    } else {
        launcher::filter(&start.policy, asked, true)?
    };
    let view = rising.finish(&request)?;
    if view.is_none() && !workers {
        theirs = launcher::filter(&start.policy, asked, false)?;
    }
    let environment = block(start.environment, scratch.path().is_some());
    let expendable = limits::Raised::now();
    let landlock = confine::enter(domain)?;
    let namespaces = Namespaces::of(view.as_ref());
    let held = places.first().unwrap_or(limits).facts(namespaces);
    required(&start.policy, held, landlock)?;
    if let Some(tenant) = *tenant {
        settle(tenant, view.as_ref())?;
    }
    let policy = Arc::new(start.policy);
    let mut launching = launch(&Launch {
        policy: &policy,
        filter: &theirs,
        task: task(start.job, entries)?,
        pin: None,
        environment: &environment,
        directory: Path::new(&start.directory),
        streams: &streams.standard,
        terminal: start.terminal,
        view: view.as_ref(),
        asked,
        spawns: asked.spawns() && !workers && starts_programs(&policy),
        others: &start.others,
        limits,
        prepared: false,
        nest: streams.orders.as_ref().map(|orders| Nest {
            orders,
            places,
            behind: of_workers.as_ref(),
        }),
    })?;
    // What the sandboxee closes is not to stay open here.
    drop((streams.standard, streams.orders, view, expendable));
    let programs = launching.spawns.take().map(Programs::new);
    let arrivals = launching.arrivals.take();
    let in_force = Arc::new(InForce::default());
    let services = |policy: Arc<Policy>, spawn| -> Result<Arc<Services>, BrokerError> {
        let program = request.program.as_ref().map(|path| path.as_bytes());
        let program = program.and_then(|name| AbsName::parse(name).ok());
        let in_force = Arc::clone(&in_force);
        let services = Services::within(
            in_force,
            Setup {
                network: policy.has_tcp(),
                policy,
                scratch: scratch.open()?,
                view: namespaces.available,
                map_foreign_ids: namespaces.available && namespaces.user,
                spawn,
            },
        )?;
        Ok(Arc::new(services.with_program(program)))
    };
    let others = start
        .others
        .into_iter()
        .map(|(name, other)| Ok((name, services(Arc::new(other), None)?)))
        .collect::<Result<_, BrokerError>>()?;
    let spawner = |programs: Arc<Programs>| Box::new(programs) as Box<dyn Spawner + Send + Sync>;
    let services = services(Arc::clone(&policy), programs.clone().map(spawner))?;
    let facts = layers::start(&policy, asked.name(), held, *tenant);
    let launched = launching.ready()?;
    let _warns = trace::begin();
    confine::last(&filter).map_err(confined)?;
    // It has a thread of its own, so it comes after the filter.
    let log = Log::new(
        Arc::clone(&policy),
        &audit::session_name(),
        facts,
        streams.audit,
    )
    .naming(Arc::clone(in_force.restrictions()));
    let context = Context {
        services,
        audit: Arc::new(log),
        starting: None,
        rendezvous: asked.trap,
    };
    let served = supervise::Session {
        control,
        context: &context,
        programs,
        others,
        arrivals,
        limits,
    }
    .supervise(launched);
    // What it holds ends with it: giving that back one by one would keep the host waiting.
    process::exit(report(control, served))
}

/// Which fronts a job gets: an entry what its policy says, a command notifications, since its
/// loader opens files by system calls, and with `api` a lane besides, on which it can make its
/// calls trap once it runs. With `trap` that is done for it.
fn fronts(front: Front, job: &Job) -> Asked {
    let asked = |notify, api, trap| Asked {
        notify,
        api,
        trap,
        preload: false,
    };
    match (job, front) {
        (Job::Command { .. }, Front::Trap) => Asked {
            preload: true,
            ..asked(true, true, true)
        },
        (_, Front::Trap) => asked(false, true, true),
        (Job::Command { .. }, Front::Api) => asked(true, true, true),
        (Job::Command { .. }, _) | (_, Front::Notify) => asked(true, false, false),
        (_, Front::Api) => asked(false, true, false),
        (_, Front::Auto) => asked(true, true, false),
    }
}

/// The file that a command's program is.
fn canonical(job: &Job) -> Option<PathBuf> {
    match job {
        Job::Command { program, .. } => std::fs::canonicalize(OsStr::from_bytes(program)).ok(),
        Job::Entry { .. } | Job::Workers { .. } => None,
    }
}

/// Whether a typed spawn could be allowed.
fn starts_programs(policy: &Policy) -> bool {
    !policy.exec_rules().is_empty() || !policy.spawn_rules().is_empty()
}

fn task(job: Job, entries: &'static [Entry]) -> Result<Task, BrokerError> {
    let word = |bytes: Vec<u8>| {
        CString::new(bytes).map_err(|_| BrokerError::System("use a NUL byte", Errno::INVAL))
    };
    Ok(match job {
        Job::Command { program, arguments } => Task::Exec(
            word(program)?,
            arguments.into_iter().map(word).collect::<Result<_, _>>()?,
        ),
        Job::Entry { name, arguments } => Task::Call(
            registered(entries, name)?,
            arguments.into_iter().map(OsString::from_vec).collect(),
        ),
        Job::Workers { name, .. } => Task::Workers(registered(entries, name)?),
    })
}

fn registered(entries: &'static [Entry], name: String) -> Result<Entry, BrokerError> {
    let found = entries.iter().find(|entry| entry.name == name);
    found.copied().ok_or(BrokerError::Entry(name))
}

/// The environment as execve(2) takes it; `TMPDIR` is the scratch directory, as the services
/// name it, and no lane is named but by the launcher.
fn block(environment: Vec<(Vec<u8>, Vec<u8>)>, scratch: bool) -> Vec<CString> {
    let temporary = scratch.then(|| (b"TMPDIR".to_vec(), b"/tmp".to_vec()));
    environment
        .into_iter()
        .filter(|(name, _)| temporary.is_none() || name != b"TMPDIR")
        .filter(|(name, _)| name != LANE.as_bytes())
        .chain(temporary.clone())
        .filter_map(|(name, value)| CString::new([name, b"=".to_vec(), value].concat()).ok())
        .collect()
}

/// Fails closed on what the policy requires and this place lacks.
fn required(policy: &Policy, facts: Facts, landlock: bool) -> Result<(), BrokerError> {
    for layer in &policy.require.layers {
        let held = match layer.as_str() {
            "seccomp" => true,
            "landlock" => landlock,
            "namespaces" | "mount" | "pid" | "ipc" | "uts" | "network" => {
                facts.namespaces.available
            }
            "user" => facts.namespaces.available && facts.namespaces.user,
            "cgroup" => facts.group,
            "rlimits" => true,
            // The lock-down fails where it cannot be had.
            "mdwe" => policy.code != CodeMap::Jit,
            _ => false,
        };
        if !held {
            return Err(BrokerError::Layer(layer.clone()));
        }
    }
    if policy.require.exact_limits
        && let Some(inexact) = limits::inexact(policy, facts)
    {
        return Err(BrokerError::Limit {
            name: inexact.name,
            by: inexact.by,
        });
    }
    Ok(())
}
