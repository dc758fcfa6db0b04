//! Calls that open and look.

use std::{
    ffi::{CString, c_char, c_int, c_uchar, c_void},
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, IntoRawFd},
};

use doorward_sandboxee::{Access, FileStat, FileSystemStat, FileType, Mode, OFlags};
use libc::{mode_t, ssize_t};

use super::{Client, Directory, Room, Text, given, invalid, links, zeroed};
use crate::errors::{answer, done};

/// openat(2). The descriptor is closed on exec. One of a directory can be listed, by
/// fdopendir(3) too; names in it are asked for by doorward_opendir().
#[unsafe(no_mangle)]
pub extern "C" fn doorward_open(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    answer(-1, || {
        let flags = OFlags::from_bits_retain(flags.cast_unsigned());
        let mode = Mode::from_bits_retain(mode);
        let file = given(client)?.0.open(path.at(at)?, flags, mode)?;
        Ok(file.into_raw_fd())
    })
}

/// A directory, so that names in it can be asked for by this client: the `at` of other calls.
/// To be given up by doorward_forget().
///
/// Returns NULL with errno; EMFILE when the lane has as many directories as it may.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_opendir(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
) -> Option<Box<Directory>> {
    answer(None, || {
        let directory = given(client)?.0.directory(path.at(at)?)?;
        Ok(Some(Box::new(Directory(directory))))
    })
}

/// The descriptor of a directory, which stays the directory's.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_descriptor(directory: Option<&Directory>) -> c_int {
    answer(-1, || Ok(given(directory)?.0.as_fd().as_raw_fd()))
}

/// Gives up a directory: its memory, its descriptor and what the broker kept for it. EBADF when
/// another client opened it.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_forget(
    client: Option<&mut Client>,
    directory: Option<Box<Directory>>,
) -> c_int {
    done(|| {
        let directory = given(directory)?;
        given(client)?.0.forget(directory.0)
    })
}

/// An entry of a directory: its name, its type as in DT_ of dirent.h, and its inode number.
/// Returns 0 to go on. It may not call longjmp(3).
pub type Each = Option<
    extern "C" fn(context: *mut c_void, name: *const c_char, kind: c_uchar, inode: u64) -> c_int,
>;

/// Calls `each` for each entry of a directory but `.` and `..`, until it returns another value
/// than 0. That is returned, 0 after the last, or -1 with errno.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_list(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    each: Each,
    context: *mut c_void,
) -> c_int {
    answer(-1, || {
        let each = given(each)?;
        for entry in given(client)?.0.list(path.at(at)?)? {
            let name = CString::new(entry.name).map_err(|_| invalid())?;
            let done = each(context, name.as_ptr(), kind(entry.kind), entry.inode);
            if done != 0 {
                return Ok(done);
            }
        }
        Ok(0)
    })
}

/// As in dirent.h.
fn kind(kind: FileType) -> c_uchar {
    match kind {
        FileType::RegularFile => libc::DT_REG,
        FileType::Directory => libc::DT_DIR,
        FileType::Symlink => libc::DT_LNK,
        FileType::Fifo => libc::DT_FIFO,
        FileType::Socket => libc::DT_SOCK,
        FileType::CharacterDevice => libc::DT_CHR,
        FileType::BlockDevice => libc::DT_BLK,
        FileType::Unknown => libc::DT_UNKNOWN,
    }
}

/// fstatat(2); `flags` are 0 or AT_SYMLINK_NOFOLLOW.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_stat(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    status: Option<&mut MaybeUninit<libc::stat>>,
    flags: c_int,
) -> c_int {
    done(|| {
        let place = given(status)?;
        let told = given(client)?.0.stat(path.at(at)?, links(flags)?)?;
        place.write(status_of(&told));
        Ok(())
    })
}

fn status_of(told: &FileStat) -> libc::stat {
    let mut status: libc::stat = zeroed();
    status.st_dev = libc::makedev(told.device_major, told.device_minor);
    status.st_ino = told.inode;
    status.st_mode = told.mode;
    status.st_nlink = told.links.into();
    status.st_uid = told.user;
    status.st_gid = told.group;
    status.st_rdev = libc::makedev(told.special_major, told.special_minor);
    status.st_size = told.size.cast_signed();
    status.st_blksize = told.block_size.cast_signed().into();
    status.st_blocks = told.blocks.cast_signed();
    (status.st_atime, status.st_atime_nsec) = (told.accessed.0, told.accessed.1.into());
    (status.st_mtime, status.st_mtime_nsec) = (told.modified.0, told.modified.1.into());
    (status.st_ctime, status.st_ctime_nsec) = (told.changed.0, told.changed.1.into());
    status
}

/// faccessat(2); `mode` is F_OK, or R_OK, W_OK and X_OK together.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_access(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    mode: c_int,
) -> c_int {
    done(|| {
        let mode = Access::from_bits(mode.cast_unsigned()).ok_or_else(invalid)?;
        given(client)?.0.access(path.at(at)?, mode)
    })
}

/// readlinkat(2): how many bytes were written, without a zero at the end.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_readlink(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    mut buffer: Room,
    size: usize,
) -> ssize_t {
    answer(-1, || {
        if size == 0 {
            return Err(invalid());
        }
        let target = given(client)?.0.readlink(path.at(at)?)?;
        let length = buffer.write(size, &target)?;
        ssize_t::try_from(length).map_err(|_| invalid())
    })
}

/// statfs(2); f_fsid and f_flags are 0.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_statfs(
    client: Option<&mut Client>,
    at: Option<&Directory>,
    path: Text,
    status: Option<&mut MaybeUninit<libc::statfs>>,
) -> c_int {
    done(|| {
        let place = given(status)?;
        let told = given(client)?.0.statfs(path.at(at)?)?;
        place.write(system_of(&told));
        Ok(())
    })
}

fn system_of(told: &FileSystemStat) -> libc::statfs {
    let mut status: libc::statfs = zeroed();
    status.f_type = told.magic.cast_signed();
    status.f_bsize = told.block_size.cast_signed();
    status.f_blocks = told.blocks;
    status.f_bfree = told.blocks_free;
    status.f_bavail = told.blocks_available;
    status.f_files = told.files;
    status.f_ffree = told.files_free;
    status.f_namelen = told.name_length.cast_signed();
    status.f_frsize = told.fragment_size.cast_signed();
    status
}
