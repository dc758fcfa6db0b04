//! Who asks on a lane of the trap front: the process that the kernel named with the hello.
//!
//! What it says of itself is not looked at. Safe, because the kernel pinned it when it said
//! hello, every later record has to come from it, and what /proc tells of its number counts
//! only while that pin lives.

use std::os::fd::{AsFd, OwnedFd};

use doorward_protocol::Base;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::PidfdGetfdFlags,
};

use super::lane::Served;
use crate::{
    front::{
        process::{Holds, Process},
        workers::Slot,
    },
    service::{Asker, Place},
};

/// One request of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) served: &'a Served,
    pub(super) number: u32,
    pub(super) pin: &'a OwnedFd,
    pub(super) slot: Option<&'a Slot<'a>>,
}

impl Caller<'_> {
    fn looked(&self) -> Process<'_> {
        Process {
            thread: i32::try_from(self.number).unwrap_or(i32::MAX),
            holds: self,
        }
    }
}

impl Holds for Caller<'_> {
    fn valid(&self) -> bool {
        // A pidfd is readable when its process has ended.
        let mut state = [PollFd::new(self.pin, PollFlags::IN)];
        matches!(poll(&mut state, Some(&Timespec::default())), Ok(0))
    }
}

impl Asker for Caller<'_> {
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
        rustix::process::pidfd_getfd(self.pin.as_fd(), number, flags)
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

    fn interrupted(&self) -> Option<Errno> {
        if self.slot.is_some_and(|slot| !slot.waits()) {
            return Some(Errno::NFILE);
        }
        // A signal ends the wait in the process itself, which then hangs up.
        (self.served.is_gone() || !self.valid()).then_some(Errno::SRCH)
    }
}
