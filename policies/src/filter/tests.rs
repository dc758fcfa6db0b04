//! The program against an independent statement of what it means.

mod meaning;
pub(super) mod needed;
mod network;
mod proof;
mod trap;

use super::*;
use crate::{Policy, policy};

fn plain() -> Policy {
    let expansion = crate::Expansion {
        cwd: None,
        home: None,
        uid: 0,
    };
    Policy::parse(
        "version = 1\nname = \"filter\"\n",
        "filter",
        std::path::Path::new("/"),
        &expansion,
    )
    .unwrap()
    .policy
}

fn filter(policy: &Policy, arch: Arch, notify: bool) -> Filter {
    let request = FilterRequest {
        policy,
        arch,
        notify,
        trap: false,
        network_namespace: true,
        processes: true,
        zygote: false,
    };
    Filter::assemble(&request).unwrap()
}

fn ask(filter: &Filter, name: &str, arguments: [u64; 6]) -> Action {
    let number = filter
        .arch()
        .number(name)
        .unwrap_or_else(|| panic!("{name}"));
    filter.evaluate(&CallData {
        number,
        arch: filter.arch().audit(),
        pointer: 0,
        arguments,
    })
}

#[test]
fn every_number_means_what_the_groups_say() {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let filter = filter(&plain(), arch, true);
        assert!(filter.instructions().len() <= 4096);
        for number in 0..700 {
            let data = CallData {
                number,
                arch: arch.audit(),
                pointer: 0,
                arguments: [0; 6],
            };
            let action = filter.evaluate(&data);
            let Some(name) = arch.name(number) else {
                assert_eq!(action, Action::Errno(38), "{arch:?} {number}");
                continue;
            };
            let allowed = crate::groups::ALLOWED
                .iter()
                .any(|(_, names)| names.contains(&name));
            let tabled = doorward_protocol::operation::TABLE
                .iter()
                .flat_map(|row| row.calls)
                .any(|call| call.name == name);
            if allowed {
                assert_eq!(action, Action::Allow, "{arch:?} {name}");
            } else if tabled && !["fcntl", "socket"].contains(&name) {
                assert_eq!(action, Action::Notify, "{arch:?} {name}");
            } else if crate::groups::DEADLY.contains(&name) {
                assert_eq!(action, Action::Kill, "{arch:?} {name}");
            } else if ![
                "clone",
                "memfd_create",
                "fcntl",
                "prlimit64",
                "personality",
                "socket",
                "sendto",
                "sendmsg",
                "sendmmsg",
            ]
            .contains(&name)
            {
                assert!(
                    matches!(action, Action::Errno(errno) if errno > 0),
                    "{arch:?} {name} {action:?}"
                );
            }
        }
    }
}

#[test]
fn foreign_architectures_die_and_x32_numbers_are_unknown() {
    let filter = filter(&plain(), Arch::X86_64, true);
    let mut data = CallData {
        number: 0,
        arch: 0x4000_0003,
        pointer: 0,
        arguments: [0; 6],
    };
    assert_eq!(filter.evaluate(&data), Action::Kill);
    data.arch = Arch::X86_64.audit();
    assert_eq!(filter.evaluate(&data), Action::Allow);
    for number in [X32_READ, u32::MAX] {
        data.number = number;
        assert_eq!(filter.evaluate(&data), Action::Errno(38));
    }
}

const X32_READ: u32 = 0x4000_0000;

