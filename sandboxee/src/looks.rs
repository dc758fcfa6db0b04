//! Calls that open and look.

use std::os::fd::OwnedFd;

use doorward_protocol::{FileStat, FileSystemStat, Reply, Request};
use rustix::fs::{Access, Mode, OFlags};

use crate::{At, Broken, Client, ClientError, Directory, Entry, Links, listing};

impl Client {
    /// open(2). The descriptor is close-on-exec.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn open<'a>(
        &mut self,
        at: impl Into<At<'a>>,
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd, ClientError> {
        self.open_as(at.into(), flags, mode)
            .map(|(_, descriptor)| descriptor)
    }

    /// Opens a directory to list it and to name what is in it.
    ///
    /// # Errors
    /// [`ClientError`]; `EMFILE` when the lane has as many directories as it may.
    pub fn directory<'a>(&mut self, at: impl Into<At<'a>>) -> Result<Directory, ClientError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.open_as(at.into(), flags, Mode::empty())? {
            (Some(handle), descriptor) => Ok(Directory {
                descriptor,
                handle,
                lane: self.number(),
            }),
            (None, _) => Err(self.broken(Broken::Handle)),
        }
    }

    /// Gives up a directory. Its descriptor is closed, and the broker's pin of it.
    ///
    /// # Errors
    /// `EBADF` when another client opened it.
    pub fn forget(&mut self, directory: Directory) -> Result<(), ClientError> {
        self.path(directory.itself())?;
        self.done(&Request::Forget {
            handle: directory.handle,
        })
    }

    /// What is in a directory, but `.` and `..`. One round trip; the kernel lists it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn list<'a>(&mut self, at: impl Into<At<'a>>) -> Result<Vec<Entry>, ClientError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let (_, directory) = self.open_as(at.into(), flags, Mode::empty())?;
        listing::read(&directory).map_err(ClientError::Errno)
    }

    fn open_as(
        &mut self,
        at: At<'_>,
        flags: OFlags,
        mode: Mode,
    ) -> Result<(Option<i32>, OwnedFd), ClientError> {
        let path = self.path(at)?;
        self.granted(&Request::Open {
            path,
            flags: u64::from((flags | OFlags::CLOEXEC).bits()),
            mode: mode.bits(),
            resolve: 0,
        })
    }

    /// stat(2), lstat(2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn stat<'a>(
        &mut self,
        at: impl Into<At<'a>>,
        links: Links,
    ) -> Result<FileStat, ClientError> {
        let path = self.path(at.into())?;
        let follow = links.follow();
        match self.call(&Request::Stat { path, follow })? {
            (Reply::Stat(stat), _) => Ok(stat),
            _ => Err(self.broken(Broken::Value)),
        }
    }

    /// access(2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn access<'a>(&mut self, at: impl Into<At<'a>>, access: Access) -> Result<(), ClientError> {
        let path = self.path(at.into())?;
        self.done(&Request::Access {
            path,
            mode: access.bits(),
            follow: true,
        })
    }

    /// readlink(2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn readlink<'a>(&mut self, at: impl Into<At<'a>>) -> Result<Vec<u8>, ClientError> {
        let path = self.path(at.into())?;
        match self.call(&Request::Readlink { path })? {
            (Reply::Bytes(bytes), _) => Ok(bytes.to_vec()),
            _ => Err(self.broken(Broken::Value)),
        }
    }

    /// statfs(2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn statfs<'a>(&mut self, at: impl Into<At<'a>>) -> Result<FileSystemStat, ClientError> {
        let path = self.path(at.into())?;
        match self.call(&Request::Statfs { path })? {
            (Reply::FileSystem(stat), _) => Ok(stat),
            _ => Err(self.broken(Broken::Value)),
        }
    }
}
