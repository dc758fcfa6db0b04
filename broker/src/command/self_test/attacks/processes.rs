//! Reaching other processes, and leaving the namespaces.

use super::{address, bits, room};
use crate::self_test::{
    attacker::{Attacker, read},
    case::{Attempt, Case, Permitted, Sign},
    sys,
};

const fn case(
    name: &'static str,
    tried: &'static str,
    ids: &'static [&'static str],
    held_by: &'static [&'static str],
    sign: Sign,
    attack: fn(&Attacker) -> Attempt,
) -> Case {
    Case {
        name,
        tried,
        ids,
        held_by,
        sign,
        permitted: Permitted::Process,
        attack,
    }
}

pub(in crate::self_test) const PROCESSES: &[Case] = &[
    case(
        "signal",
        "another process is killed, by each call that signals",
        &["S-23", "S-46"],
        &["pid namespace", "landlock"],
        Sign::Disturbed,
        signal,
    ),
    case(
        "owned-descriptor",
        "another process is signalled by a descriptor that it is said to own",
        &["S-24"],
        &["seccomp", "pid namespace", "landlock"],
        Sign::Disturbed,
        owned_descriptor,
    ),
    case(
        "priority",
        "priority, processors and limits of another process",
        &[],
        &["pid namespace", "seccomp"],
        Sign::Disturbed,
        priority,
    ),
    case(
        "trace",
        "another process is traced",
        &["S-22"],
        &["seccomp", "pid namespace", "landlock"],
        Sign::Done,
        trace,
    ),
    case(
        "memory-of-another",
        "the memory of another process is read",
        &["S-22", "L-2"],
        &["seccomp", "pid namespace", "landlock"],
        Sign::Secret,
        memory,
    ),
    case(
        "descriptor-of-another",
        "a descriptor of another process is copied",
        &["S-22", "S-46"],
        &["seccomp", "pid namespace", "landlock"],
        Sign::Secret,
        descriptor,
    ),
    case(
        "comparison",
        "resources of other processes are compared",
        &["S-22"],
        &["seccomp", "pid namespace", "landlock"],
        Sign::Done,
        |attacker| {
            let process = bits(attacker.outside().process);
            Attempt::best([sys::call(libc::SYS_kcmp, &[process, process, 1, 0, 0])])
        },
    ),
    case(
        "namespaces",
        "namespaces of its own, in which it has every capability",
        &["S-8"],
        &["seccomp", "user namespace"],
        Sign::Done,
        namespaces,
    ),
    case(
        "clone3",
        "a namespace asked for where no filter can look",
        &["S-9"],
        &["seccomp", "user namespace"],
        Sign::Done,
        clone3,
    ),
    case(
        "parent",
        "a child that is given to the parent",
        &["S-10"],
        &["seccomp"],
        Sign::Done,
        parent,
    ),
    case(
        "join-namespace",
        "the namespaces of another process are joined",
        &["S-8", "S-46"],
        &["seccomp", "capabilities"],
        Sign::Done,
        join,
    ),
];

/// Another process by descriptor.
fn opened(attacker: &Attacker) -> i64 {
    let process = bits(attacker.outside().process);
    sys::call(libc::SYS_pidfd_open, &[process, 0])
}

fn signal(attacker: &Attacker) -> Attempt {
    let process = bits(attacker.outside().process);
    let signal = bits(libc::SIGTERM);
    let descriptor = opened(attacker);
    // si_signo, si_errno, si_code (SI_QUEUE), and the sender.
    let mut information = [0_i32; 32];
    for (place, value) in information.iter_mut().zip([libc::SIGTERM, 0, -1]) {
        *place = value;
    }
    Attempt::best([
        sys::call(libc::SYS_kill, &[process, signal]),
        sys::call(libc::SYS_tkill, &[process, signal]),
        sys::call(libc::SYS_tgkill, &[process, process, signal]),
        sys::call(
            libc::SYS_rt_sigqueueinfo,
            &[process, signal, address(&information)],
        ),
        sys::call(
            libc::SYS_pidfd_send_signal,
            &[descriptor.cast_unsigned(), signal, 0, 0],
        ),
    ])
}

