//! The process behind a notification, as the kernel's /proc tells of it.
//!
//! Everything is read through the number of a thread that waits in a notification;
//! each answer is used only if the notification's id is still valid after it was read,
//! since only then the number cannot have become another thread's.

use std::{
    cell::Cell,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use doorward_policy::AbsName;
use doorward_protocol::Base;
use rustix::{io::Errno, process::PidfdGetfdFlags};

use crate::{
    control::{self, Defence},
    front::{
        Starting,
        process::{Holds, Process},
        workers::Slot,
    },
    service::{Asker, Place},
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

/// Whether the request of this id still stands, and with it the number of its asker.
pub(super) fn stands(listener: BorrowedFd<'_>, id: u64) -> bool {
    control::is_off(Defence::Revalidated) || notify::valid(listener, id)
}

impl Waiting<'_> {
    fn looked(&self) -> Process<'_> {
        Process {
            thread: self.thread,
            holds: self,
        }
    }

    /// What names the thread for good; of an earlier one of this number, if that was reaped just now.
    pub(super) fn named(&self) -> Option<OwnedFd> {
        match self.last.and_then(Cell::take) {
            Some((thread, process)) if thread == self.thread => Some(process),
            _ => process::pidfd_of_thread(self.thread).ok(),
        }
    }

    pub(super) fn keep(&self, process: OwnedFd) {
        if let Some(last) = self.last {
            last.set(Some((self.thread, process)));
        }
    }

    /// Whether a signal waits that this thread, or its whole process, would take.
    ///
    /// The kernel then acts as natively on 512, but only in the thread that it chose for the
    /// signal; in another the program would see 512. A signal of the whole process is the
    /// leader's unless that blocks it, so other threads are told plain `EINTR`, and only
    /// when nobody has taken the signal since the last look.
    fn signalled(&self) -> Result<Option<Errno>, Errno> {
        let lines = self
            .looked()
            .status(&["SigPnd", "ShdPnd", "SigBlk", "Threads", "Tgid"])?;
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

impl Holds for Waiting<'_> {
    fn valid(&self) -> bool {
        stands(self.listener, self.id)
    }
}

impl Asker for Waiting<'_> {
    fn place(&self, base: Base) -> Result<Place, Errno> {
        self.looked().place(base)
    }

    fn umask(&self) -> Result<u32, Errno> {
        self.looked().umask()
    }

    fn process(&self) -> Result<u32, Errno> {
        self.looked().number("NStgid")
    }

    fn thread(&self) -> Result<u32, Errno> {
        self.looked().number("NSpid")
    }

    fn proc_directory(&self) -> Result<Option<OwnedFd>, Errno> {
        self.looked().directory().map(Some)
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
        let process = self.looked().held(process::pidfd_of_thread(self.thread))?;
        let got = rustix::process::pidfd_getfd(process.as_fd(), number, flags);
        self.keep(process);
        got
    }

    fn pin(&self, number: i32) -> Result<OwnedFd, Errno> {
        self.looked().pin(number, self.descriptor(number))
    }

    fn socket(&self, number: i32) -> Result<u64, Errno> {
        self.looked().socket(number)
    }

    fn credentials(&self) -> Result<(u32, u32), Errno> {
        self.looked().credentials()
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
