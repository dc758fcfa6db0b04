//! The operation table: the single source of what can be asked of a broker.
//!
//! Fronts, codec, audit, documents, fuzzers, the sandboxee's filter and the
//! broker's own filter derive from [`TABLE`].

use serde::{Deserialize, Serialize};

pub use crate::row::{Call, Fronts, Phase, ReplyKind, Row};

/// One operation; its value is its code on the wire and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is described by its row of the table")]
pub enum Operation {
    Open = 1,
    Stat = 2,
    Access = 3,
    Readlink = 4,
    Chdir = 5,
    Getcwd = 6,
    Mkdir = 7,
    Rmdir = 8,
    Unlink = 9,
    Rename = 10,
    Link = 11,
    Symlink = 12,
    Chmod = 13,
    Chown = 14,
    Utimens = 15,
    Truncate = 16,
    Statfs = 17,
    Lock = 18,
    Watch = 19,
    Socket = 20,
    Connect = 21,
    Bind = 22,
    Listen = 23,
    Exec = 24,
    Spawn = 25,
    Wait = 26,
    Forget = 27,
    Lane = 28,
    Restrict = 29,
}

const fn call(name: &'static str) -> Call {
    Call {
        name,
        continued: false,
    }
}

const fn continued(name: &'static str) -> Call {
    Call {
        name,
        continued: true,
    }
}

const ONE_PATH: usize = 4096 + 128;
const TWO_PATHS: usize = 2 * 4096 + 128;
const RESTRICTION: usize = (16 << 10) + 128;
const SMALL: usize = 512;
const PIN: &[&str] = &[
    "openat2",
    "openat",
    "statx",
    "readlinkat",
    "statmount",
    "fstatfs",
    "sched_yield",
    "close",
];

const fn row(operation: Operation, name: &'static str, calls: &'static [Call]) -> Row {
    Row {
        operation,
        name,
        descriptors_out: 0,
        reply: ReplyKind::Value,
        request_limit: ONE_PATH,
        reply_limit: SMALL,
        phase: Phase::Open,
        fronts: Fronts::All,
        calls,
        broker_calls: PIN,
        may_block: false,
    }
}