#[test]
fn arguments_are_compared_by_the_bits_the_kernel_looks_at() {
    let filter = filter(&plain(), Arch::X86_64, true);
    let high = 1_u64 << 32;
    // An int: the upper half does not count.
    assert_eq!(
        ask(&filter, "ioctl", [0, 0x5413 | high, 0, 0, 0, 0]),
        Action::Allow
    );
    assert_eq!(
        ask(&filter, "ioctl", [0, 0x5412 | high, 0, 0, 0, 0]),
        Action::Errno(25)
    );
    assert_eq!(
        ask(&filter, "fcntl", [0, 6 | high, 0, 0, 0, 0]),
        Action::Notify
    );
    assert_eq!(
        ask(&filter, "fcntl", [0, 8 | high, 0, 0, 0, 0]),
        Action::Errno(1)
    );
    // A pointer: it does.
    assert_eq!(
        ask(&filter, "socket", [1, 1 | 0x80000, 0, 0, 0, 0]),
        Action::Allow
    );
    assert_eq!(
        ask(&filter, "socket", [1, 2, 0, 0, 0, 0]),
        Action::Errno(97)
    );
    assert_eq!(
        ask(&filter, "socket", [40, 1, 0, 0, 0, 0]),
        Action::Errno(97)
    );
    assert_eq!(
        ask(&filter, "socketpair", [1, 2, 0, 0, 0, 0]),
        Action::Errno(97)
    );
    assert_eq!(
        ask(&filter, "clone", [0x1200011, 0, 0, 0, 0, 0]),
        Action::Allow
    );
    assert_eq!(
        ask(&filter, "clone", [0x1000_0011, 0, 0, 0, 0, 0]),
        Action::Errno(1)
    );
    // Nor is a child of the sandboxee given to its init.
    assert_eq!(
        ask(&filter, "clone", [0x8011, 0, 0, 0, 0, 0]),
        Action::Errno(1)
    );
    assert_eq!(
        ask(&filter, "sendto", [0, 0, 0, 0x2000_0000, 0, 0]),
        Action::Errno(1)
    );
    assert_eq!(
        ask(&filter, "sendmsg", [0, 0, 0x2000_0000 | high, 0, 0, 0]),
        Action::Errno(1)
    );
    // The path may not be empty whatever the flag says, and a granted directory leads out.
    for flags in [0, 0x1000, 0x1100] {
        assert_eq!(
            ask(&filter, "newfstatat", [0, 0, 0, flags, 0, 0]),
            Action::Notify
        );
    }
    assert_eq!(ask(&filter, "prctl", [4, 0, 0, 0, 0, 0]), Action::Errno(0));
    assert_eq!(ask(&filter, "prctl", [22, 2, 0, 0, 0, 0]), Action::Errno(1));
}

#[test]
fn a_memory_file_never_becomes_executable() {
    let policy = plain();
    let of = |network_namespace| {
        Filter::assemble(&FilterRequest {
            policy: &policy,
            arch: Arch::X86_64,
            notify: true,
            trap: false,
            network_namespace,
            processes: true,
            zygote: false,
        })
        .unwrap()
    };
    let sealed = [0, 9, 0, 0, 0, 0];
    let open = [0, 1, 0, 0, 0, 0];
    for built in [of(true), of(false)] {
        assert_eq!(ask(&built, "memfd_create", open), Action::Errno(13));
        assert_eq!(ask(&built, "memfd_create", sealed), Action::Allow);
    }
}

#[test]
fn the_policy_opens_and_closes_calls_but_not_the_hard_ones() {
    let mut policy = plain();
    policy.system_calls = policy::SystemCalls {
        allow: vec!["mbind".into()],
        errno: [("getrandom".to_owned(), 5)].into(),
    };
    let built = filter(&policy, Arch::X86_64, true);
    assert_eq!(ask(&built, "mbind", [0; 6]), Action::Allow);
    assert_eq!(ask(&built, "getrandom", [0; 6]), Action::Errno(5));
    for name in [
        "ptrace",
        "openat",
        "io_uring_setup",
        "socket",
        "sendmsg",
        "setsockopt",
    ] {
        policy.system_calls.allow = vec![name.into()];
        let request = FilterRequest {
            policy: &policy,
            arch: Arch::X86_64,
            notify: true,
            trap: false,
            network_namespace: true,
            processes: true,
            zygote: false,
        };
        assert!(
            matches!(Filter::assemble(&request), Err(FilterError::Forbidden(_))),
            "{name}"
        );
    }
    policy.system_calls.allow = vec!["opne".into()];
    let request = FilterRequest {
        policy: &policy,
        arch: Arch::X86_64,
        notify: true,
        trap: false,
        network_namespace: true,
        processes: true,
        zygote: false,
    };
    assert!(matches!(
        Filter::assemble(&request),
        Err(FilterError::Unknown(_))
    ));
}

