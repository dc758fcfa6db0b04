//! What can be had here, found by trying each layer in a child of its own.

use nix::sched::CloneFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{Layer, Level, fence, filter, namespace, reach, trial};
use crate::{
    audit::HeldLimit,
    launcher::Namespaces,
    limits::{self, Facts},
    sys::landlock,
    tenant,
};

/// What `doorward doctor` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// doorward's version.
    pub version: String,
    /// The kernel's release and machine.
    pub kernel: String,
    /// Who doorward runs as.
    pub level: Level,
    /// Whether programs can be run here at all.
    pub usable: bool,
    /// Each layer.
    pub layers: Vec<Layer>,
    /// How each limit of a policy would be held.
    pub limits: Vec<HeldLimit>,
}

/// How a layer is tried, what it needs where it is missing, and what is lost then.
struct Row {
    name: &'static str,
    /// Nothing runs without it.
    essential: bool,
    attempt: fn(bool) -> Result<(), Errno>,
    needs: &'static str,
    lost: &'static str,
}

const NAMESPACES: &str = "CAP_SYS_ADMIN, or user namespaces: see user.max_user_namespaces, \
    kernel.unprivileged_userns_clone, AppArmor's and the container's rules";

const fn of_kind(
    name: &'static str,
    attempt: fn(bool) -> Result<(), Errno>,
    lost: &'static str,
) -> Row {
    Row {
        name,
        essential: false,
        attempt,
        needs: NAMESPACES,
        lost,
    }
}

const ROWS: [Row; 19] = [
    Row {
        name: "seccomp",
        essential: true,
        attempt: |_| filter::filter(),
        needs: "a kernel with CONFIG_SECCOMP_FILTER",
        lost: "nothing can be run",
    },
    Row {
        name: "notification",
        essential: true,
        attempt: |_| filter::notification(),
        needs: "Linux 5.19, and no outer filter that has a listener of its own",
        lost: "unmodified programs cannot be run; programs written for the api front can",
    },
    Row {
        name: "landlock",
        essential: true,
        attempt: |_| fence::landlock(),
        needs: "Linux 6.2 with `landlock` in the lsm= list of the kernel's command line",
        lost: "nothing can be run: it fences exec and is the second layer for files and network",
    },
    Row {
        name: "user",
        essential: false,
        attempt: |_| namespace::user(),
        needs: "user.max_user_namespaces above 0, and whatever kernel.unprivileged_userns_clone, \
            AppArmor or the container says to allow it",
        lost: "for an ordinary user: all other namespaces and the view",
    },
    of_kind(
        "mount",
        |within| namespace::kind(CloneFlags::CLONE_NEWNS, within),
        "the view: the working directory and exec resolve in the machine's own tree",
    ),
    of_kind(
        "pid",
        |within| namespace::kind(CloneFlags::CLONE_NEWPID, within),
        "killing the whole tree is best effort: a process that detached itself in time lives on",
    ),
    of_kind(
        "ipc",
        |within| namespace::kind(CloneFlags::CLONE_NEWIPC, within),
        "System V and POSIX queues are held off by the filter alone",
    ),
    of_kind(
        "uts",
        |within| namespace::kind(CloneFlags::CLONE_NEWUTS, within),
        "nothing: the filter refuses to set the host's name",
    ),
    of_kind(
        "network",
        |within| namespace::kind(CloneFlags::CLONE_NEWNET, within),
        "sockets other than brokered ones are refused instead of leading nowhere",
    ),
    of_kind(
        "cgroup-namespace",
        |within| namespace::kind(CloneFlags::CLONE_NEWCGROUP, within),
        "the names of control groups can be read where a rule names them",
    ),
    of_kind(
        "view",
        namespace::view,
        "one of the two fences of exec, and quiet answers about directories outside the rules",
    ),
    Row {
        name: "process-memory",
        essential: true,
        attempt: |_| reach::memory(),
        needs: "process_vm_readv of children: an outer filter or kernel.yama.ptrace_scope refuses it",
        lost: "unmodified programs cannot be run; programs written for the api front can",
    },
    Row {
        name: "process-descriptors",
        essential: false,
        attempt: |_| reach::descriptor(),
        needs: "Linux 5.6, and no outer filter that refuses pidfd_getfd",
        lost: "fchmod, locks, inotify and connect on a program's own descriptors are refused",
    },
    Row {
        name: "thread-descriptors",
        essential: false,
        attempt: |_| reach::thread(),
        needs: "Linux 6.9",
        lost: "descriptors of a thread that has a table of its own are not found",
    },
    Row {
        name: "openat2",
        essential: true,
        attempt: |_| reach::resolution(),
        needs: "Linux 5.6, and no outer filter that refuses openat2",
        lost: "nothing can be run: paths could not be resolved safely",
    },
    Row {
        name: "statmount",
        essential: false,
        attempt: |_| reach::mounts(),
        needs: "Linux 6.8",
        lost: "the file system's own statfs is asked, which a silent FUSE server can delay",
    },
    Row {
        name: "passrights",
        essential: false,
        attempt: |_| reach::refusal(),
        needs: "Linux 6.16",
        lost: "descriptors sent to the broker unasked are received and closed",
    },
    Row {
        name: "mdwe",
        essential: false,
        attempt: |_| fence::memory(),
        needs: "Linux 6.3",
        lost: "a program may make memory executable that it has written",
    },
    Row {
        name: "identity",
        essential: false,
        attempt: tenant::attempt,
        needs: "root that may make namespaces, has CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, \
            CAP_SETGID, CAP_SETPCAP and CAP_SETUID, and keeps /run/doorward to itself",
        lost: "a kernel user for each sandbox: `identity.user = \"isolated\"` is refused",
    },
];

