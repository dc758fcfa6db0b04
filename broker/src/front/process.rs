//! A process that asks, as the kernel's /proc tells of it.
//!
//! Everything is read through a number; each answer is used only if that still was the
//! asker's after it was read. How that is known is the front's.

use std::{fmt::Write as _, os::fd::OwnedFd};

use doorward_protocol::Base;
use rustix::{fs::OFlags, io::Errno};

use crate::service::{FileIdentity, Place};

/// What tells whether a number still is the asker's.
pub(super) trait Holds {
    /// Whether it is.
    fn valid(&self) -> bool;
}

/// A process, by the number of one of its threads.
#[derive(Clone, Copy)]
pub(super) struct Process<'a> {
    pub(super) thread: i32,
    pub(super) holds: &'a dyn Holds,
}

impl Process<'_> {
    /// Hands `value` on only if the thread still waits.
    pub(super) fn held<T>(&self, value: Result<T, Errno>) -> Result<T, Errno> {
        if self.holds.valid() {
            value
        } else {
            Err(Errno::SRCH)
        }
    }

    fn entry(&self, entry: &str) -> String {
        let mut path = format!("/proc/{}/", self.thread);
        let _ = path.write_str(entry);
        path
    }

    /// A line of /proc/TID/status, without its key.
    pub(super) fn status(&self, keys: &[&str]) -> Result<Vec<String>, Errno> {
        let text = std::fs::read(self.entry("status")).map_err(|_| Errno::SRCH);
        let text = String::from_utf8_lossy(&self.held(text)?).into_owned();
        keys.iter()
            .map(|key| {
                text.lines()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
                    .map(|value| value.trim().to_owned())
                    .ok_or(Errno::SRCH)
            })
            .collect()
    }

    pub(super) fn number(&self, key: &str) -> Result<u32, Errno> {
        let lines = self.status(&[key])?;
        let last = lines
            .first()
            .and_then(|line| line.split_whitespace().last());
        last.and_then(|text| text.parse().ok()).ok_or(Errno::SRCH)
    }

    /// The process this thread belongs to, as the broker numbers it.
    pub(super) fn leader(&self) -> Result<u32, Errno> {
        let lines = self.status(&["Tgid"])?;
        lines
            .first()
            .and_then(|text| text.parse().ok())
            .ok_or(Errno::SRCH)
    }

    pub(super) fn place(&self, base: Base) -> Result<Place, Errno> {
        let (entry, missing) = match base {
            Base::WorkingDirectory => (self.entry("cwd"), Errno::NOENT),
            Base::Descriptor(number) if number >= 0 => {
                (self.entry(&format!("fd/{number}")), Errno::BADF)
            }
            Base::Descriptor(_) => return Err(Errno::BADF),
        };
        let name = rustix::fs::readlink(&entry, Vec::new()).map_err(|_| missing);
        let name = self.held(name)?.into_bytes();
        let status = rustix::fs::stat(&entry).map_err(|_| missing);
        let status = self.held(status)?;
        if rustix::fs::FileType::from_raw_mode(status.st_mode) != rustix::fs::FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        if !name.starts_with(b"/") {
            return Err(Errno::NOENT);
        }
        let identity = FileIdentity {
            major: rustix::fs::major(status.st_dev),
            minor: rustix::fs::minor(status.st_dev),
            inode: status.st_ino,
        };
        Ok(Place { name, identity })
    }

    pub(super) fn umask(&self) -> Result<u32, Errno> {
        let lines = self.status(&["Umask"])?;
        let text = lines.first().ok_or(Errno::SRCH)?;
        u32::from_str_radix(text, 8).map_err(|_| Errno::SRCH)
    }

    pub(super) fn directory(&self) -> Result<OwnedFd, Errno> {
        let path = format!("/proc/{}", self.leader()?);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(rustix::fs::CWD, path, flags, rustix::fs::Mode::empty());
        self.held(directory)
    }

    /// The duplicate, or where those cannot be had a pin of the object.
    pub(super) fn pin(
        &self,
        number: i32,
        duplicate: Result<OwnedFd, Errno>,
    ) -> Result<OwnedFd, Errno> {
        match duplicate {
            // Filters of containers refuse pidfd_getfd.
            Err(Errno::PERM | Errno::NOSYS) => {
                let path = self.entry(&format!("fd/{number}"));
                let flags = OFlags::PATH | OFlags::CLOEXEC;
                let mode = rustix::fs::Mode::empty();
                let pin = rustix::fs::openat(rustix::fs::CWD, path, flags, mode);
                self.held(pin.map_err(|_| Errno::BADF))
            }
            other => other,
        }
    }

    pub(super) fn socket(&self, number: i32) -> Result<u64, Errno> {
        let link = rustix::fs::readlink(self.entry(&format!("fd/{number}")), Vec::new());
        let link = self.held(link.map_err(|_| Errno::BADF))?;
        let inode = link.to_str().ok().and_then(|text| {
            let digits = text.strip_prefix("socket:[")?.strip_suffix(']')?;
            digits.parse().ok()
        });
        inode.ok_or(Errno::NOTSOCK)
    }

    pub(super) fn credentials(&self) -> Result<(u32, u32), Errno> {
        Ok((self.number("Uid")?, self.number("Gid")?))
    }
}
