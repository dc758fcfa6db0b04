//! From a copied call to a typed request.
//!
//! Works on copies alone; `int` arguments are the low 32 bits of their registers,
//! as the kernel takes them.

use rustix::io::Errno;

use super::Copied;
use crate::{
    Base, Request,
    request::{LockArgument, PathArgument, TimeArgument},
};

const AT_FDCWD: i32 = -100;
const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const AT_REMOVEDIR: u32 = 0x200;
const AT_EMPTY_PATH: u32 = 0x1000;
/// `AT_STATX_*` and `AT_NO_AUTOMOUNT`, which change nothing here.
const AT_INDIFFERENT: u32 = 0x6000 | 0x800;
const AT_EACCESS: u32 = 0x200;
const CREAT_FLAGS: u64 = 0o1101;
const UTIME_NOW: u64 = 0x3fff_ffff;
const UTIME_OMIT: u64 = 0x3fff_fffe;

fn int(register: u64) -> i32 {
    low(register).cast_signed()
}

fn low(register: u64) -> u32 {
    u32::try_from(register & 0xffff_ffff).unwrap_or_default()
}

fn base(register: u64) -> Base {
    match int(register) {
        AT_FDCWD => Base::WorkingDirectory,
        number => Base::Descriptor(number),
    }
}

/// A path that must not be empty.
fn path(base: Base, bytes: &[u8]) -> Result<PathArgument<'_>, Errno> {
    if bytes.is_empty() {
        Err(Errno::NOENT)
    } else {
        Ok(PathArgument { base, bytes })
    }
}

/// A path that may be empty if the flags say so.
fn path_or_base(base: Base, bytes: &[u8], flags: u32) -> Result<PathArgument<'_>, Errno> {
    if flags & AT_EMPTY_PATH == 0 {
        path(base, bytes)
    } else {
        Ok(PathArgument { base, bytes })
    }
}

fn known(flags: u32, allowed: u32) -> Result<u32, Errno> {
    if flags & !allowed == 0 {
        Ok(flags)
    } else {
        Err(Errno::INVAL)
    }
}

/// The request that the call `name` makes.
///
/// # Errors
/// The errno that the kernel gives for such arguments.
pub fn decode<'a, B: AsRef<[u8]>>(name: &str, copied: &'a Copied<B>) -> Result<Request<'a>, Errno> {
    let [a, b, c, d, e, _] = copied.arguments;
    let one = copied.one.as_ref();
    let two = copied.two.as_ref();
    let here = Base::WorkingDirectory;
    Ok(match name {
        "open" => Request::Open {
            path: path(here, one)?,
            flags: u64::from(low(b)),
            mode: low(c),
            resolve: 0,
        },
        "creat" => Request::Open {
            path: path(here, one)?,
            flags: CREAT_FLAGS,
            mode: low(b),
            resolve: 0,
        },
        "openat" => Request::Open {
            path: path(base(a), one)?,
            flags: u64::from(low(c)),
            mode: low(d),
            resolve: 0,
        },
        "openat2" => {
            let [flags, mode, resolve, _] = copied.words.ok_or(Errno::FAULT)?;
            let mode = u32::try_from(mode).map_err(|_| Errno::INVAL)?;
            Request::Open {
                path: path(base(a), one)?,
                flags,
                mode,
                resolve,
            }
        }
        "stat" | "lstat" => Request::Stat {
            path: path(here, one)?,
            follow: name == "stat",
        },
        "newfstatat" | "statx" => {
            let flags = known(
                low(if name == "statx" { c } else { d }),
                AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_INDIFFERENT,
            )?;
            Request::Stat {
                path: path_or_base(base(a), one, flags)?,
                follow: flags & AT_SYMLINK_NOFOLLOW == 0,
            }
        }
        "access" => Request::Access {
            path: path(here, one)?,
            mode: known(low(b), 7)?,
            follow: true,
        },
        "faccessat" => Request::Access {
            path: path(base(a), one)?,
            mode: known(low(c), 7)?,
            follow: true,
        },
        "faccessat2" => {
            let flags = known(low(d), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EACCESS)?;
            Request::Access {
                path: path_or_base(base(a), one, flags)?,
                mode: known(low(c), 7)?,
                follow: flags & AT_SYMLINK_NOFOLLOW == 0,
            }
        }
        "readlink" | "readlinkat" => {
            let (at, size) = if name == "readlink" {
                (here, c)
            } else {
                (base(a), d)
            };
            if int(size) <= 0 {
                return Err(Errno::INVAL);
            }
            Request::Readlink {
                path: path(at, one)?,
            }
        }
        "chdir" => Request::Chdir {
            path: path(here, one)?,
        },
        "fchdir" => Request::Chdir {
            path: PathArgument {
                base: Base::Descriptor(int(a)),
                bytes: b"",
            },
        },
        "getcwd" => Request::Getcwd,
        "mkdir" => Request::Mkdir {
            path: path(here, one)?,
            mode: low(b),
        },
        "mkdirat" => Request::Mkdir {
            path: path(base(a), one)?,
            mode: low(c),
        },
        "rmdir" => Request::Rmdir {
            path: path(here, one)?,
        },
        "unlink" => Request::Unlink {
            path: path(here, one)?,
        },
        "unlinkat" => match known(low(c), AT_REMOVEDIR)? {
            0 => Request::Unlink {
                path: path(base(a), one)?,
            },
            _ => Request::Rmdir {
                path: path(base(a), one)?,
            },
        },
        "rename" => Request::Rename {
            old: path(here, one)?,
            new: path(here, two)?,
            flags: 0,
        },
        "renameat" => Request::Rename {
            old: path(base(a), one)?,
            new: path(base(c), two)?,
            flags: 0,
        },
        "renameat2" => Request::Rename {
            old: path(base(a), one)?,
            new: path(base(c), two)?,
            flags: low(e),
        },
        "link" => Request::Link {
            old: path(here, one)?,
            new: path(here, two)?,
            flags: 0,
        },
        "linkat" => Request::Link {
            old: path_or_base(base(a), one, low(e))?,
            new: path(base(c), two)?,
            flags: low(e),
        },
        "symlink" => Request::Symlink {
            target: one,
            path: path(here, two)?,
        },
        "symlinkat" => Request::Symlink {
            target: one,
            path: path(base(b), two)?,
        },
        "truncate" => Request::Truncate {
            path: path(here, one)?,
            length: b.cast_signed(),
        },
        "statfs" => Request::Statfs {
            path: path(here, one)?,
        },
        "flock" => Request::Lock {
            descriptor: int(a),
            lock: LockArgument::Flock { operation: int(b) },
        },
        "fcntl" => lock(copied)?,
        "inotify_add_watch" => Request::Watch {
            descriptor: int(a),
            path: path(here, one)?,
            mask: low(c),
        },
        "socket" => Request::Socket {
            family: int(a),
            kind: int(b),
            protocol: int(c),
        },
        // Of a request, -1 means a fresh socket.
        "connect" if int(a) < 0 => return Err(Errno::BADF),
        "connect" => Request::Connect {
            descriptor: int(a),
            address: one,
        },
        "bind" => Request::Bind {
            descriptor: int(a),
            address: one,
        },
        "listen" => Request::Listen { descriptor: int(a) },
        "execve" => Request::Exec {
            path: path(here, one)?,
        },
        _ => attributes(name, copied)?,
    })
}

