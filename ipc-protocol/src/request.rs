//! Typed requests: what a sandboxee asks for, by whichever front.
//!
//! A front copies the sandboxee's arguments once into the broker's memory and
//! makes one of these of them; services see nothing else. All fields are
//! untrusted values.

use serde::{Deserialize, Serialize};

use crate::operation::Operation;

/// Where a relative path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    /// The working directory of the asker. Through `api` there is none.
    WorkingDirectory,
    /// A descriptor number of the asker (`notify`) or a directory handle of the lane (`api`).
    Descriptor(i32),
}

/// A path as asked: bytes without NUL, and the directory a relative one starts at.
/// An empty path means the base itself, where the row allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathArgument<'a> {
    /// Where a relative path starts; ignored for an absolute one.
    pub base: Base,
    /// The bytes as copied, at most 4095.
    #[serde(borrow)]
    pub bytes: &'a [u8],
}

/// One of the two times of `utimensat(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeArgument {
    /// The current time (`UTIME_NOW`).
    Now,
    /// Leave as it is (`UTIME_OMIT`).
    Omit,
    /// Seconds and nanoseconds since the epoch.
    At {
        /// Seconds.
        seconds: i64,
        /// Nanoseconds, below 1,000,000,000.
        nanoseconds: u32,
    },
}

