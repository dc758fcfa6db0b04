//! How each limit of a policy is held.

use doorward_policy::policy::Limits;

use crate::audit::HeldLimit;

/// Each key of `[limits]`, its mechanism, and whether it is exact.
const TABLE: [(&str, &str, bool); 9] = [
    ("memory", "RLIMIT_AS, each process", false),
    ("cpu", "RLIMIT_CPU, each process", false),
    ("cpu_share", "nothing", false),
    ("wall", "the host's clock", true),
    (
        "processes",
        "RLIMIT_NPROC, all of the user; none as root",
        false,
    ),
    ("open_files", "RLIMIT_NOFILE, each process", true),
    ("file_size", "RLIMIT_FSIZE", true),
    ("output", "nothing", false),
    ("requests_per_second", "nothing", false),
];

/// How all of them would be held.
pub(super) fn all() -> Vec<HeldLimit> {
    TABLE
        .iter()
        .map(|&(name, by, exact)| HeldLimit {
            name: name.to_owned(),
            by: by.to_owned(),
            exact,
        })
        .collect()
}

/// How those that a policy sets are held.
pub(super) fn of(limits: &Limits) -> Vec<HeldLimit> {
    let set = [
        ("memory", limits.memory.is_some()),
        ("cpu", limits.cpu.is_some()),
        ("cpu_share", limits.cpu_share.is_some()),
        ("wall", limits.wall.is_some()),
        ("processes", limits.processes.is_some()),
        ("open_files", limits.open_files.is_some()),
        ("file_size", limits.file_size.is_some()),
        ("output", limits.output.is_some()),
        ("requests_per_second", limits.requests_per_second.is_some()),
    ];
    let mut held = all();
    held.retain(|limit| set.contains(&(limit.name.as_str(), true)));
    held
}
