//! The limits of one sandbox: what holds each, whether exactly, and which one ended it.
//!
//! A limit is held by the kernel where that can be had: a control group for memory,
//! processes, processor time and share, a resource limit for descriptors and file sizes.
//! The launcher's child makes itself a member before it is locked down; nothing that a
//! sandboxee writes is read here. docs/POLICY.md has the table.

mod group;
mod hierarchy;
mod janitor;
pub(crate) mod label;
mod pace;
mod rlimit;
mod score;
mod scratch;
mod table;
mod usage;
mod watch;

use std::os::fd::BorrowedFd;

use caps::{CapSet, Capability};
use doorward_policy::{
    Policy,
    policy::{IdentityUser, Limits},
};
use rustix::{fs::FileType, io::Errno};

pub(crate) use pace::Pace;
pub(crate) use score::Raised;
pub(crate) use scratch::Budget;
pub(crate) use table::{Facts, exact, inexact, of};
pub use usage::Usage;
pub(crate) use usage::Waited;
pub(crate) use watch::Watch;
pub use watch::{Broken, Limit};

use crate::launcher::Namespaces;
use group::{Group, Wanted};

/// Why the limits of a sandbox could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitError {
    /// No name for a control group could be had.
    #[error("cannot name a control group; mount procfs on /proc")]
    Name(#[source] Errno),
}

/// What holds the limits of one sandbox. The keeper makes it and removes its control group;
/// broker and launcher have copies, by fork.
#[derive(Debug)]
pub(crate) struct Held {
    limits: Limits,
    /// Bytes of a scratch directory that is the only place for files.
    only_scratch: Option<u64>,
    group: Option<Group>,
    processors: u32,
    /// Whether the sandbox has a kernel user of its own.
    isolated: bool,
}

impl Held {
    /// Makes what can be had, before this process or a child of it is confined.
    pub(crate) fn make(policy: &Policy) -> Result<Self, LimitError> {
        let limits = policy.limits;
        let required = policy.require.layers.iter().any(|one| one == "cgroup");
        // With that capability there is a pid namespace, whose end is the end of everything in it.
        let separate = caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN);
        let group = Group::make(Wanted {
            memory: limits.memory,
            processes: limits.processes,
            cpu_share: limits.cpu_share,
            cpu: limits.cpu.is_some(),
            kill: required || !separate.unwrap_or(false),
        })
        .map_err(LimitError::Name)?;
        // Asked only where it counts, since that reads control groups.
        let processors = limits.cpu.map_or(1, |_| {
            std::thread::available_parallelism().map_or(1, usize::from)
        });
        Ok(Self {
            limits,
            only_scratch: policy.scratch.filter(|_| writes_nowhere_else(policy)),
            group,
            processors: u32::try_from(processors).unwrap_or(1),
            isolated: policy.identity == IdentityUser::Isolated,
        })
    }

    /// What holds the limits of one worker at a time. Its processor time is a resource limit,
    /// since a group would count that of those before it too; its wall-clock time is its host's.
    pub(crate) fn of_worker(policy: &Policy) -> Result<Self, LimitError> {
        let limits = policy.limits;
        let group = Group::make(Wanted {
            memory: limits.memory,
            processes: limits.processes,
            cpu_share: limits.cpu_share,
            ..Wanted::default()
        });
        Ok(Self {
            limits,
            only_scratch: None,
            group: group.map_err(LimitError::Name)?,
            processors: 1,
            isolated: policy.identity == IdentityUser::Isolated,
        })
    }

    /// Of what has no limits of its own: the zygote, whose workers have them.
    pub(crate) fn none() -> Self {
        Self {
            limits: Limits::default(),
            only_scratch: None,
            group: None,
            processors: 1,
            isolated: false,
        }
    }

    /// What holds, beside these namespaces.
    pub(crate) fn facts(&self, namespaces: Namespaces) -> Facts {
        Facts::of(self.group.as_ref(), namespaces, self.isolated)
    }

    /// Makes the calling process, which becomes the sandboxee, a member of the group.
    pub(crate) fn join(&self) -> Result<(), Errno> {
        self.group.as_ref().map_or(Ok(()), Group::join)
    }

    /// The descriptors that [`Held::join`] needs.
    pub(crate) fn entrances(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.group.iter().flat_map(Group::entrances)
    }

    /// Sets the resource limits of the calling process and all that it will start.
    pub(crate) fn restrict(&self, namespaces: Namespaces) -> Result<(), Errno> {
        let mut limits = self.limits;
        if let Some(most) = self.only_scratch.filter(|_| !streams_are_files()) {
            limits.file_size = Some(limits.file_size.map_or(most, |size| size.min(most)));
        }
        rlimit::set(&limits, self.facts(namespaces))
    }

    /// Begins to watch; the clock of `limits.wall` starts now.
    pub(crate) fn watch<'a>(&'a self, scratch: Option<&'a Budget>) -> Watch<'a> {
        Watch::new(
            &self.limits,
            self.only_scratch,
            self.group.as_ref(),
            scratch,
            self.processors,
        )
    }

    /// Kills all members of the group at once, where the kernel can.
    pub(crate) fn kill(&self) {
        if let Some(group) = &self.group {
            group.kill();
        }
    }

    /// Removes the group.
    pub(crate) fn remove(&self) {
        if let Some(group) = &self.group {
            janitor::remove(group);
        }
    }
}

/// Whether the scratch directory is the only place where files can grow.
fn writes_nowhere_else(policy: &Policy) -> bool {
    let device = |name: &[u8]| name.starts_with(b"/dev/");
    let mut hull = policy.hull().into_iter();
    policy.spawn_rules().is_empty() && hull.all(|root| !root.writes || device(root.name.as_bytes()))
}

/// Whether a standard stream is a file, which may be larger than what the policy is about.
fn streams_are_files() -> bool {
    let is_file = |stream: BorrowedFd<'_>| {
        rustix::fs::fstat(stream)
            .is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::RegularFile)
    };
    let streams = [
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
    ];
    streams.into_iter().any(is_file)
}
