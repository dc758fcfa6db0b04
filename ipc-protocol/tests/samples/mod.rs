//! A request and a reply of each row, for the tests of this crate.

use doorward_protocol::{
    Base, FileStat, FileSystemStat, Operation, Reply, Request,
    operation::{ReplyKind, TABLE},
    request::{LockArgument, PathArgument, TimeArgument},
};

fn path(bytes: &[u8]) -> PathArgument<'_> {
    PathArgument {
        base: Base::Descriptor(1 << 30),
        bytes,
    }
}

/// Requests of one row.
pub(crate) fn request(operation: Operation) -> Request<'static> {
    let path = path(b"a/b");
    let times = [
        TimeArgument::Now,
        TimeArgument::At {
            seconds: -1,
            nanoseconds: 999_999_999,
        },
    ];
    match operation {
        Operation::Open => Request::Open {
            path,
            flags: 0o2_000_000,
            mode: 0o644,
            resolve: 0,
        },
        Operation::Stat => Request::Stat { path, follow: true },
        Operation::Access => Request::Access {
            path,
            mode: 4,
            follow: true,
        },
        Operation::Readlink => Request::Readlink { path },
        Operation::Chdir => Request::Chdir { path },
        Operation::Getcwd => Request::Getcwd,
        Operation::Mkdir => Request::Mkdir { path, mode: 0o755 },
        Operation::Rmdir => Request::Rmdir { path },
        Operation::Unlink => Request::Unlink { path },
        Operation::Rename => Request::Rename {
            old: path,
            new: path,
            flags: 1,
        },
        Operation::Link => Request::Link {
            old: path,
            new: path,
            flags: 0,
        },
        Operation::Symlink => Request::Symlink {
            target: b"../x",
            path,
        },
        Operation::Chmod => Request::Chmod {
            path,
            mode: 0o600,
            follow: true,
        },
        Operation::Chown => Request::Chown {
            path,
            user: 0,
            group: u32::MAX,
            follow: false,
        },
        Operation::Utimens => Request::Utimens {
            path,
            times,
            follow: true,
        },
        Operation::Truncate => Request::Truncate { path, length: 7 },
        Operation::Statfs => Request::Statfs { path },
        Operation::Lock => Request::Lock {
            descriptor: 3,
            lock: LockArgument::Flock { operation: 2 },
        },
        Operation::Watch => Request::Watch {
            descriptor: 3,
            path,
            mask: 2,
        },
        _ => other(operation, path),
    }
}

fn other(operation: Operation, path: PathArgument<'static>) -> Request<'static> {
    match operation {
        Operation::Socket => Request::Socket {
            family: 2,
            kind: 1,
            protocol: 0,
        },
        Operation::Connect => Request::Connect {
            descriptor: -1,
            address: &[2, 0, 0, 80, 127, 0, 0, 1],
        },
        Operation::Bind => Request::Bind {
            descriptor: 3,
            address: &[2, 0],
        },
        Operation::Listen => Request::Listen { descriptor: 3 },
        Operation::Exec => Request::Exec { path },
        Operation::Spawn => Request::Spawn {
            path,
            arguments: vec![b"-v", b""],
        },
        Operation::Wait => Request::Wait {
            process: 1,
            milliseconds: 100,
        },
        Operation::Forget => Request::Forget { handle: 1 << 30 },
        Operation::Lane => Request::Lane,
        Operation::Restrict => Request::Restrict {
            document: b"version = 1",
        },
        done => unreachable!("{done:?} is above"),
    }
}

/// A reply of one row.
pub(crate) fn reply(operation: Operation) -> Reply<'static> {
    match operation.row().reply {
        ReplyKind::Value => Reply::Value(-2),
        ReplyKind::Descriptor => Reply::Descriptor {
            handle: Some(1 << 30),
        },
        ReplyKind::Bytes => Reply::Bytes(b"target"),
        ReplyKind::Stat => Reply::Stat(FileStat {
            inode: 7,
            born: Some((1, 2)),
            ..FileStat::default()
        }),
        ReplyKind::FileSystem => Reply::FileSystem(FileSystemStat::default()),
    }
}

/// Every operation.
pub(crate) fn operations() -> impl Iterator<Item = Operation> {
    TABLE.iter().map(|row| row.operation)
}