/// What changes mode bits, owners and times.
fn attributes<'a, B: AsRef<[u8]>>(name: &str, copied: &'a Copied<B>) -> Result<Request<'a>, Errno> {
    let [a, b, c, d, e, _] = copied.arguments;
    let one = copied.one.as_ref();
    let here = Base::WorkingDirectory;
    let own = PathArgument {
        base: Base::Descriptor(int(a)),
        bytes: b"",
    };
    Ok(match name {
        "chmod" => Request::Chmod {
            path: path(here, one)?,
            mode: low(b),
            follow: true,
        },
        "fchmod" => Request::Chmod {
            path: own,
            mode: low(b),
            follow: true,
        },
        "fchmodat" => Request::Chmod {
            path: path(base(a), one)?,
            mode: low(c),
            follow: true,
        },
        "fchmodat2" => {
            let flags = known(low(d), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
            Request::Chmod {
                path: path_or_base(base(a), one, flags)?,
                mode: low(c),
                follow: flags & AT_SYMLINK_NOFOLLOW == 0,
            }
        }
        "chown" | "lchown" => Request::Chown {
            path: path(here, one)?,
            user: low(b),
            group: low(c),
            follow: name == "chown",
        },
        "fchown" => Request::Chown {
            path: own,
            user: low(b),
            group: low(c),
            follow: true,
        },
        "fchownat" => {
            let flags = known(low(e), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
            Request::Chown {
                path: path_or_base(base(a), one, flags)?,
                user: low(c),
                group: low(d),
                follow: flags & AT_SYMLINK_NOFOLLOW == 0,
            }
        }
        "utime" | "utimes" => Request::Utimens {
            path: path(here, one)?,
            times: times(copied, name == "utimes")?,
            follow: true,
        },
        "futimesat" | "utimensat" => {
            let flags = if name == "utimensat" {
                known(low(d), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?
            } else {
                0
            };
            let null = b == 0;
            let path = if null {
                own
            } else {
                path_or_base(base(a), one, flags)?
            };
            Request::Utimens {
                path,
                times: times(copied, name == "futimesat")?,
                follow: flags & AT_SYMLINK_NOFOLLOW == 0,
            }
        }
        _ => return Err(Errno::NOSYS),
    })
}

/// Two times; of microseconds if `micro`.
fn times<B>(copied: &Copied<B>, micro: bool) -> Result<[TimeArgument; 2], Errno> {
    let Some([seconds, part, more, more_part]) = copied.words else {
        return Ok([TimeArgument::Now; 2]);
    };
    let time = |seconds: u64, part: u64| match (micro, part) {
        (false, UTIME_NOW) => Ok(TimeArgument::Now),
        (false, UTIME_OMIT) => Ok(TimeArgument::Omit),
        (true, 0..1_000_000) | (false, 0..1_000_000_000) => Ok(TimeArgument::At {
            seconds: seconds.cast_signed(),
            nanoseconds: low(if micro {
                part.saturating_mul(1000)
            } else {
                part
            }),
        }),
        _ => Err(Errno::INVAL),
    };
    Ok([time(seconds, part)?, time(more, more_part)?])
}

/// `struct flock` behind fcntl's third argument.
fn lock<B>(copied: &Copied<B>) -> Result<Request<'static>, Errno> {
    let [a, b, ..] = copied.arguments;
    let [head, start, length, _] = copied.words.ok_or(Errno::FAULT)?;
    let short = |shift: u32| {
        u16::try_from((head >> shift) & 0xffff)
            .unwrap_or_default()
            .cast_signed()
    };
    Ok(Request::Lock {
        descriptor: int(a),
        lock: LockArgument::Record {
            command: int(b),
            kind: short(0),
            whence: short(16),
            start: start.cast_signed(),
            length: length.cast_signed(),
        },
    })
}
