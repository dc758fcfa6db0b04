//! Program and meaning, for every policy that ships and more, call by call.

use super::*;
use crate::{Expansion, profile};

/// One policy with every section that a filter depends on, beside the ones that ship.
const SECTIONS: &str = "version = 1
name = \"sections\"
[fs]
read = [\"/usr/**\"]
scratch = \"1MiB\"
[exec]
allow = [\"/usr/bin/**\"]
[net]
connect = [\"tcp:192.0.2.1:80\"]
unix = [\"/run/service\"]
[env]
pass = [\"PATH\"]
[limits]
processes = 3
[code]
map = \"never\"
[syscalls]
allow = [
    { name = \"mbind\", reason = \"tried\" },
    { name = \"prctl\", reason = \"tried\" },
    { name = \"shmget\", reason = \"tried\" },
]
errno = { getrandom = \"EIO\", socketpair = \"EPERM\", openat = \"EROFS\", bpf = \"ENOSYS\" }
";

pub(super) fn policies() -> Vec<(String, Policy)> {
    let expansion = Expansion {
        cwd: Some("/srv/work".into()),
        home: Some("/home/u".into()),
        uid: 1000,
    };
    let parsed = |name: &str, text: &str| {
        let here = std::path::Path::new("/");
        let loaded = Policy::parse(text, name, here, &expansion);
        let policy = loaded.unwrap_or_else(|errors| panic!("{errors}")).policy;
        (name.to_owned(), policy)
    };
    let shipped = profile::names().map(|name| {
        let policy = Policy::builtin(name, &expansion).unwrap().policy;
        (name.to_owned(), policy)
    });
    let network = |name: &str, rules: &str| {
        parsed(
            name,
            &format!("version = 1\nname = \"{name}\"\n[net]\n{rules}\n"),
        )
    };
    shipped
        .chain([
            parsed("sections", SECTIONS),
            parsed(
                "jit",
                "version = 1\nname = \"jit\"\n[code]\nmap = \"jit\"\n",
            ),
            network("tcp", "connect = [\"tcp:192.0.2.1:80\"]"),
            network("unix", "unix = [\"/run/service\"]"),
        ])
        .collect()
}

/// Every way in which a filter for this policy is asked for.
pub(super) fn requests(policy: &Policy) -> impl Iterator<Item = FilterRequest<'_>> {
    [Arch::X86_64, Arch::Aarch64]
        .into_iter()
        .flat_map(move |arch| {
            (0..8).map(move |bits| FilterRequest {
                policy,
                arch,
                notify: bits & 1 != 0,
                trap: false,
                network_namespace: bits & 2 != 0,
                processes: bits & 4 != 0,
                zygote: false,
            })
        })
}

/// Whatever the policies of a broker can come to.
pub(super) fn needs() -> impl Iterator<Item = Needs> {
    (0..8).map(|bits| Needs {
        tcp: bits & 1 != 0,
        unix: bits & 2 != 0,
        changes: bits & 4 != 0,
    })
}

/// Values on which some rule looks, their neighbours, and what only a wide comparison sees.
const INTERESTING: [u64; 40] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    13,
    16,
    17,
    26,
    36,
    37,
    38,
    41,
    57,
    66,
    67,
    0x11,
    0x541b,
    0x5412,
    0x8000,
    0o100_000 | 7,
    0x8_0001,
    0x8_0805,
    0x2000_0000,
    0x2000_0040,
    0x7e02_0000,
    0x0002_0000,
    0x5356_4d41,
    0xffff_ffff,
    1 << 32,
    0xdead_beef_0000_0001,
    0x7fff_1234_5678,
    u64::MAX,
];

/// Numbers by xorshift, from a seed that is always the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn argument(&mut self) -> u64 {
        let value = self.next();
        let of = |list: &[u64]| {
            let at = usize::try_from(value >> 32).unwrap();
            list[at.checked_rem(list.len()).unwrap()]
        };
        match value % 8 {
            0 => value,
            1 => value >> 32 & 0x7f,
            2 => of(&meaning::IOCTL),
            3 => value >> 32 & 0x7ff,
            _ => of(&INTERESTING),
        }
    }

    fn arguments(&mut self) -> [u64; 6] {
        [0; 6].map(|_| self.argument())
    }
}

/// Every number on the native interface, with so many sets of arguments each; then numbers of
/// x32 and beyond, and the other architectures.
fn calls(arch: Arch, random: &mut Random, tries: usize) -> Vec<CallData> {
    const I386: u32 = 0x4000_0003;
    const ARM: u32 = 0x4000_0028;
    let mut calls = Vec::new();
    let mut add = |arch: u32, number: u32, arguments| {
        calls.push(CallData {
            number,
            arch,
            pointer: 0x7fff_0000_1234,
            arguments,
        });
    };
    for number in 0..=1023 {
        add(arch.audit(), number, [0; 6]);
        add(arch.audit(), number, [u64::MAX; 6]);
        for _ in 0..tries {
            add(arch.audit(), number, random.arguments());
        }
        for foreign in [I386, ARM, Arch::X86_64.audit(), Arch::Aarch64.audit(), 0] {
            if foreign != arch.audit() {
                add(foreign, number, random.arguments());
            }
        }
        for high in [0x4000_0000, 0x8000_0000, 0xffff_fc00] {
            add(arch.audit(), number | high, random.arguments());
        }
    }
    calls
}

/// What differs by arguments, on either architecture, and gets more tries.
fn looked_at(name: &str) -> bool {
    let judged = [
        "mmap",
        "mprotect",
        "pkey_mprotect",
        "shmat",
        "setpriority",
        "clone",
        "prlimit64",
        "personality",
        "memfd_create",
        "prctl",
        "ioctl",
        "fcntl",
        "socket",
        "socketpair",
        "sendto",
        "sendmsg",
        "sendmmsg",
        "setsockopt",
        "getsockopt",
    ];
    judged.contains(&name) || name.starts_with("sched_")
}

fn agree(filter: &Filter, call: &CallData, due: Action, whose: &str) {
    let said = filter.evaluate(call);
    assert_eq!(
        said,
        due,
        "{whose}: {:?} {call:x?}",
        filter.arch().name(call.number)
    );
}

#[test]
fn every_filter_means_what_policy_groups_and_table_say() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut filters, mut asked) = (0_usize, 0_usize);
    for (name, policy) in policies() {
        for request in requests(&policy) {
            let filter = Filter::assemble(&request).unwrap();
            let whose = format!("{name} {} {}", request.notify, request.network_namespace);
            let mut calls = calls(request.arch, &mut random, 6);
            for number in (0..1024).filter(|number| {
                let name = request.arch.name(*number);
                name.is_some_and(looked_at)
            }) {
                calls.extend((0..600).map(|_| CallData {
                    number,
                    arch: request.arch.audit(),
                    pointer: random.next(),
                    arguments: random.arguments(),
                }));
            }
            for call in &calls {
                agree(&filter, call, meaning::of_sandboxee(&request, call), &whose);
            }
            filters += 1;
            asked += calls.len();
        }
    }
    println!("{filters} filters of sandboxees: {asked} calls mean what they should");
    assert_eq!(filters, 8 * 16);
}

/// The kernel takes the strictest of two, and of two errnos the one loaded last.
fn together(first: Action, last: Action) -> Action {
    let strict = |action| match action {
        Action::Kill => 3,
        Action::Errno(_) => 2,
        Action::Notify => 1,
        _ => 0,
    };
    if strict(last) >= strict(first) {
        last
    } else {
        first
    }
}

#[test]
fn a_zygote_s_filter_and_the_one_behind_it_mean_what_a_worker_s_does() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut opened = 0;
    for (name, policy) in policies() {
        if policy.system_calls != crate::policy::SystemCalls::default() {
            continue;
        }
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let worker = FilterRequest {
                policy: &policy,
                arch,
                notify: false,
                trap: false,
                network_namespace: false,
                processes: false,
                zygote: false,
            };
            let zygote = FilterRequest {
                processes: true,
                zygote: true,
                ..worker
            };
            let (first, last) = (
                Filter::assemble(&zygote).unwrap(),
                Filter::behind_zygote(arch).unwrap(),
            );
            let worker = Filter::assemble(&worker).unwrap();
            for call in calls(arch, &mut random, 40) {
                let (a, b) = (first.evaluate(&call), last.evaluate(&call));
                let due = worker.evaluate(&call);
                assert_eq!(
                    together(a, b),
                    due,
                    "{name} {:?} {call:x?}",
                    arch.name(call.number)
                );
                opened += u32::from(a != due);
            }
        }
    }
    // The control: alone the first says more.
    assert!(opened > 100, "{opened}");
}

#[test]
fn the_broker_s_filters_mean_what_the_table_says() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    let mut asked = 0_usize;
    for arch in [Arch::X86_64, Arch::Aarch64] {
        for needs in needs() {
            let filter = Filter::of_broker(arch, needs).unwrap();
            for call in &calls(arch, &mut random, 100) {
                let due = meaning::of_broker(arch, needs, call);
                agree(&filter, call, due, "broker");
                asked += 1;
            }
        }
    }
    println!("16 filters of brokers: {asked} calls mean what they should");
}