/// One request of a sandboxee. Flag and mode values are the kernel's, unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// open(2), creat(2), openat(2), openat2(2).
    Open {
        /// What to open.
        #[serde(borrow)]
        path: PathArgument<'a>,
        /// `O_*` bits of the kernel.
        flags: u64,
        /// Mode bits for a created file.
        mode: u32,
        /// `RESOLVE_*` bits of openat2(2); 0 otherwise.
        resolve: u64,
    },
    /// stat(2), lstat(2), newfstatat(2), statx(2).
    Stat {
        /// What to look at.
        #[serde(borrow)]
        path: PathArgument<'a>,
        /// Whether a link as last component is followed.
        follow: bool,
    },
    /// access(2), faccessat(2), faccessat2(2).
    Access {
        /// What to look at.
        #[serde(borrow)]
        path: PathArgument<'a>,
        /// `R_OK | W_OK | X_OK`, or 0 for `F_OK`.
        mode: u32,
        /// Whether a link as last component is followed.
        follow: bool,
    },
    /// readlink(2), readlinkat(2).
    Readlink {
        /// The link.
        #[serde(borrow)]
        path: PathArgument<'a>,
    },
    /// chdir(2), fchdir(2): only whether it may be; the kernel does it.
    Chdir {
        /// The directory; an empty path means the base's own descriptor.
        #[serde(borrow)]
        path: PathArgument<'a>,
    },
    /// getcwd(2).
    Getcwd,
    /// mkdir(2), mkdirat(2).
    Mkdir {
        /// The new directory.
        #[serde(borrow)]
        path: PathArgument<'a>,
        /// Mode bits.
        mode: u32,
    },
    /// rmdir(2), unlinkat(2) with `AT_REMOVEDIR`.
    Rmdir {
        /// The directory.
        #[serde(borrow)]
        path: PathArgument<'a>,
    },
    /// unlink(2), unlinkat(2).
    Unlink {
        /// The entry.
        #[serde(borrow)]
        path: PathArgument<'a>,
    },
    /// rename(2), renameat(2), renameat2(2).
    Rename {
        /// The old name.
        #[serde(borrow)]
        old: PathArgument<'a>,
        /// The new name.
        #[serde(borrow)]
        new: PathArgument<'a>,
        /// `RENAME_*` bits.
        flags: u32,
    },
    /// link(2), linkat(2).
    Link {
        /// The existing name.
        #[serde(borrow)]
        old: PathArgument<'a>,
        /// The new name.
        #[serde(borrow)]
        new: PathArgument<'a>,
        /// `AT_*` bits.
        flags: u32,
    },
    /// symlink(2), symlinkat(2).
    Symlink {
        /// What the link will say.
        #[serde(borrow)]
        target: &'a [u8],
        /// The new name.
        #[serde(borrow)]
        path: PathArgument<'a>,
    },
    /// chmod(2), fchmod(2), fchmodat(2), fchmodat2(2).
    Chmod {
        /// The object; an empty path means the base's own descriptor.
        #[serde(borrow)]
        path: PathArgument<'a>,
        /// Mode bits; set-id bits are masked.
        mode: u32,
        /// Whether a link as last component is followed.
        follow: bool,
    },
    /// chown(2) and its kin.
    Chown {
        /// The object; an empty path means the base's own descriptor.
        #[serde(borrow)]
        path: PathArgument<'a>,
        /// New owner, `u32::MAX` to leave it.
        user: u32,
        /// New group, `u32::MAX` to leave it.
        group: u32,
        /// Whether a link as last component is followed.
        follow: bool,
    },
    /// utime(2), utimes(2), futimesat(2), utimensat(2).
    Utimens {
        /// The object; an empty path means the base's own descriptor.
        #[serde(borrow)]
        path: PathArgument<'a>,
        /// Access and modification time.
        times: [TimeArgument; 2],
        /// Whether a link as last component is followed.
        follow: bool,
    },
    /// truncate(2). (ftruncate(2) needs a writable descriptor and is the kernel's.)
    Truncate {
        /// The file.
        #[serde(borrow)]
        path: PathArgument<'a>,
        /// The new length in bytes.
        length: i64,
    },
    /// statfs(2).
    Statfs {
        /// Any object of the file system.
        #[serde(borrow)]
        path: PathArgument<'a>,
    },
    /// flock(2) and the record locks of fcntl(2) on a descriptor.
    Lock {
        /// The asker's descriptor.
        descriptor: i32,
        /// What kind of lock.
        lock: LockArgument,
    },
    /// inotify_add_watch(2).
    Watch {
        /// The asker's inotify descriptor.
        descriptor: i32,
        /// What to watch.
        #[serde(borrow)]
        path: PathArgument<'a>,
        /// `IN_*` bits.
        mask: u32,
    },
    /// socket(2) for TCP, made by the broker.
    Socket {
        /// `AF_INET` or `AF_INET6`.
        family: i32,
        /// `SOCK_STREAM` with `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
        kind: i32,
        /// 0 or `IPPROTO_TCP`.
        protocol: i32,
    },
    /// connect(2).
    Connect {
        /// The asker's descriptor (`notify`), or -1: a fresh socket is made and granted (`api`).
        descriptor: i32,
        /// The socket address as the kernel lays it out, at most 128 bytes.
        #[serde(borrow)]
        address: &'a [u8],
    },
    /// bind(2): refused until listening exists, with that reason.
    Bind {
        /// The asker's descriptor.
        descriptor: i32,
        /// The socket address as the kernel lays it out, at most 128 bytes.
        #[serde(borrow)]
        address: &'a [u8],
    },
    /// listen(2): refused until listening exists, with that reason.
    Listen {
        /// The asker's descriptor.
        descriptor: i32,
    },
    /// execve(2): decided for the record; Landlock holds the line.
    Exec {
        /// The program.
        #[serde(borrow)]
        path: PathArgument<'a>,
    },
    /// Typed spawn: the launcher starts a program chosen and checked by rule.
    Spawn {
        /// The program.
        #[serde(borrow)]
        path: PathArgument<'a>,
        /// Arguments after the program's name.
        #[serde(borrow, deserialize_with = "arguments::deserialize")]
        arguments: Vec<&'a [u8]>,
    },
    /// Waits for a spawned program to end, at most `milliseconds`.
    Wait {
        /// What [`Request::Spawn`] answered.
        process: u32,
        /// Bound of the wait, at most 10,000.
        milliseconds: u32,
    },
    /// Closes a directory handle of a lane.
    Forget {
        /// The handle.
        handle: i32,
    },
    /// Asks for a further lane.
    Lane,
    /// Narrows the session, for good.
    Restrict {
        /// TOML in the words of a policy, at most 16 KiB.
        #[serde(borrow)]
        document: &'a [u8],
    },
}

