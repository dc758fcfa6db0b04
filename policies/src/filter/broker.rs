//! The broker's own filter: what the operation table says its services need of the
//! kernel, and what serving itself needs.

use doorward_protocol::operation::{Operation, TABLE};

use super::assemble::NEW_NAMESPACES;
use super::classes::{Classes, Outcome, low, masked};
use super::{Arch, Filter, FilterError};

/// Memory, threads, waiting, and its channels to host, launcher and sandboxees.
pub(super) const SERVING: &[&str] = &[
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
];

/// Calls that are allowed with some arguments alone.
const BY_ARGUMENTS: &[&str] = &[
    "ioctl",
    "prctl",
    "clone",
    "clone3",
    "socket",
    "socketpair",
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

/// What the policies of a broker let it do at all; calls for the rest are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// TCP connections.
    pub tcp: bool,
    /// Connections to UNIX sockets.
    pub unix: bool,
    /// Changes of files, of their names or of their modes.
    pub changes: bool,
}

impl Needs {
    fn of(self, operation: Operation) -> bool {
        match operation {
            Operation::Socket | Operation::Connect | Operation::Bind | Operation::Listen => {
                self.tcp || self.unix
            }
            Operation::Mkdir
            | Operation::Rmdir
            | Operation::Unlink
            | Operation::Rename
            | Operation::Link
            | Operation::Symlink
            | Operation::Truncate
            | Operation::Chmod
            | Operation::Chown
            | Operation::Utimens => self.changes,
            _ => true,
        }
    }
}

const UNIX: u64 = 1;
const INET: u64 = 2;
const INET6: u64 = 10;
const NETLINK: u64 = 16;
const STREAM: u64 = 1;
const RAW: u64 = 3;
const SEQPACKET: u64 = 5;
const TCP: u64 = 6;
/// A type of sockets without its flags.
const KIND: u64 = 0xf;

/// Sockets by family, type and protocol: never datagrams, which need no connection to be sent.
fn sockets(draft: &mut Classes, needs: Needs) {
    for kind in [STREAM, SEQPACKET] {
        draft.allow("socketpair", &[low(0, UNIX), masked(1, KIND, kind)]);
        if needs.unix {
            draft.allow("socket", &[low(0, UNIX), masked(1, KIND, kind)]);
        }
    }
    if needs.tcp {
        for family in [INET, INET6] {
            for protocol in [0, TCP] {
                let kind = masked(1, KIND, STREAM);
                draft.allow("socket", &[low(0, family), kind, low(2, protocol)]);
            }
        }
        // The machine's own addresses.
        let route = [low(0, NETLINK), masked(1, KIND, RAW), low(2, 0)];
        draft.allow("socket", &route);
    }
}

pub(super) fn assemble(arch: Arch, needs: Needs) -> Result<Filter, FilterError> {
    let mut draft = Classes::new(arch);
    for call in SERVING {
        draft.allow(call, &[]);
    }
    let rows = TABLE.iter().filter(|row| needs.of(row.operation));
    for call in rows.flat_map(|row| row.broker_calls) {
        if !BY_ARGUMENTS.contains(call) {
            draft.allow(call, &[]);
        }
    }
    sockets(&mut draft, needs);
    // Its own limits: those of another process of the user would end that one.
    draft.allow("prlimit64", &[low(0, 0)]);
    for command in COMMANDS {
        draft.allow("ioctl", &[low(1, *command)]);
    }
    // PR_SET_NAME and PR_SET_VMA, which threads and allocators use.
    for option in [15, 0x5356_4d41] {
        draft.allow("prctl", &[low(0, option)]);
    }
    draft.allow("clone", &[masked(0, NEW_NAMESPACES, 0)]);
    // Its flags lie behind a pointer; libc falls back to clone.
    draft.add(Outcome::Errno(38), "clone3", &[]);
    draft.link(Outcome::Errno(1))
}
