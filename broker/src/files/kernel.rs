//! The kernel's file system: each method is one system call.

use std::os::fd::{AsFd, OwnedFd};

use doorward_policy::Component;
use doorward_protocol::{FileStat, FileSystemStat, request::TimeArgument};
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, poll},
    fs::{
        AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, Statx, StatxFlags, Timespec,
        Timestamps, UTIME_NOW, UTIME_OMIT,
    },
    io::Errno,
    path::DecInt,
};

use super::filesystem::{Beneath, Detail, EntryOf, Filesystem, Pinning, Renaming, Status};
use crate::sys;

/// `STATX_MNT_ID_UNIQUE`; kernels before 6.8 answer with the reused id.
const MOUNT_UNIQUE: u32 = 0x4000;
/// Longest text that /proc/self/fd/N answers with: the kernel formats into one page.
const NAME_ROOM: usize = 4096;

/// The kernel's file system, as this process sees it.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// /proc/self/fd of this process, opened after its last fork.
    descriptors: OwnedFd,
    /// A pipe into which a FIFO's first byte is copied to see whether it has a writer.
    copies: (OwnedFd, OwnedFd),
}

impl Kernel {
    /// Opens what it needs of /proc.
    ///
    /// # Errors
    /// The kernel's; `ENODEV` when /proc is not procfs.
    pub(crate) fn open() -> Result<Self, Errno> {
        let descriptors = rustix::fs::openat(
            CWD,
            c"/proc/self/fd",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let status = rustix::fs::fstatfs(&descriptors)?;
        if u64::try_from(status.f_type) != Ok(super::mount::PROC) {
            return Err(Errno::NODEV);
        }
        let flags = rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK;
        Ok(Self {
            descriptors,
            copies: rustix::pipe::pipe_with(flags)?,
        })
    }

    /// Pins the root directory of this process.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn root() -> Result<OwnedFd, Errno> {
        rustix::fs::openat(
            CWD,
            c"/",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }
}

fn path(rest: Beneath<'_>) -> &[u8] {
    match rest.as_bytes() {
        b"" => b".",
        bytes => bytes,
    }
}

fn resolve(cached: bool) -> ResolveFlags {
    let flags = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    if cached {
        flags | ResolveFlags::CACHED
    } else {
        flags
    }
}

fn time(argument: TimeArgument) -> Timespec {
    match argument {
        TimeArgument::Now => Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        },
        TimeArgument::Omit => Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        TimeArgument::At {
            seconds,
            nanoseconds,
        } => Timespec {
            tv_sec: seconds,
            tv_nsec: i64::from(nanoseconds),
        },
    }
}

fn status_of(from: &Statx) -> Status {
    let stamp = |stamp: &rustix::fs::StatxTimestamp| (stamp.tv_sec, stamp.tv_nsec);
    let born = (from.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| stamp(&from.stx_btime));
    Status {
        stat: FileStat {
            device_major: from.stx_dev_major,
            device_minor: from.stx_dev_minor,
            inode: from.stx_ino,
            mode: u32::from(from.stx_mode),
            links: from.stx_nlink,
            user: from.stx_uid,
            group: from.stx_gid,
            special_major: from.stx_rdev_major,
            special_minor: from.stx_rdev_minor,
            size: from.stx_size,
            block_size: from.stx_blksize,
            blocks: from.stx_blocks,
            accessed: stamp(&from.stx_atime),
            modified: stamp(&from.stx_mtime),
            changed: stamp(&from.stx_ctime),
            born,
            attributes: from.stx_attributes.bits(),
        },
        mount: from.stx_mnt_id,
    }
}

impl Filesystem for Kernel {
    type Pin = OwnedFd;

    fn pin(&self, start: &OwnedFd, rest: Beneath<'_>, how: Pinning) -> Result<OwnedFd, Errno> {
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        flags.set(OFlags::NOFOLLOW, how.link);
        flags.set(OFlags::DIRECTORY, how.directory);
        rustix::fs::openat2(
            start,
            path(rest),
            flags,
            Mode::empty(),
            resolve(how.cached) | ResolveFlags::NO_XDEV,
        )
    }

    fn cross(&self, parent: &OwnedFd, leaf: Component<'_>, cached: bool) -> Result<OwnedFd, Errno> {
        rustix::fs::openat2(
            parent,
            leaf.as_bytes(),
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
            resolve(cached),
        )
    }

    fn status(&self, pin: &OwnedFd, detail: Detail) -> Result<Status, Errno> {
        let wanted = match detail {
            Detail::Identity => {
                StatxFlags::TYPE | StatxFlags::MODE | StatxFlags::INO | StatxFlags::NLINK
            }
            Detail::Whole => StatxFlags::BASIC_STATS | StatxFlags::BTIME,
        };
        let answer = rustix::fs::statx(
            pin,
            c"",
            AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC,
            wanted | StatxFlags::MNT_ID | StatxFlags::from_bits_retain(MOUNT_UNIQUE),
        )?;
        Ok(status_of(&answer))
    }

    fn mount_magic(&self, mount: u64) -> Result<u64, Errno> {
        sys::files::mount_magic(mount)
    }

    fn file_system(&self, pin: &OwnedFd) -> Result<FileSystemStat, Errno> {
        let from = rustix::fs::fstatfs(pin)?;
        let number = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(FileSystemStat {
            magic: number(from.f_type),
            block_size: number(from.f_bsize),
            blocks: from.f_blocks,
            blocks_free: from.f_bfree,
            blocks_available: from.f_bavail,
            files: from.f_files,
            files_free: from.f_ffree,
            name_length: number(from.f_namelen),
            fragment_size: number(from.f_frsize),
            flags: number(from.f_flags),
        })
    }

