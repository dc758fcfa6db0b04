//! Calls that change files and names.

use std::ffi::{c_int, c_uint};

use doorward_sandboxee::{ClientError, Mode, RenameFlags, TimeArgument};
use libc::{gid_t, mode_t, off_t, timespec, uid_t};

use super::{Client, Directory, Text, Times, given, invalid, links};
use crate::errors::done;

/// mkdirat(2). The umask is 022.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_mkdir(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    mode: mode_t,
) -> c_int {
    done(|| {
        given(client)?
            .0
            .mkdir(path.at(at)?, Mode::from_bits_retain(mode))
    })
}

/// rmdir(2).
#[unsafe(no_mangle)]
pub extern "C" fn doorward_rmdir(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
) -> c_int {
    done(|| given(client)?.0.rmdir(path.at(at)?))
}

/// unlink(2).
#[unsafe(no_mangle)]
pub extern "C" fn doorward_unlink(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
) -> c_int {
    done(|| given(client)?.0.unlink(path.at(at)?))
}

/// renameat2(2); `flags` are 0 or its RENAME_ ones.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_rename(
    client: Option<&mut Client>,
    old_at: Option<&Directory>,
    old_path: Text,
    new_at: Option<&Directory>,
    new_path: Text,
    flags: c_uint,
) -> c_int {
    done(|| {
        let (old, new) = (old_path.at(old_at)?, new_path.at(new_at)?);
        let flags = RenameFlags::from_bits_retain(flags);
        given(client)?.0.rename(old, new, flags)
    })
}

/// linkat(2): a further name for a file.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_link(
    client: Option<&mut Client>,
    old_at: Option<&Directory>,
    old_path: Text,
    new_at: Option<&Directory>,
    new_path: Text,
) -> c_int {
    done(|| {
        let (old, new) = (old_path.at(old_at)?, new_path.at(new_at)?);
        given(client)?.0.link(old, new)
    })
}

/// symlinkat(2): a link that says `target`.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_symlink(
    client: Option<&mut Client>,
    target: Text,
    at: Option<&Directory>,
    path: Text,
) -> c_int {
    done(|| given(client)?.0.symlink(target.path()?, path.at(at)?))
}

/// chmod(2). Set-id bits are never set.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_chmod(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    mode: mode_t,
) -> c_int {
    done(|| {
        given(client)?
            .0
            .chmod(path.at(at)?, Mode::from_bits_retain(mode))
    })
}

/// fchownat(2); -1 leaves an id as it is, `flags` are 0 or AT_SYMLINK_NOFOLLOW.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_chown(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    user: uid_t,
    group: gid_t,
    flags: c_int,
) -> c_int {
    let id = |id: u32| (id != u32::MAX).then_some(id);
    done(|| {
        let at = path.at(at)?;
        given(client)?
            .0
            .chown(at, id(user), id(group), links(flags)?)
    })
}

/// utimensat(2): the times of access and of modification, or NULL for now; `flags` are 0 or
/// AT_SYMLINK_NOFOLLOW.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_utimens(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    times: Times,
    flags: c_int,
) -> c_int {
    done(|| {
        let times = match times.read() {
            None => [TimeArgument::Now; 2],
            Some([accessed, modified]) => [time(accessed)?, time(modified)?],
        };
        given(client)?.0.utimens(path.at(at)?, times, links(flags)?)
    })
}

fn time(time: timespec) -> Result<TimeArgument, ClientError> {
    match time.tv_nsec {
        libc::UTIME_NOW => Ok(TimeArgument::Now),
        libc::UTIME_OMIT => Ok(TimeArgument::Omit),
        nanoseconds => {
            let nanoseconds = u32::try_from(nanoseconds).ok();
            let nanoseconds = nanoseconds.filter(|nanoseconds| *nanoseconds < 1_000_000_000);
            Ok(TimeArgument::At {
                seconds: time.tv_sec,
                nanoseconds: nanoseconds.ok_or_else(invalid)?,
            })
        }
    }
}

/// truncate(2).
#[unsafe(no_mangle)]
pub extern "C" fn doorward_truncate(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    length: off_t,
) -> c_int {
    done(|| {
        let length = u64::try_from(length).map_err(|_| invalid())?;
        given(client)?.0.truncate(path.at(at)?, length)
    })
}
