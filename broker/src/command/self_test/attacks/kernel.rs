//! Interfaces of the kernel that no program needs here.

use super::{HERE, address, bits, room};
use crate::self_test::{
    attacker::{Attacker, Way},
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
        permitted: Permitted::Read,
        attack,
    }
}

const CAPABLE: &[&str] = &["seccomp", "capabilities"];

pub(in crate::self_test) const KERNEL: &[Case] = &[
    case(
        "mount",
        "file systems are opened, copied and mounted",
        &["S-30"],
        CAPABLE,
        Sign::Done,
        mount,
    ),
    case(
        "root-directory",
        "another root directory",
        &["S-30", "S-48"],
        CAPABLE,
        Sign::Done,
        |_| Attempt::best([sys::call(libc::SYS_chroot, &[address(c".")])]),
    ),
    case(
        "io-uring",
        "calls by a ring, which no filter sees",
        &["S-13"],
        &["seccomp"],
        Sign::Done,
        io_uring,
    ),
    case(
        "bpf",
        "a map of the kernel's own programs",
        &["S-27"],
        CAPABLE,
        Sign::Done,
        bpf,
    ),
    case(
        "performance-events",
        "counters of the processor",
        &["S-27"],
        CAPABLE,
        Sign::Done,
        performance_events,
    ),
    case(
        "page-faults",
        "page faults of its own, which hold up whoever reads its memory",
        &["S-28", "U-12"],
        &["seccomp"],
        Sign::Done,
        |_| Attempt::best([sys::call(libc::SYS_userfaultfd, &[1])]),
    ),
    case(
        "keyring",
        "a key of the session that doorward was started in",
        &["S-26"],
        &["seccomp", "session keyring"],
        Sign::Secret,
        keyring,
    ),
    case(
        "message-queue",
        "a System V message queue of this machine",
        &["S-21"],
        &["ipc namespace", "seccomp"],
        Sign::Secret,
        message_queue,
    ),
    case(
        "posix-queue",
        "a message queue with a name",
        &["S-21"],
        &["seccomp", "landlock"],
        Sign::Done,
        posix_queue,
    ),
    case(
        "file-events",
        "events of whole file systems",
        &[],
        &["seccomp"],
        Sign::Done,
        // With file handles instead of descriptors, which needs no privilege.
        |_| Attempt::best([sys::call(libc::SYS_fanotify_init, &[0x200, 0])]),
    ),
    case(
        "kernel-log",
        "the log of the kernel",
        &["S-29"],
        CAPABLE,
        Sign::Done,
        kernel_log,
    ),
    case(
        "further-filter",
        "a system-call filter of its own",
        &["S-15", "U-19"],
        &["seccomp"],
        Sign::Done,
        further_filter,
    ),
    case(
        "process-settings",
        "settings of the process that change what holds it",
        &["S-14", "S-44"],
        &["seccomp"],
        Sign::Done,
        process_settings,
    ),
    case(
        "personality",
        "memory that is executable wherever it is readable",
        &[],
        &["seccomp"],
        Sign::Done,
        |_| Attempt::best([sys::call(libc::SYS_personality, &[0x40_0000])]),
    ),
    case(
        "old-entry",
        "a call by the entry of 32-bit programs",
        &["S-2", "U-24"],
        &["seccomp"],
        Sign::Done,
        |_| Attempt::best([sys::by_the_old_entry()]),
    ),
    case(
        "high-bits",
        "arguments with bits that the kernel does not look at",
        &["S-5"],
        &["seccomp"],
        Sign::Done,
        high_bits,
    ),
    case(
        "terminal-input",
        "characters put into a terminal as if they were typed",
        &["S-33"],
        &["seccomp"],
        Sign::Typed,
        terminal_input,
    ),
];

fn mount(_: &Attacker) -> Attempt {
    const CLONE_TREE: u64 = 1;
    Attempt::best([
        sys::call(libc::SYS_fsopen, &[address(c"tmpfs"), 0]),
        sys::call(libc::SYS_open_tree, &[HERE, address(c"/"), CLONE_TREE]),
    ])
}

fn io_uring(_: &Attacker) -> Attempt {
    let mut parameters = [0_u64; 15];
    Attempt::best([sys::call(
        libc::SYS_io_uring_setup,
        &[1, room(&mut parameters)],
    )])
}

fn bpf(_: &Attacker) -> Attempt {
    // An array of one element with 4 bytes.
    let mut map = [0_u32; 32];
    for (place, value) in map.iter_mut().zip([2, 4, 4, 1]) {
        *place = value;
    }
    Attempt::best([sys::call(libc::SYS_bpf, &[0, address(&map), 128])])
}

