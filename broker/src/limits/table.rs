//! Which mechanism holds which limit here, and whether exactly.

use doorward_policy::Policy;

use super::{
    group::{Controllers, Group, Version, Wanted},
    janitor,
};
use crate::{audit::HeldLimit, launcher::Namespaces};

/// The name of that row.
const SCRATCH: &str = "fs.scratch";

/// What was found out by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether there is a control group.
    pub(crate) group: bool,
    /// What it holds.
    pub(crate) controllers: Controllers,
    /// Which namespaces there are.
    pub(crate) namespaces: Namespaces,
    /// Whether its user is root.
    pub(crate) root: bool,
    /// Whether its user is its own.
    pub(crate) isolated: bool,
}

impl Facts {
    /// Of a group and namespaces that were made or not.
    pub(super) fn of(group: Option<&Group>, namespaces: Namespaces, isolated: bool) -> Self {
        Self {
            group: group.is_some(),
            controllers: group.map(Group::held).unwrap_or_default(),
            namespaces,
            root: !isolated && rustix::process::geteuid().is_root(),
            isolated,
        }
    }

    /// Tries it: makes a control group with everything that a limit may need, and removes it.
    pub(crate) fn probe(namespaces: Namespaces) -> Self {
        let wanted = Wanted {
            memory: Some(1 << 30),
            processes: Some(64),
            cpu_share: Some(100),
            cpu: true,
            kill: true,
        };
        let group = Group::make(wanted).ok().flatten();
        let facts = Self::of(group.as_ref(), namespaces, false);
        if let Some(group) = group {
            janitor::remove(&group);
        }
        facts
    }

    /// Whether the kernel counts the processes of this sandbox alone against RLIMIT_NPROC:
    /// it counts a user's in each user namespace, and never holds root to it.
    pub(super) fn counts_processes(&self) -> bool {
        self.namespaces.available && self.namespaces.user && !self.root
    }
}

/// How each limit is held under these facts.
pub(crate) fn exact(facts: Facts) -> Vec<HeldLimit> {
    let held = facts.controllers;
    let group = |version, v1, v2, otherwise: (&'static str, bool)| match version {
        Some(Version::V1) => (v1, true),
        Some(Version::V2) => (v2, true),
        None => otherwise,
    };
    let counted = if facts.counts_processes() {
        ("RLIMIT_NPROC in a user namespace of its own", true)
    } else if facts.isolated {
        (
            "RLIMIT_NPROC of its own user, beside its broker's threads",
            false,
        )
    } else if facts.root {
        ("nothing: RLIMIT_NPROC does not hold root", false)
    } else {
        ("RLIMIT_NPROC, all of the user", false)
    };
    let memory = group(
        held.memory,
        "cgroup v1 memory.limit_in_bytes",
        "cgroup v2 memory.max",
        ("RLIMIT_AS, each process", false),
    );
    let cpu = group(
        held.cpu,
        "cgroup v1 cpuacct.usage, watched",
        "cgroup v2 cpu.stat, watched",
        ("RLIMIT_CPU, each process", false),
    );
    let share = group(
        held.cpu_share,
        "cgroup v1 cpu.cfs_quota_us",
        "cgroup v2 cpu.max",
        ("nothing", false),
    );
    let processes = group(
        held.processes,
        "cgroup v1 pids.max",
        "cgroup v2 pids.max",
        counted,
    );
    [
        ("memory", memory),
        ("cpu", cpu),
        ("cpu_share", share),
        ("wall", ("the broker's clock", true)),
        ("processes", processes),
        ("open_files", ("RLIMIT_NOFILE, each process", true)),
        ("file_size", ("RLIMIT_FSIZE", true)),
        ("output", ("the host's count of what it relays", true)),
        (SCRATCH, ("the broker's count", false)),
        ("requests_per_second", ("the broker's own count", true)),
    ]
    .map(|(name, (by, exact))| HeldLimit {
        name: name.to_owned(),
        by: by.to_owned(),
        exact,
    })
    .into()
}

/// The first that a policy sets and that is not held exactly. `fs.scratch` never is, and is
/// no key of `[limits]`.
pub(crate) fn inexact(policy: &Policy, facts: Facts) -> Option<HeldLimit> {
    of(policy, facts)
        .into_iter()
        .find(|limit| !limit.exact && limit.name != SCRATCH)
}

/// How those that a policy sets are held.
pub(crate) fn of(policy: &Policy, facts: Facts) -> Vec<HeldLimit> {
    let limits = &policy.limits;
    let set = [
        ("memory", limits.memory.is_some()),
        ("cpu", limits.cpu.is_some()),
        ("cpu_share", limits.cpu_share.is_some()),
        ("wall", limits.wall.is_some()),
        ("processes", limits.processes.is_some()),
        ("open_files", limits.open_files.is_some()),
        ("file_size", limits.file_size.is_some()),
        ("output", limits.output.is_some()),
        (SCRATCH, policy.scratch.is_some()),
        ("requests_per_second", limits.requests_per_second.is_some()),
    ];
    let mut held = exact(facts);
    held.retain(|limit| set.contains(&(limit.name.as_str(), true)));
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(root: bool, available: bool, version: Option<Version>) -> Facts {
        Facts {
            group: version.is_some(),
            controllers: Controllers {
                memory: version,
                processes: version,
                cpu_share: version,
                cpu: version,
                kill: version,
            },
            namespaces: Namespaces {
                available,
                user: !root,
            },
            root,
            isolated: false,
        }
    }

    fn is_exact(facts: Facts, limit: &str) -> bool {
        exact(facts)
            .iter()
            .any(|row| row.name == limit && row.exact)
    }

    #[test]
    fn levels_differ() {
        for version in [Version::V1, Version::V2] {
            let all = facts(true, true, Some(version));
            for limit in ["memory", "processes", "cpu", "cpu_share", "wall"] {
                assert!(is_exact(all, limit), "{limit}");
            }
        }
        let user = facts(false, true, None);
        assert!(is_exact(user, "processes") && is_exact(user, "wall"));
        assert!(!is_exact(user, "memory") && !is_exact(user, "cpu_share"));
        assert!(!is_exact(facts(false, false, None), "processes"));
        assert!(!is_exact(facts(true, true, None), "processes"));
        let isolated = Facts {
            root: false,
            isolated: true,
            ..facts(true, true, None)
        };
        assert!(!is_exact(isolated, "processes"));
    }
}
