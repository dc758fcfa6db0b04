//! The process behind a notification, as the kernel's /proc tells of it.
//!
//! Everything is read through the number of a thread that waits in a notification;
//! each answer is used only if the notification's id is still valid after it was read,
//! since only then the number cannot have become another thread's.

use std::{
    cell::Cell,
    fmt::Write as _,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use doorward_policy::AbsName;
use doorward_protocol::Base;
use rustix::{fs::OFlags, io::Errno, process::PidfdGetfdFlags};

use crate::{
    front::{Starting, workers::Slot},
    service::{Asker, FileIdentity, Place},
    sys::{notify, process},
};

/// ERESTARTSYS: the kernel then handles the signal as it would natively.
const RESTART: i32 = 512;

/// A thread that waits for the answer to its notification.
#[derive(Clone, Copy)]
pub(super) struct Waiting<'a> {
    pub(super) listener: BorrowedFd<'a>,
    pub(super) id: u64,
    pub(super) thread: i32,
    /// Its place among the workers, if one of them performs it.
    pub(super) slot: Option<&'a Slot<'a>>,
    /// The program that a typed spawn starts here.
    pub(super) starting: Option<&'a Starting>,
    /// The thread that was last asked for a descriptor, kept by the thread that serves.
    pub(super) last: Option<&'a Last>,
}

/// A thread and what names it for good. Kept beyond its request, it is of use only while that
/// very thread lives: its number is no other's until then, and the kernel says when it is gone.
pub(super) type Last = Cell<Option<(i32, OwnedFd)>>;

impl Waiting<'_> {
    pub(super) fn valid(&self) -> bool {
        notify::valid(self.listener, self.id)
    }

    /// Hands `value` on only if the thread still waits.
    fn held<T>(&self, value: Result<T, Errno>) -> Result<T, Errno> {
        if self.valid() {
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
    fn status(&self, keys: &[&str]) -> Result<Vec<String>, Errno> {
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

    fn keep(&self, process: OwnedFd) {
        if let Some(last) = self.last {
            last.set(Some((self.thread, process)));
        }
    }

    fn number(&self, key: &str) -> Result<u32, Errno> {
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

    /// Whether a signal waits that this thread, or its whole process, would take.
    ///
    /// The kernel then acts as natively on 512, but only in the thread that it chose for the
    /// signal; in another the program would see 512. A signal of the whole process is the
    /// leader's unless that blocks it, so other threads are told plain `EINTR`, and only
    /// when nobody has taken the signal since the last look.
    fn signalled(&self) -> Result<Option<Errno>, Errno> {
        let lines = self.status(&["SigPnd", "ShdPnd", "SigBlk", "Threads", "Tgid"])?;
        let [own, shared, blocked, threads, leader] = lines.as_slice() else {
            return Err(Errno::SRCH);
        };
        let mask = |text: &String| u64::from_str_radix(text, 16).map_err(|_| Errno::SRCH);
        let open = !mask(blocked)?;
        let own = mask(own)? & open != 0;
        if !own && mask(shared)? & open == 0 {
            return Ok(None);
        }
        if own || threads == "1" || *leader == self.thread.to_string() {
            return Ok(Some(Errno::from_raw_os_error(RESTART)));
        }
        let untaken = self.slot.is_none_or(Slot::has_seen_signal);
        Ok(untaken.then_some(Errno::INTR))
    }
}

impl Asker for Waiting<'_> {
    fn place(&self, base: Base) -> Result<Place, Errno> {
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

    fn umask(&self) -> Result<u32, Errno> {
        let lines = self.status(&["Umask"])?;
        let text = lines.first().ok_or(Errno::SRCH)?;
        u32::from_str_radix(text, 8).map_err(|_| Errno::SRCH)
    }

    fn process(&self) -> Result<u32, Errno> {
        self.number("NStgid")
    }

    fn thread(&self) -> Result<u32, Errno> {
        self.number("NSpid")
    }

    fn proc_directory(&self) -> Result<Option<OwnedFd>, Errno> {
        let path = format!("/proc/{}", self.leader()?);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(rustix::fs::CWD, path, flags, rustix::fs::Mode::empty());
        self.held(directory).map(Some)
    }

    fn descriptor(&self, number: i32) -> Result<OwnedFd, Errno> {
        if number < 0 {
            return Err(Errno::BADF);
        }
        let flags = PidfdGetfdFlags::empty();
        if let Some((thread, process)) = self.last.and_then(Cell::take)
            && thread == self.thread
        {
            let got = rustix::process::pidfd_getfd(process.as_fd(), number, flags);
            if !matches!(got, Err(Errno::SRCH)) {
                self.keep(process);
                return got;
            }
        }
        let process = self.held(process::pidfd_of_thread(self.thread))?;
        let got = rustix::process::pidfd_getfd(process.as_fd(), number, flags);
        self.keep(process);
        got
    }

    fn pin(&self, number: i32) -> Result<OwnedFd, Errno> {
        match self.descriptor(number) {
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

    fn socket(&self, number: i32) -> Result<u64, Errno> {
        let link = rustix::fs::readlink(self.entry(&format!("fd/{number}")), Vec::new());
        let link = self.held(link.map_err(|_| Errno::BADF))?;
        let inode = link.to_str().ok().and_then(|text| {
            let digits = text.strip_prefix("socket:[")?.strip_suffix(']')?;
            digits.parse().ok()
        });
        inode.ok_or(Errno::NOTSOCK)
    }

    fn credentials(&self) -> Result<(u32, u32), Errno> {
        Ok((self.number("Uid")?, self.number("Gid")?))
    }

    fn starts(&self, program: &AbsName) -> bool {
        self.starting.is_some_and(|starting| starting.take(program))
    }

    fn interrupted(&self) -> Option<Errno> {
        if self.slot.is_some_and(|slot| !slot.waits()) {
            return Some(Errno::NFILE);
        }
        if !self.valid() {
            return Some(Errno::SRCH);
        }
        self.signalled().unwrap_or(Some(Errno::SRCH))
    }
}