fn performance_events(_: &Attacker) -> Attempt {
    // A software clock of this process, with the kernel's part.
    let mut attributes = [0_u32; 32];
    for (place, value) in attributes.iter_mut().zip([1, 128]) {
        *place = value;
    }
    let arguments = [address(&attributes), 0, u64::MAX, u64::MAX, 0];
    Attempt::best([sys::call(libc::SYS_perf_event_open, &arguments)])
}

fn keyring(attacker: &Attacker) -> Attempt {
    const READ: u64 = 11;
    let mut data = vec![0_u8; 64];
    let key = attacker.target.key.cast_unsigned();
    let arguments = [READ, key, room(data.as_mut_slice()), 64, 0];
    let result = sys::call(libc::SYS_keyctl, &arguments);
    Attempt { result, data }
}

fn message_queue(attacker: &Attacker) -> Attempt {
    let mut data = vec![0_u8; 72];
    let queue = attacker.target.queue.cast_unsigned();
    let without_waiting = bits(libc::IPC_NOWAIT);
    let arguments = [queue, room(data.as_mut_slice()), 64, 0, without_waiting];
    let result = sys::call(libc::SYS_msgrcv, &arguments);
    Attempt { result, data }
}

fn posix_queue(attacker: &Attacker) -> Attempt {
    let name = format!("doorward-{}", attacker.target.port);
    let name = std::ffi::CString::new(name).unwrap_or_default();
    let how = bits(libc::O_CREAT | libc::O_RDWR);
    let made = sys::call(
        libc::SYS_mq_open,
        &[address(name.as_c_str()), how, 0o600, 0],
    );
    let _gone = sys::call(libc::SYS_mq_unlink, &[address(name.as_c_str())]);
    Attempt::best([made])
}

fn kernel_log(_: &Attacker) -> Attempt {
    const READ_ALL: u64 = 3;
    let mut text = vec![0_u8; 4096];
    let arguments = [READ_ALL, room(text.as_mut_slice()), 4096];
    Attempt::best([sys::call(libc::SYS_syslog, &arguments)])
}

fn further_filter(attacker: &Attacker) -> Attempt {
    const LOAD_FILTER: u64 = 1;
    const NEW_LISTENER: u64 = 8;
    let _kept = sys::call(
        libc::SYS_prctl,
        &[bits(libc::PR_SET_NO_NEW_PRIVS), 1, 0, 0, 0],
    );
    // One instruction: allow.
    let allow = libc::sock_filter {
        code: 6,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ALLOW,
    };
    let program = [1_u64, address(&allow)];
    // Where calls trap one that narrows may be had, and none that hears of calls.
    let traps = matches!(attacker.way, Way::Trap | Way::Worker);
    let flags = if traps { NEW_LISTENER } else { 0 };
    Attempt::best([
        sys::call(libc::SYS_seccomp, &[LOAD_FILTER, flags, address(&program)]),
        sys::call(
            libc::SYS_prctl,
            &[bits(libc::PR_SET_SECCOMP), 2, address(&program), 0, 0],
        ),
    ])
}

fn process_settings(_: &Attacker) -> Attempt {
    const SPECULATION: i32 = 53;
    const USER_DISPATCH: i32 = 59;
    let set = |option: i32, value: u64| sys::call(libc::SYS_prctl, &[bits(option), value, 0, 0, 0]);
    Attempt::best([
        set(libc::PR_SET_TIMING, 0),
        set(SPECULATION, 0),
        set(libc::PR_SET_SECUREBITS, 0),
        set(libc::PR_SET_MM, 0),
        set(USER_DISPATCH, 0),
    ])
}

fn high_bits(_: &Attacker) -> Attempt {
    const JUNK: u64 = 1 << 32;
    Attempt::best([
        sys::call(libc::SYS_socket, &[40 | JUNK, 1, 0]),
        sys::call(libc::SYS_socket, &[16 | JUNK, 3, 15]),
        sys::call(
            libc::SYS_prctl,
            &[bits(libc::PR_SET_TIMING) | JUNK, 0, 0, 0, 0],
        ),
        sys::call(libc::SYS_unshare, &[bits(libc::CLONE_NEWUTS) | JUNK]),
    ])
}

/// Standard input is a terminal, which becomes the controlling one of the session.
fn terminal_input(_: &Attacker) -> Attempt {
    let _session = sys::call(libc::SYS_setsid, &[]);
    let _taken = sys::call(libc::SYS_ioctl, &[0, libc::TIOCSCTTY, 0]);
    let text = address(b"x");
    Attempt::best([sys::call(libc::SYS_ioctl, &[0, libc::TIOCSTI, text])])
}