/// A lock request on a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockArgument {
    /// flock(2) with its operation bits.
    Flock {
        /// `LOCK_*` bits.
        operation: i32,
    },
    /// fcntl(2) with `F_SETLK`, `F_SETLKW`, `F_OFD_SETLK` or `F_OFD_SETLKW`.
    Record {
        /// The fcntl command.
        command: i32,
        /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
        kind: i16,
        /// `SEEK_*`.
        whence: i16,
        /// First byte.
        start: i64,
        /// Length in bytes, 0 to the end.
        length: i64,
    },
}

impl Request<'_> {
    /// The row of the operation table this request belongs to.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Open { .. } => Operation::Open,
            Self::Stat { .. } => Operation::Stat,
            Self::Access { .. } => Operation::Access,
            Self::Readlink { .. } => Operation::Readlink,
            Self::Chdir { .. } => Operation::Chdir,
            Self::Getcwd => Operation::Getcwd,
            Self::Mkdir { .. } => Operation::Mkdir,
            Self::Rmdir { .. } => Operation::Rmdir,
            Self::Unlink { .. } => Operation::Unlink,
            Self::Rename { .. } => Operation::Rename,
            Self::Link { .. } => Operation::Link,
            Self::Symlink { .. } => Operation::Symlink,
            Self::Chmod { .. } => Operation::Chmod,
            Self::Chown { .. } => Operation::Chown,
            Self::Utimens { .. } => Operation::Utimens,
            Self::Truncate { .. } => Operation::Truncate,
            Self::Statfs { .. } => Operation::Statfs,
            Self::Lock { .. } => Operation::Lock,
            Self::Watch { .. } => Operation::Watch,
            Self::Socket { .. } => Operation::Socket,
            Self::Connect { .. } => Operation::Connect,
            Self::Bind { .. } => Operation::Bind,
            Self::Listen { .. } => Operation::Listen,
            Self::Exec { .. } => Operation::Exec,
            Self::Spawn { .. } => Operation::Spawn,
            Self::Wait { .. } => Operation::Wait,
            Self::Forget { .. } => Operation::Forget,
            Self::Lane => Operation::Lane,
            Self::Restrict { .. } => Operation::Restrict,
        }
    }

    /// Its paths, in the order of its fields.
    pub fn paths(&self) -> [Option<&PathArgument<'_>>; 2] {
        match self {
            Self::Open { path, .. }
            | Self::Stat { path, .. }
            | Self::Access { path, .. }
            | Self::Readlink { path }
            | Self::Chdir { path }
            | Self::Mkdir { path, .. }
            | Self::Rmdir { path }
            | Self::Unlink { path }
            | Self::Symlink { path, .. }
            | Self::Chmod { path, .. }
            | Self::Chown { path, .. }
            | Self::Utimens { path, .. }
            | Self::Truncate { path, .. }
            | Self::Statfs { path }
            | Self::Watch { path, .. }
            | Self::Exec { path }
            | Self::Spawn { path, .. } => [Some(path), None],
            Self::Rename { old, new, .. } | Self::Link { old, new, .. } => [Some(old), Some(new)],
            Self::Getcwd
            | Self::Lock { .. }
            | Self::Socket { .. }
            | Self::Connect { .. }
            | Self::Bind { .. }
            | Self::Listen { .. }
            | Self::Wait { .. }
            | Self::Forget { .. }
            | Self::Lane
            | Self::Restrict { .. } => [None, None],
        }
    }
}

/// Reads the arguments of a spawn. serde would reserve room for as many as the input
/// claims; here each is paid for by the eight bytes of its length.
mod arguments {
    use std::fmt;

    use serde::de::{Deserializer, SeqAccess, Visitor};

    struct Arguments;

    impl<'de> Visitor<'de> for Arguments {
        type Value = Vec<&'de [u8]>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("byte strings")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut arguments = Vec::new();
            while let Some(argument) = items.next_element()? {
                arguments.push(argument);
            }
            Ok(arguments)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Vec<&'de [u8]>, D::Error> {
        input.deserialize_seq(Arguments)
    }
}