    fn name(&self, pin: &OwnedFd, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        buffer.reserve(NAME_ROOM);
        let read = rustix::fs::readlinkat_raw(
            &self.descriptors,
            DecInt::from_fd(pin),
            spare_capacity(buffer),
        )?;
        if read >= NAME_ROOM {
            return Err(Errno::NAMETOOLONG);
        }
        Ok(())
    }

    fn target(&self, link: &OwnedFd, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        buffer.reserve(NAME_ROOM);
        rustix::fs::readlinkat_raw(link, c"", spare_capacity(buffer)).map(drop)
    }

    fn reopen(&self, pin: &OwnedFd, flags: OFlags, mode: u32) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(
            &self.descriptors,
            DecInt::from_fd(pin),
            flags | OFlags::CLOEXEC | OFlags::NOCTTY,
            Mode::from_raw_mode(mode),
        )
    }

    fn create(
        &self,
        parent: &OwnedFd,
        leaf: Component<'_>,
        flags: OFlags,
        mode: u32,
    ) -> Result<OwnedFd, Errno> {
        let always =
            OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        rustix::fs::openat2(
            parent,
            leaf.as_bytes(),
            flags | always,
            Mode::from_raw_mode(mode),
            resolve(false) | ResolveFlags::NO_XDEV,
        )
    }

    fn had_writer(&self, fifo: &OwnedFd) -> Result<bool, Errno> {
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut look = [PollFd::new(fifo, PollFlags::IN)];
        Ok(poll(&mut look, Some(&at_once))? > 0)
    }

    fn has_writer(&self, fifo: &OwnedFd) -> Result<bool, Errno> {
        // A read of nothing would tell (0: no writer, EAGAIN: one that has not written),
        // but must not take what is written. tee(2) takes nothing.
        match rustix::pipe::tee(fifo, &self.copies.1, 1, rustix::pipe::SpliceFlags::NONBLOCK) {
            Ok(copied) => Ok(copied > 0),
            Err(Errno::AGAIN) => Ok(true),
            Err(errno) => Err(errno),
        }
    }

    fn forget_copy(&self) -> Result<(), Errno> {
        rustix::io::read(&self.copies.0, &mut [0u8; 16]).map(drop)
    }

    fn set_flags(&self, file: &OwnedFd, flags: OFlags) -> Result<(), Errno> {
        rustix::fs::fcntl_setfl(file, flags)
    }

    fn resize(&self, file: &OwnedFd, length: u64) -> Result<(), Errno> {
        rustix::fs::ftruncate(file, length)
    }

    fn make_directory(
        &self,
        parent: &OwnedFd,
        leaf: Component<'_>,
        mode: u32,
    ) -> Result<(), Errno> {
        rustix::fs::mkdirat(parent, leaf.as_bytes(), Mode::from_raw_mode(mode))
    }

    fn remove(&self, parent: &OwnedFd, leaf: Component<'_>, directory: bool) -> Result<(), Errno> {
        let flags = if directory {
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        rustix::fs::unlinkat(parent, leaf.as_bytes(), flags)
    }

    fn rename(
        &self,
        old: EntryOf<'_, OwnedFd>,
        new: EntryOf<'_, OwnedFd>,
        how: Renaming,
    ) -> Result<(), Errno> {
        let flags = match how {
            Renaming::Replace => RenameFlags::empty(),
            Renaming::Keep => RenameFlags::NOREPLACE,
            Renaming::Exchange => RenameFlags::EXCHANGE,
        };
        rustix::fs::renameat_with(
            old.parent.as_fd(),
            old.leaf.as_bytes(),
            new.parent.as_fd(),
            new.leaf.as_bytes(),
            flags,
        )
    }

    fn link(&self, pin: &OwnedFd, new: EntryOf<'_, OwnedFd>) -> Result<(), Errno> {
        // By /proc/self/fd, since AT_EMPTY_PATH needs a capability that the broker drops.
        rustix::fs::linkat(
            &self.descriptors,
            DecInt::from_fd(pin),
            new.parent.as_fd(),
            new.leaf.as_bytes(),
            AtFlags::SYMLINK_FOLLOW,
        )
    }

    fn symlink(&self, target: &[u8], new: EntryOf<'_, OwnedFd>) -> Result<(), Errno> {
        rustix::fs::symlinkat(target, new.parent.as_fd(), new.leaf.as_bytes())
    }

    fn set_mode(&self, pin: &OwnedFd, mode: u32) -> Result<(), Errno> {
        rustix::fs::chmodat(
            &self.descriptors,
            DecInt::from_fd(pin),
            Mode::from_raw_mode(mode),
            AtFlags::empty(),
        )
    }

    fn set_times(&self, pin: &OwnedFd, times: [TimeArgument; 2]) -> Result<(), Errno> {
        let [last_access, last_modification] = times.map(time);
        rustix::fs::utimensat(
            pin,
            c"",
            &Timestamps {
                last_access,
                last_modification,
            },
            AtFlags::EMPTY_PATH,
        )
    }

    fn access(&self, pin: &OwnedFd, mode: u32) -> Result<(), Errno> {
        sys::files::access(pin.as_fd(), mode)
    }
}