fn owned_descriptor(attacker: &Attacker) -> Attempt {
    let process = bits(attacker.outside().process);
    let mut pair = [0_i32; 2];
    let made = sys::call(libc::SYS_pipe2, &[room(&mut pair), bits(libc::O_NONBLOCK)]);
    let [reader, writer] = pair.map(bits);
    let owner = sys::call(libc::SYS_fcntl, &[reader, bits(libc::F_SETOWN), process]);
    let telling = bits(libc::O_ASYNC | libc::O_NONBLOCK);
    let asked = sys::call(libc::SYS_fcntl, &[reader, bits(libc::F_SETFL), telling]);
    let _written = sys::call(libc::SYS_write, &[writer, address(b"x"), 1]);
    Attempt::best([made.min(owner).min(asked)])
}

fn priority(attacker: &Attacker) -> Attempt {
    let process = bits(attacker.outside().process);
    let (processors, few) = ([1_u64], [7_u64, 7]);
    Attempt::best([
        sys::call(libc::SYS_setpriority, &[0, process, 7]),
        sys::call(
            libc::SYS_sched_setaffinity,
            &[process, 8, address(&processors)],
        ),
        sys::call(
            libc::SYS_prlimit64,
            &[process, u64::from(libc::RLIMIT_NOFILE), address(&few), 0],
        ),
    ])
}

fn trace(attacker: &Attacker) -> Attempt {
    const SEIZE: u64 = 0x4206;
    let process = bits(attacker.outside().process);
    Attempt::best([
        sys::call(libc::SYS_ptrace, &[SEIZE, process, 0, 0]),
        sys::call(
            libc::SYS_ptrace,
            &[bits(libc::PTRACE_ATTACH.cast_signed()), process, 0, 0],
        ),
    ])
}

fn memory(attacker: &Attacker) -> Attempt {
    let outside = attacker.outside();
    let mut data = vec![0_u8; 64];
    let ours = [room(data.as_mut_slice()), 64];
    let theirs = [outside.address, 64];
    let arguments = [
        bits(outside.process),
        address(&ours),
        1,
        address(&theirs),
        1,
        0,
    ];
    let result = sys::call(libc::SYS_process_vm_readv, &arguments);
    Attempt { result, data }
}

fn descriptor(attacker: &Attacker) -> Attempt {
    let process = opened(attacker);
    let copied = sys::call(libc::SYS_pidfd_getfd, &[process.cast_unsigned(), 0, 0]);
    match sys::descriptor(copied) {
        Some(file) => read(&file),
        None => Attempt::best([copied]),
    }
}

/// Every kind of namespace: user, mount, pid, network, ipc, uts, cgroup, time.
const KINDS: [i32; 8] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    0x80,
];

fn namespaces(_: &Attacker) -> Attempt {
    let mut results = Vec::new();
    for kind in KINDS {
        results.push(sys::call(libc::SYS_unshare, &[bits(kind)]));
        let together = bits(kind | libc::CLONE_NEWUSER);
        results.push(sys::call(libc::SYS_unshare, &[together]));
        if kind != 0x80 {
            results.push(child(bits(kind | libc::SIGCHLD)));
        }
    }
    Attempt::best(results)
}

/// A child that ends at once.
fn child(flags: u64) -> i64 {
    let made = sys::call(libc::SYS_clone, &[flags, 0, 0, 0, 0]);
    if made == 0 {
        let _never = sys::call(libc::SYS_exit_group, &[0]);
    }
    made
}

fn clone3(_: &Attacker) -> Attempt {
    let mut arguments = [0_u64; 11];
    let signal = bits(libc::SIGCHLD);
    for (at, value) in [(0, bits(libc::CLONE_NEWUSER)), (4, signal)] {
        if let Some(place) = arguments.get_mut(at) {
            *place = value;
        }
    }
    let made = sys::call(libc::SYS_clone3, &[address(&arguments), 88]);
    if made == 0 {
        let _never = sys::call(libc::SYS_exit_group, &[0]);
    }
    Attempt::best([made])
}

fn parent(_: &Attacker) -> Attempt {
    Attempt::best([child(bits(libc::CLONE_PARENT | libc::SIGCHLD))])
}

fn join(attacker: &Attacker) -> Attempt {
    let process = opened(attacker).cast_unsigned();
    let kinds = KINDS.map(|kind| sys::call(libc::SYS_setns, &[process, bits(kind)]));
    Attempt::best(kinds)
}
