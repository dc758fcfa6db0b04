//! The file system as the path engine sees it.
//!
//! Every method issues exactly one system call, so that the in-memory model can
//! let an adversary move between any two of them. Parameters are pins and checked
//! types: no method takes a path that has not been checked.

use doorward_policy::{AbsName, Component};
use doorward_protocol::{FileStat, FileSystemStat, request::TimeArgument};
use rustix::{fs::OFlags, io::Errno};

use crate::service::FileIdentity;

/// A checked relative name: components joined by single slashes, none of them `.`
/// or `..`; empty means the starting directory itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beneath<'a>(&'a [u8]);

impl<'a> Beneath<'a> {
    /// The starting directory itself.
    pub(crate) const SELF: Beneath<'static> = Beneath(b"");

    /// What is left of `name` below `prefix`.
    pub(crate) fn of(name: &'a AbsName, prefix: &AbsName) -> Option<Self> {
        name.below(prefix).map(Self)
    }

    /// The bytes, without a leading slash.
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> From<Component<'a>> for Beneath<'a> {
    fn from(component: Component<'a>) -> Self {
        Self(component.as_bytes())
    }
}

/// How a name beneath a pin is pinned. Links and mounts are never crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pinning {
    /// A link as last component is pinned itself, instead of `ELOOP`.
    pub(crate) link: bool,
    /// It must be a directory.
    pub(crate) directory: bool,
    /// Only what the caches hold, else `EAGAIN`.
    pub(crate) cached: bool,
}

/// How much of a status is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Type, mode, links, inode, device and mount.
    Identity,
    /// All of it.
    Whole,
}

/// What kind of object it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
}

/// The status of a pinned object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    /// The fields of statx(2).
    pub(crate) stat: FileStat,
    /// The unique id of the mount it was pinned through.
    pub(crate) mount: u64,
}

impl Status {
    /// Of an object whose status was not asked for.
    pub(crate) fn unknown() -> Self {
        Self {
            stat: FileStat::default(),
            mount: 0,
        }
    }

    /// What kind of object it is.
    pub(crate) fn kind(&self) -> Kind {
        match self.stat.mode & libc::S_IFMT {
            libc::S_IFREG => Kind::File,
            libc::S_IFDIR => Kind::Directory,
            libc::S_IFLNK => Kind::Link,
            libc::S_IFIFO => Kind::Fifo,
            libc::S_IFSOCK => Kind::Socket,
            _ => Kind::Device,
        }
    }

    /// Device and inode.
    pub(crate) fn identity(&self) -> FileIdentity {
        FileIdentity {
            major: self.stat.device_major,
            minor: self.stat.device_minor,
            inode: self.stat.inode,
        }
    }
}

/// One end of a rename or link: an entry of a pinned directory.
#[derive(Debug)]
pub(crate) struct EntryOf<'a, P> {
    /// The directory.
    pub(crate) parent: &'a P,
    /// The entry's name in it.
    pub(crate) leaf: Component<'a>,
}

/// How a rename treats an existing entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renaming {
    /// It is replaced.
    Replace,
    /// `EEXIST`.
    Keep,
    /// The two change places.
    Exchange,
}

/// A file system. Each method issues exactly one system call.
pub(crate) trait Filesystem {
    /// A descriptor: a pin (`O_PATH`) or an opened file. Dropping it closes it.
    type Pin;

