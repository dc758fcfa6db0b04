//! Where a call acts: a name, or a name in a directory that was granted.

use std::{
    ffi::{CStr, OsStr},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use doorward_protocol::{Base, request::PathArgument};
use rustix::io::Errno;

use crate::{Entry, listing};

/// A name, absolute or in a [`Directory`]. There is no working directory on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'a> {
    /// The lane that the handle belongs to.
    pub(crate) lane: Option<u64>,
    pub(crate) path: PathArgument<'a>,
}

/// Whether a symbolic link as last component is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is.
    Follow,
    /// The link itself is meant.
    Itself,
}

impl Links {
    pub(crate) fn follow(self) -> bool {
        self == Self::Follow
    }
}

/// A directory that was granted: it can be listed, and names in it can be asked for by the
/// client that opened it. Give it to [`crate::Client::forget`] when it is not needed any more.
#[derive(Debug)]
pub struct Directory {
    pub(crate) descriptor: OwnedFd,
    pub(crate) handle: i32,
    pub(crate) lane: u64,
}

impl Directory {
    /// A name in it.
    pub fn at<'a>(&self, name: &'a (impl AsRef<OsStr> + ?Sized)) -> At<'a> {
        At {
            lane: Some(self.lane),
            path: PathArgument {
                base: Base::Descriptor(self.handle),
                bytes: name.as_ref().as_bytes(),
            },
        }
    }

    /// What is in it, but `.` and `..`, from its beginning. The kernel lists it.
    ///
    /// # Errors
    /// What getdents64(2) meets.
    pub fn list(&self) -> Result<Vec<Entry>, Errno> {
        rustix::fs::seek(&self.descriptor, rustix::fs::SeekFrom::Start(0))?;
        listing::read(&self.descriptor)
    }

    /// The directory itself, for stat, chmod, chown, utimens and statfs.
    pub fn itself(&self) -> At<'static> {
        self.at("")
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl<'a> From<&'a [u8]> for At<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self {
            lane: None,
            path: PathArgument {
                base: Base::WorkingDirectory,
                bytes,
            },
        }
    }
}

impl<'a> From<&'a str> for At<'a> {
    fn from(text: &'a str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl<'a> From<&'a String> for At<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl<'a> From<&'a Path> for At<'a> {
    fn from(path: &'a Path) -> Self {
        Self::from(path.as_os_str().as_bytes())
    }
}

impl<'a> From<&'a CStr> for At<'a> {
    fn from(text: &'a CStr) -> Self {
        Self::from(text.to_bytes())
    }
}