#[test]
fn what_a_policy_opens_is_open_whatever_its_arguments() {
    let mut policy = plain();
    let calls = ["prlimit64", "ioctl", "prctl", "getsockopt", "personality"];
    policy.system_calls.allow = calls.map(str::to_owned).to_vec();
    let built = filter(&policy, Arch::X86_64, true);
    for name in calls {
        assert_eq!(ask(&built, name, [77; 6]), Action::Allow, "{name}");
    }
}

#[test]
fn without_notification_every_brokered_call_is_refused() {
    let filter = filter(&plain(), Arch::X86_64, false);
    for name in ["open", "openat", "execve", "connect", "chdir", "stat"] {
        assert_eq!(ask(&filter, name, [0; 6]), Action::Errno(13), "{name}");
    }
    assert_eq!(
        ask(&filter, "socket", [1, 1, 0, 0, 0, 0]),
        Action::Errno(97)
    );
    assert_eq!(ask(&filter, "fcntl", [0, 6, 0, 0, 0, 0]), Action::Errno(1));
}

/// prctl(2) by its options (include/uapi/linux/prctl.h).
#[test]
fn only_harmless_settings_of_a_process_are_allowed() {
    // Dying with the parent, dumpable, keeping capabilities over identities, name, securebits
    // and bounding set looked at, timer slack, subreaper, no_new_privs, addresses of threads,
    // huge pages, speculation looked at, write-or-execute, names of memory.
    let harmless = [
        1,
        2,
        3,
        4,
        7,
        8,
        15,
        16,
        21,
        23,
        27,
        29,
        30,
        36,
        37,
        38,
        39,
        40,
        41,
        42,
        52,
        65,
        66,
        0x5356_4d41,
    ];
    for notify in [true, false] {
        let filter = filter(&plain(), Arch::X86_64, notify);
        for option in (0..=128).chain([0x5356_4d41, 0x5961_6d61]) {
            let action = ask(&filter, "prctl", [option, 1, 0, 0, 0, 0]);
            let open = matches!(action, Action::Allow | Action::Errno(0));
            assert_eq!(open, harmless.contains(&option), "{option}: {action:?}");
        }
    }
}

/// What a sandboxee may ask the kernel without anybody looking, counted: it may only become less.
#[test]
fn no_more_calls_are_open_than_recorded() {
    const RECORDED: usize = 191;
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let filter = filter(&plain(), arch, true);
        let open = (0..1024_u32)
            .filter(|number| {
                let call = |arguments| CallData {
                    number: *number,
                    arch: arch.audit(),
                    pointer: 0,
                    arguments,
                };
                [[0; 6], [u64::MAX; 6]]
                    .iter()
                    .all(|arguments| filter.evaluate(&call(*arguments)) == Action::Allow)
            })
            .count();
        println!("{arch:?}: {open} calls are open whatever their arguments");
        assert!(
            open <= RECORDED,
            "{arch:?}: {open} calls are open, {RECORDED} were"
        );
    }
}

/// By a segment of shared memory code could be written under one address and run under another;
/// without namespaces the segments are those of the host.
#[test]
fn shared_memory_is_never_executable_and_never_the_host_s() {
    const SHM_EXEC: u64 = 0o100_000;
    for code in ["files", "never", "jit"] {
        let mut policy = plain();
        policy.code = match code {
            "files" => policy::CodeMap::Files,
            "never" => policy::CodeMap::Never,
            _ => policy::CodeMap::Jit,
        };
        for network_namespace in [true, false] {
            let filter = Filter::assemble(&FilterRequest {
                policy: &policy,
                arch: Arch::X86_64,
                notify: true,
                trap: false,
                network_namespace,
                processes: true,
                zygote: false,
            })
            .unwrap();
            let plainly = ask(&filter, "shmat", [0, 0, 0, 0, 0, 0]);
            let executable = ask(&filter, "shmat", [0, 0, SHM_EXEC, 0, 0, 0]);
            assert_eq!(plainly == Action::Allow, network_namespace, "{code}");
            let open = network_namespace && code == "jit";
            assert_eq!(executable == Action::Allow, open, "{code}");
        }
    }
}
