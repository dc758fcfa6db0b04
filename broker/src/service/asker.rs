//! Who asks: what a service may learn about the process behind a request.
//!
//! Every answer comes from the kernel (`/proc/TID/…`, pidfd_getfd), validated by
//! the front after it was read; nothing is kept in tables.

use std::os::fd::OwnedFd;

use doorward_policy::AbsName;
use doorward_protocol::Base;
use rustix::io::Errno;

/// A directory of the asker: its name as the kernel tells it, and its identity,
/// so that a walk of the name from our own roots can be held to the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name read from the kernel, absolute, in the asker's view. Untrusted.
    pub name: Vec<u8>,
    /// Device (`statx` major and minor) and inode of the object.
    pub identity: FileIdentity,
}

/// Device and inode of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// Major number of the device.
    pub major: u32,
    /// Minor number of the device.
    pub minor: u32,
    /// Inode number.
    pub inode: u64,
}

/// How long a service may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Only what the caches hold (`RESOLVE_CACHED`): else [`super::Outcome::WouldBlock`].
    Cached,
    /// It runs on a worker thread and may block up to the deadline.
    Blocking,
}

/// The process behind a request.
pub trait Asker {
    /// The directory that `base` names.
    ///
    /// # Errors
    /// `EBADF` for no such descriptor, `ENOTDIR` for one that is no directory, `ENOENT` for none.
    fn place(&self, base: Base) -> Result<Place, Errno>;

    /// Its umask, 0 to 0o777.
    ///
    /// # Errors
    /// `ESRCH` when it is gone.
    fn umask(&self) -> Result<u32, Errno>;

    /// Its process id as its own pid namespace numbers it (what /proc/self says).
    ///
    /// # Errors
    /// `ESRCH` when it is gone.
    fn process(&self) -> Result<u32, Errno>;

    /// Its thread id, numbered likewise.
    ///
    /// # Errors
    /// `ESRCH` when it is gone.
    fn thread(&self) -> Result<u32, Errno>;

    /// The directory of this process in the broker's own /proc, opened O_PATH
    /// (`/proc/PID`), validated to be the asker's. `None` through `api`.
    ///
    /// # Errors
    /// `ESRCH` when it is gone.
    fn proc_directory(&self) -> Result<Option<OwnedFd>, Errno>;

    /// A duplicate of its own descriptor `number`.
    ///
    /// # Errors
    /// `EBADF` for no such descriptor, `EOPNOTSUPP` where duplicates cannot be had.
    fn descriptor(&self, number: i32) -> Result<OwnedFd, Errno>;

    /// The inode number of its own socket `number`, where duplicates cannot be had.
    ///
    /// # Errors
    /// `EBADF` for no such descriptor, `ENOTSOCK` for one that is no socket, `EOPNOTSUPP`
    /// where this cannot be had either.
    fn socket(&self, number: i32) -> Result<u64, Errno> {
        let _ = number;
        Err(Errno::OPNOTSUPP)
    }

    /// Its file-system uid and gid, for UNIX connects.
    ///
    /// # Errors
    /// `ESRCH` when it is gone.
    fn credentials(&self) -> Result<(u32, u32), Errno>;

    /// Its descriptor `number`: a duplicate, or where those cannot be had a pin of the
    /// object, with which it can be looked at and changed by name but not locked.
    ///
    /// # Errors
    /// As [`Asker::descriptor`].
    fn pin(&self, number: i32) -> Result<OwnedFd, Errno> {
        self.descriptor(number)
    }

    /// Whether this exec is the start of a program whose typed spawn was allowed.
    fn starts(&self, _program: &AbsName) -> bool {
        false
    }

    /// Asked now and then by what blocks: the errno to answer when the request is
    /// to be given up (a signal the thread would take, its death, the deadline).
    fn interrupted(&self) -> Option<Errno>;
}
