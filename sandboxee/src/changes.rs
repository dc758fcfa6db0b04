//! Calls that change files and names.

use doorward_protocol::{
    Request,
    request::{PathArgument, TimeArgument},
};
use rustix::fs::{Mode, RenameFlags};

use crate::{At, Client, ClientError, Links};

impl Client {
    fn change<'a>(
        &mut self,
        at: impl Into<At<'a>>,
        request: impl FnOnce(PathArgument<'a>) -> Request<'a>,
    ) -> Result<(), ClientError> {
        let path = self.path(at.into())?;
        self.done(&request(path))
    }

    /// mkdir(2). The umask is 022.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn mkdir<'a>(&mut self, at: impl Into<At<'a>>, mode: Mode) -> Result<(), ClientError> {
        let mode = mode.bits();
        self.change(at, |path| Request::Mkdir { path, mode })
    }

    /// rmdir(2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn rmdir<'a>(&mut self, at: impl Into<At<'a>>) -> Result<(), ClientError> {
        self.change(at, |path| Request::Rmdir { path })
    }

    /// unlink(2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn unlink<'a>(&mut self, at: impl Into<At<'a>>) -> Result<(), ClientError> {
        self.change(at, |path| Request::Unlink { path })
    }

    /// renameat2(2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn rename<'a>(
        &mut self,
        old: impl Into<At<'a>>,
        new: impl Into<At<'a>>,
        flags: RenameFlags,
    ) -> Result<(), ClientError> {
        let (old, new) = (self.path(old.into())?, self.path(new.into())?);
        let flags = flags.bits();
        self.done(&Request::Rename { old, new, flags })
    }

    /// link(2): a further name for a file.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn link<'a>(
        &mut self,
        old: impl Into<At<'a>>,
        new: impl Into<At<'a>>,
    ) -> Result<(), ClientError> {
        let (old, new) = (self.path(old.into())?, self.path(new.into())?);
        self.done(&Request::Link { old, new, flags: 0 })
    }

    /// symlink(2): a link at `at` that says `target`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn symlink<'a>(
        &mut self,
        target: &'a [u8],
        at: impl Into<At<'a>>,
    ) -> Result<(), ClientError> {
        self.change(at, |path| Request::Symlink { target, path })
    }

    /// chmod(2). Set-id bits are never set.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn chmod<'a>(&mut self, at: impl Into<At<'a>>, mode: Mode) -> Result<(), ClientError> {
        let mode = mode.bits();
        self.change(at, |path| Request::Chmod {
            path,
            mode,
            follow: true,
        })
    }

    /// chown(2), lchown(2). None leaves an id as it is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn chown<'a>(
        &mut self,
        at: impl Into<At<'a>>,
        user: Option<u32>,
        group: Option<u32>,
        links: Links,
    ) -> Result<(), ClientError> {
        self.change(at, |path| Request::Chown {
            path,
            user: user.unwrap_or(u32::MAX),
            group: group.unwrap_or(u32::MAX),
            follow: links.follow(),
        })
    }

    /// utimensat(2): the times of access and of modification.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn utimens<'a>(
        &mut self,
        at: impl Into<At<'a>>,
        times: [TimeArgument; 2],
        links: Links,
    ) -> Result<(), ClientError> {
        self.change(at, |path| Request::Utimens {
            path,
            times,
            follow: links.follow(),
        })
    }

    /// truncate(2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn truncate<'a>(&mut self, at: impl Into<At<'a>>, length: u64) -> Result<(), ClientError> {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        self.change(at, |path| Request::Truncate { path, length })
    }
}