/// Tries everything. To be called while the process has one thread; it takes some tens of
/// milliseconds.
#[must_use]
pub fn diagnose() -> Diagnosis {
    let namespaces = Namespaces::probe();
    let within = namespaces.user;
    let mut usable = true;
    let mut layers: Vec<Layer> = ROWS
        .iter()
        .map(|row| {
            let tried = trial::attempt(|| (row.attempt)(within));
            usable &= tried.is_ok() || !row.essential;
            layer(row, tried)
        })
        .collect();
    let facts = Facts::probe(namespaces);
    let limits = limits::exact(facts);
    layers.push(groups(facts, &limits));
    let system = rustix::system::uname();
    Diagnosis {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: format!(
            "{} {}",
            system.release().to_string_lossy(),
            system.machine().to_string_lossy()
        ),
        level: Level::of(namespaces),
        usable,
        layers,
        limits,
    }
}

fn layer(row: &Row, tried: Result<(), Errno>) -> Layer {
    let missing = tried.is_err();
    let found = match (row.name, tried) {
        (_, Err(errno)) => Some(errno.to_string()),
        ("landlock", Ok(())) => landlock::abi().ok().map(scopes),
        _ => None,
    };
    let told = |text: &str| missing.then(|| text.to_owned());
    Layer {
        name: row.name.to_owned(),
        held: !missing,
        found,
        needs: told(row.needs),
        lost: told(row.lost),
    }
}

/// Control groups, by what could be made of them.
fn groups(facts: Facts, limits: &[HeldLimit]) -> Layer {
    let held: Vec<&str> = limits
        .iter()
        .filter(|limit| limit.by.starts_with("cgroup"))
        .map(|limit| limit.name.as_str())
        .collect();
    let needs = "control groups that this user may make below the one it is in: root, or a \
        delegated group such as `systemd-run --user --scope -p Delegate=yes` gives";
    let lost = "limits on memory, processes and processor time are held for each process alone";
    let told = |text: &str| (!facts.group).then(|| text.to_owned());
    Layer {
        name: "cgroup".to_owned(),
        held: facts.group,
        found: facts.group.then(|| match held.as_slice() {
            [] => "no controller that a limit needs".to_owned(),
            held => format!("holds {}", held.join(", ")),
        }),
        needs: told(needs),
        lost: told(lost),
    }
}

/// What an ABI of Landlock holds.
fn scopes(abi: u32) -> String {
    let network = if abi >= 4 {
        "TCP"
    } else {
        "no TCP (Linux 6.7)"
    };
    let scopes = if abi >= 6 {
        "signals and abstract sockets scoped"
    } else {
        "signals and abstract sockets not scoped (Linux 6.12)"
    };
    format!("ABI {abi}: files, {network}, {scopes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Root of a machine of the CI has everything that the design calls essential.
    #[test]
    fn what_is_essential_is_found_here() {
        let found = diagnose();
        assert!(found.usable, "{found:#?}");
        assert_eq!(found.layers.len(), ROWS.len() + 1);
        for layer in &found.layers {
            let (needs, lost) = (layer.needs.is_some(), layer.lost.is_some());
            assert_eq!((needs, lost), (!layer.held, !layer.held), "{layer:?}");
        }
        let travelled = serde_json::to_vec(&found).unwrap();
        assert_eq!(found, serde_json::from_slice(&travelled).unwrap());
    }

    #[test]
    fn a_refusal_is_found_and_says_what_it_needs() {
        let refused = layer(&ROWS[3], Err(Errno::NOSPC));
        assert!(!refused.held && refused.needs.is_some() && refused.lost.is_some());
        assert!(scopes(3).contains("6.7") && !scopes(7).contains("6.12"));
    }
}