    /// openat2 beneath `start`: BENEATH, NO_SYMLINKS, NO_MAGICLINKS, NO_XDEV.
    ///
    /// # Errors
    /// The kernel's; `ELOOP` for a link on the way, `EXDEV` for a mount.
    fn pin(&self, start: &Self::Pin, rest: Beneath<'_>, how: Pinning) -> Result<Self::Pin, Errno>;

    /// As [`Filesystem::pin`] for one component that may be a mount point.
    ///
    /// # Errors
    /// The kernel's.
    fn cross(
        &self,
        parent: &Self::Pin,
        leaf: Component<'_>,
        cached: bool,
    ) -> Result<Self::Pin, Errno>;

    /// statx of the object, never asking a file-system server.
    ///
    /// # Errors
    /// The kernel's.
    fn status(&self, pin: &Self::Pin, detail: Detail) -> Result<Status, Errno>;

    /// The file-system magic of a mount, by its unique id.
    ///
    /// # Errors
    /// `ENOSYS` where the kernel has no statmount.
    fn mount_magic(&self, mount: u64) -> Result<u64, Errno>;

    /// fstatfs. It may wait for a file-system server.
    ///
    /// # Errors
    /// The kernel's.
    fn file_system(&self, pin: &Self::Pin) -> Result<FileSystemStat, Errno>;

    /// The name the object has now, appended to `buffer`: a snapshot.
    ///
    /// # Errors
    /// The kernel's; `ENAMETOOLONG` for a longer one than a name may be.
    fn name(&self, pin: &Self::Pin, buffer: &mut Vec<u8>) -> Result<(), Errno>;

    /// What a pinned link says, appended to `buffer`.
    ///
    /// # Errors
    /// The kernel's.
    fn target(&self, link: &Self::Pin, buffer: &mut Vec<u8>) -> Result<(), Errno>;

    /// Opens the pinned object anew: a description made for this grant alone.
    ///
    /// # Errors
    /// The kernel's.
    fn reopen(&self, pin: &Self::Pin, flags: OFlags, mode: u32) -> Result<Self::Pin, Errno>;

    /// Creates and opens a regular file that did not exist.
    ///
    /// # Errors
    /// The kernel's; `EEXIST` for any existing entry.
    fn create(
        &self,
        parent: &Self::Pin,
        leaf: Component<'_>,
        flags: OFlags,
        mode: u32,
    ) -> Result<Self::Pin, Errno>;

    /// Whether a FIFO open for reading has something to be read, or had a writer since it was
    /// opened and has none now.
    ///
    /// # Errors
    /// The kernel's.
    fn had_writer(&self, fifo: &Self::Pin) -> Result<bool, Errno>;

    /// Whether a FIFO open for reading has a writer.
    ///
    /// # Errors
    /// The kernel's.
    fn has_writer(&self, fifo: &Self::Pin) -> Result<bool, Errno>;

    /// Takes back what [`Filesystem::has_writer`] copied to find out.
    ///
    /// # Errors
    /// The kernel's; `EAGAIN` when there is nothing.
    fn forget_copy(&self) -> Result<(), Errno>;

    /// Sets the status flags of an open file.
    ///
    /// # Errors
    /// The kernel's.
    fn set_flags(&self, file: &Self::Pin, flags: OFlags) -> Result<(), Errno>;

    /// ftruncate.
    ///
    /// # Errors
    /// The kernel's.
    fn resize(&self, file: &Self::Pin, length: u64) -> Result<(), Errno>;

    /// mkdirat.
    ///
    /// # Errors
    /// The kernel's.
    fn make_directory(
        &self,
        parent: &Self::Pin,
        leaf: Component<'_>,
        mode: u32,
    ) -> Result<(), Errno>;

    /// unlinkat, with `AT_REMOVEDIR` for a directory.
    ///
    /// # Errors
    /// The kernel's.
    fn remove(&self, parent: &Self::Pin, leaf: Component<'_>, directory: bool)
    -> Result<(), Errno>;

    /// renameat2.
    ///
    /// # Errors
    /// The kernel's.
    fn rename(
        &self,
        old: EntryOf<'_, Self::Pin>,
        new: EntryOf<'_, Self::Pin>,
        how: Renaming,
    ) -> Result<(), Errno>;

    /// A further name for the pinned object.
    ///
    /// # Errors
    /// The kernel's.
    fn link(&self, pin: &Self::Pin, new: EntryOf<'_, Self::Pin>) -> Result<(), Errno>;

    /// symlinkat.
    ///
    /// # Errors
    /// The kernel's.
    fn symlink(&self, target: &[u8], new: EntryOf<'_, Self::Pin>) -> Result<(), Errno>;

    /// Sets the mode bits of the pinned object.
    ///
    /// # Errors
    /// The kernel's.
    fn set_mode(&self, pin: &Self::Pin, mode: u32) -> Result<(), Errno>;

    /// Sets the times of the pinned object.
    ///
    /// # Errors
    /// The kernel's.
    fn set_times(&self, pin: &Self::Pin, times: [TimeArgument; 2]) -> Result<(), Errno>;

    /// faccessat2 of the pinned object.
    ///
    /// # Errors
    /// The kernel's.
    fn access(&self, pin: &Self::Pin, mode: u32) -> Result<(), Errno>;
}
