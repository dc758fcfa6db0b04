//! The broker's own filter: what the operation table says its services need of the
//! kernel, and what serving itself needs.

use doorward_protocol::operation::{Operation, TABLE};

use seccompiler::SeccompAction;

use super::assemble::NEW_NAMESPACES;
use super::classes::{Classes, low, masked};
use super::{Arch, Filter, FilterError};

/// Memory, threads, waiting, and its channels to host, launcher and sandboxees.
const SERVING: &[&str] = &[
    "read",
    "write",
    "readv",
    "writev",
    "close",
    "mmap",
    "munmap",
    "mprotect",
    "mremap",
    "madvise",
    "brk",
    "futex",
    "set_robust_list",
    "rseq",
    "sigaltstack",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "exit",
    "exit_group",
    "poll",
    "ppoll",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "pipe2",
    "dup",
    "fcntl",
    "recvfrom",
    "recvmsg",
    "sendto",
    "sendmsg",
    "socketpair",
    "setsockopt",
    "getsockopt",
    "shutdown",
    "process_vm_readv",
    "process_vm_writev",
    "pread64",
    "pwrite64",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "kill",
    "tgkill",
    "wait4",
    "waitid",
    "getpid",
    "gettid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getrandom",
    "clock_gettime",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "getcpu",
    "restart_syscall",
    "openat",
    "openat2",
    "open",
    "lstat",
    "readlink",
    "readlinkat",
    "stat",
    "fstat",
    "newfstatat",
    "statx",
    "lseek",
    "getdents64",
    "umask",
    "membarrier",
    "sysinfo",
    "prlimit64",
];

/// The ioctls of seccomp_unotify(2), and how many bytes can be read.
const COMMANDS: &[u64] = &[
    0xc050_2100,
    0xc018_2101,
    0x4008_2102,
    0x4018_2103,
    0x4008_2104,
    0x541b,
];

/// Rows that are asked for only where the policy has network rules.
const NETWORK: &[Operation] = &[
    Operation::Socket,
    Operation::Connect,
    Operation::Bind,
    Operation::Listen,
];

pub(super) fn assemble(arch: Arch, network: bool) -> Result<Filter, FilterError> {
    let mut draft = Classes::new(arch);
    for call in SERVING {
        draft.allow(call, &[])?;
    }
    let rows = TABLE
        .iter()
        .filter(|row| network || !NETWORK.contains(&row.operation));
    for call in rows.flat_map(|row| row.broker_calls) {
        if !["ioctl", "prctl", "clone", "clone3"].contains(call) {
            draft.allow(call, &[])?;
        }
    }
    for command in COMMANDS {
        draft.allow("ioctl", &[low(1, *command)])?;
    }
    // PR_SET_NAME and PR_SET_VMA, which threads and allocators use.
    for option in [15, 0x5356_4d41] {
        draft.allow("prctl", &[low(0, option)])?;
    }
    draft.allow("clone", &[masked(0, NEW_NAMESPACES, 0)])?;
    // Its flags lie behind a pointer; libc falls back to clone.
    draft.add(SeccompAction::Errno(38), "clone3", &[])?;
    draft.link(1)
}