/// Every operation, in the order of its code.
pub const TABLE: &[Row] = &[
    Row {
        descriptors_out: 1,
        reply: ReplyKind::Descriptor,
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "fcntl",
            "ioctl",
            "tee",
            "read",
            "clock_nanosleep",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "ftruncate",
            "close",
        ],
        may_block: true,
        ..row(
            Operation::Open,
            "open",
            &[call("open"), call("creat"), call("openat"), call("openat2")],
        )
    },
    Row {
        reply: ReplyKind::Stat,
        ..row(
            Operation::Stat,
            "stat",
            &[
                call("stat"),
                call("lstat"),
                call("newfstatat"),
                call("statx"),
            ],
        )
    },
    Row {
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "faccessat2",
            "close",
        ],
        ..row(
            Operation::Access,
            "access",
            &[call("access"), call("faccessat"), call("faccessat2")],
        )
    },
    Row {
        reply: ReplyKind::Bytes,
        reply_limit: ONE_PATH,
        ..row(
            Operation::Readlink,
            "readlink",
            &[call("readlink"), call("readlinkat")],
        )
    },
    Row {
        fronts: Fronts::Calls,
        ..row(
            Operation::Chdir,
            "chdir",
            &[continued("chdir"), continued("fchdir")],
        )
    },
    Row {
        reply: ReplyKind::Bytes,
        reply_limit: ONE_PATH,
        fronts: Fronts::Calls,
        ..row(Operation::Getcwd, "getcwd", &[call("getcwd")])
    },
    Row {
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "mkdirat",
            "close",
        ],
        ..row(Operation::Mkdir, "mkdir", &[call("mkdir"), call("mkdirat")])
    },
    Row {
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "unlinkat",
            "renameat2",
            "close",
        ],
        ..row(Operation::Rmdir, "rmdir", &[call("rmdir")])
    },
    Row {
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "unlinkat",
            "renameat2",
            "close",
        ],
        ..row(
            Operation::Unlink,
            "unlink",
            &[call("unlink"), call("unlinkat")],
        )
    },
    Row {
        request_limit: TWO_PATHS,
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "renameat2",
            "close",
        ],
        ..row(
            Operation::Rename,
            "rename",
            &[call("rename"), call("renameat"), call("renameat2")],
        )
    },
    Row {
        request_limit: TWO_PATHS,
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "linkat",
            "close",
        ],
        ..row(Operation::Link, "link", &[call("link"), call("linkat")])
    },
    Row {
        request_limit: TWO_PATHS,
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "symlinkat",
            "close",
        ],
        ..row(
            Operation::Symlink,
            "symlink",
            &[call("symlink"), call("symlinkat")],
        )
    },
    Row {
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "fchmodat",
            "close",
        ],
        ..row(
            Operation::Chmod,
            "chmod",
            &[
                call("chmod"),
                call("fchmod"),
                call("fchmodat"),
                call("fchmodat2"),
            ],
        )
    },
    Row {
        ..row(
            Operation::Chown,
            "chown",
            &[
                call("chown"),
                call("lchown"),
                call("fchown"),
                call("fchownat"),
            ],
        )
    },
    Row {
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "utimensat",
            "close",
        ],
        ..row(
            Operation::Utimens,
            "utimens",
            &[
                call("utime"),
                call("utimes"),
                call("futimesat"),
                call("utimensat"),
            ],
        )
    },
    Row {
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "ftruncate",
            "close",
        ],
        may_block: true,
        ..row(Operation::Truncate, "truncate", &[call("truncate")])
    },
    Row {
        reply: ReplyKind::FileSystem,
        ..row(Operation::Statfs, "statfs", &[call("statfs")])
    },
    Row {
        fronts: Fronts::Calls,
        request_limit: SMALL,
        broker_calls: &[
            "pidfd_getfd",
            "statx",
            "readlinkat",
            "flock",
            "fcntl",
            "clock_nanosleep",
            "close",
        ],
        may_block: true,
        ..row(Operation::Lock, "lock", &[call("flock"), call("fcntl")])
    },
    Row {
        fronts: Fronts::Calls,
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "pidfd_getfd",
            "inotify_add_watch",
            "close",
        ],
        ..row(Operation::Watch, "watch", &[call("inotify_add_watch")])
    },
    Row {
        fronts: Fronts::Calls,
        descriptors_out: 1,
        reply: ReplyKind::Descriptor,
        request_limit: SMALL,
        broker_calls: &["socket", "getsockopt", "newfstatat", "fcntl", "close"],
        ..row(Operation::Socket, "socket", &[call("socket")])
    },
    Row {
        descriptors_out: 1,
        reply: ReplyKind::Descriptor,
        request_limit: SMALL,
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "pidfd_open",
            "pidfd_getfd",
            "fcntl",
            "socket",
            "getsockopt",
            "connect",
            // The timer that interrupts it.
            "gettid",
            "timer_create",
            "timer_settime",
            "timer_delete",
            "rt_sigaction",
            "rt_sigprocmask",
            "rt_sigreturn",
            "clock_nanosleep",
            // The machine's own addresses, by netlink.
            "bind",
            "getsockname",
            "sendto",
            "recvmsg",
            "close",
        ],
        may_block: true,
        ..row(Operation::Connect, "connect", &[call("connect")])
    },
    Row {
        fronts: Fronts::Calls,
        request_limit: SMALL,
        broker_calls: &[],
        ..row(Operation::Bind, "bind", &[call("bind")])
    },
    Row {
        fronts: Fronts::Calls,
        request_limit: SMALL,
        broker_calls: &[],
        ..row(Operation::Listen, "listen", &[call("listen")])
    },
    Row {
        fronts: Fronts::Notify,
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "faccessat2",
            "close",
        ],
        ..row(Operation::Exec, "exec", &[continued("execve")])
    },
    Row {
        fronts: Fronts::Api,
        request_limit: 64 * 1024,
        broker_calls: &[
            "openat2",
            "openat",
            "statx",
            "readlinkat",
            "statmount",
            "fstatfs",
            "sched_yield",
            "sendmsg",
            "recvmsg",
            "close",
        ],
        ..row(Operation::Spawn, "spawn", &[])
    },
    Row {
        fronts: Fronts::Api,
        request_limit: SMALL,
        broker_calls: &["poll"],
        may_block: true,
        ..row(Operation::Wait, "wait", &[])
    },
    Row {
        fronts: Fronts::Api,
        request_limit: SMALL,
        broker_calls: &["close"],
        ..row(Operation::Forget, "forget", &[])
    },
    Row {
        fronts: Fronts::Api,
        descriptors_out: 1,
        reply: ReplyKind::Descriptor,
        request_limit: SMALL,
        broker_calls: &["socketpair", "setsockopt", "epoll_ctl", "close"],
        ..row(Operation::Lane, "lane", &[])
    },
    Row {
        fronts: Fronts::Api,
        request_limit: RESTRICTION,
        broker_calls: &[],
        may_block: true,
        ..row(Operation::Restrict, "restrict", &[])
    },
];

/// The longest bodies of any request and of any reply.
const fn longest() -> (usize, usize) {
    let (mut request, mut reply) = (0, 0);
    let mut rows = TABLE;
    while let [row, rest @ ..] = rows {
        if row.request_limit > request {
            request = row.request_limit;
        }
        if row.reply_limit > reply {
            reply = row.reply_limit;
        }
        rows = rest;
    }
    (request, reply)
}

/// The longest body of any request in bytes.
pub const LONGEST_REQUEST: usize = longest().0;
/// The longest body of any reply in bytes.
pub const LONGEST_REPLY: usize = longest().1;

impl Operation {
    /// The operation with this code on the wire, if there is one.
    pub fn from_code(code: u8) -> Option<Self> {
        TABLE
            .iter()
            .map(|row| row.operation)
            .find(|operation| operation.code() == code)
    }

    /// Its code on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Its row of the table.
    pub fn row(self) -> &'static Row {
        TABLE
            .iter()
            .find(|row| row.operation == self)
            .unwrap_or(&TABLE_FALLBACK)
    }

    /// The operation with this name in policies and audit records.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.operation)
    }

    /// Its name in policies and audit records.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

/// Never reached: the test `every_operation_has_its_row` holds the table to the enum.
const TABLE_FALLBACK: Row = row(Operation::Forget, "forget", &[]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_row() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(usize::from(row.operation.code()), index + 1);
            assert_eq!(
                Operation::from_code(row.operation.code()),
                Some(row.operation)
            );
            assert_eq!(Operation::from_name(row.name), Some(row.operation));
        }
        assert_eq!(Operation::from_code(0), None);
        assert_eq!(Operation::from_code(30), None);
    }

    #[test]
    fn only_exec_and_chdir_are_ever_continued() {
        let continued: Vec<&str> = TABLE
            .iter()
            .flat_map(|row| row.calls)
            .filter(|call| call.continued)
            .map(|call| call.name)
            .collect();
        assert_eq!(continued, ["chdir", "fchdir", "execve"]);
    }
}
