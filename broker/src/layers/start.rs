//! What holds in a sandbox that is about to be served: cheap facts, for its first audit
//! record. `doctor` finds more, by trying.

use doorward_policy::{
    Policy,
    policy::{CodeMap, Limits},
};

use super::{Layer, Level};
use crate::{
    audit::{HeldLimit, Start},
    launcher::Namespaces,
    sys::landlock,
};

/// The first record of a sandbox whose launcher has locked itself down: seccomp and
/// Landlock held, or it would not have started.
pub(crate) fn start(policy: &Policy, front: &str, namespaces: Namespaces) -> Start {
    let separate = namespaces.available;
    let within = if namespaces.user {
        "within a user namespace"
    } else {
        "as root"
    };
    let layer = |name: &str, held: bool, found: Option<String>| Layer {
        name: name.to_owned(),
        held,
        found,
        needs: None,
        lost: None,
    };
    let abi = landlock::abi().ok();
    let refuses_code = policy.code != CodeMap::Jit;
    Start {
        policy: policy.name.clone(),
        front: front.to_owned(),
        level: Level::of(namespaces),
        layers: vec![
            layer("seccomp", true, None),
            layer("landlock", true, abi.map(|abi| format!("ABI {abi}"))),
            layer("namespaces", separate, separate.then(|| within.to_owned())),
            layer("view", separate, None),
            layer("network", separate, None),
            layer("mdwe", refuses_code, None),
            layer("cgroup", false, None),
        ],
        limits: limits(&policy.limits),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn limits(limits: &Limits) -> Vec<HeldLimit> {
    let all = [
        (
            limits.memory.is_some(),
            "memory",
            "RLIMIT_AS, each process",
            false,
        ),
        (
            limits.cpu.is_some(),
            "cpu",
            "RLIMIT_CPU, each process",
            false,
        ),
        (limits.cpu_share.is_some(), "cpu_share", "nothing", false),
        (limits.wall.is_some(), "wall", "the host's clock", true),
        (
            limits.processes.is_some(),
            "processes",
            "RLIMIT_NPROC, all of the user; none as root",
            false,
        ),
        (
            limits.open_files.is_some(),
            "open_files",
            "RLIMIT_NOFILE",
            true,
        ),
        (
            limits.file_size.is_some(),
            "file_size",
            "RLIMIT_FSIZE",
            true,
        ),
        (limits.output.is_some(), "output", "nothing", false),
        (
            limits.requests_per_second.is_some(),
            "requests_per_second",
            "nothing",
            false,
        ),
    ];
    all.into_iter()
        .filter(|(asked, ..)| *asked)
        .map(|(_, name, by, exact)| HeldLimit {
            name: name.to_owned(),
            by: by.to_owned(),
            exact,
        })
        .collect()
}
