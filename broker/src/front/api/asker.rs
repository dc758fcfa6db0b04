//! Who asks on a lane: whoever the kernel named with the hello, and the directories that
//! the lane's handles mean.

use std::{
    os::fd::{AsRawFd, OwnedFd},
    sync::Arc,
    time::Instant,
};

use doorward_protocol::Base;
use rustix::io::Errno;

use super::lane::Served;
use crate::{
    front::workers::Slot,
    service::{Asker, FileIdentity, Place},
    session::Pins,
};

/// The umask of whoever asks on a lane: the usual one, since the kernel keeps none for it.
const UMASK: u32 = 0o022;

/// One request on a lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneAsker<'a> {
    pub(super) served: &'a Served,
    pub(super) pins: &'a Pins<Arc<OwnedFd>>,
    pub(super) deadline: Instant,
    pub(super) slot: Option<&'a Slot<'a>>,
}

impl LaneAsker<'_> {
    fn pin(&self, handle: i32) -> Result<&OwnedFd, Errno> {
        self.pins.get(handle).map(Arc::as_ref).ok_or(Errno::BADF)
    }
}

impl Asker for LaneAsker<'_> {
    fn place(&self, base: Base) -> Result<Place, Errno> {
        let Base::Descriptor(handle) = base else {
            return Err(Errno::NOENT);
        };
        let pin = self.pin(handle)?;
        let entry = format!("/proc/self/fd/{}", pin.as_raw_fd());
        let name = rustix::fs::readlink(entry, Vec::new())?.into_bytes();
        let status = rustix::fs::fstat(pin)?;
        if !name.starts_with(b"/") {
            return Err(Errno::NOENT);
        }
        Ok(Place {
            name,
            identity: FileIdentity {
                major: rustix::fs::major(status.st_dev),
                minor: rustix::fs::minor(status.st_dev),
                inode: status.st_ino,
            },
        })
    }

    fn umask(&self) -> Result<u32, Errno> {
        Ok(UMASK)
    }

    fn process(&self) -> Result<u32, Errno> {
        Err(Errno::NOENT)
    }

    fn thread(&self) -> Result<u32, Errno> {
        Err(Errno::NOENT)
    }

    fn proc_directory(&self) -> Result<Option<OwnedFd>, Errno> {
        Ok(None)
    }

    fn descriptor(&self, number: i32) -> Result<OwnedFd, Errno> {
        rustix::io::fcntl_dupfd_cloexec(self.pin(number)?, 0)
    }

    fn credentials(&self) -> Result<(u32, u32), Errno> {
        let sender = self.served.sender().ok_or(Errno::OPNOTSUPP)?;
        Ok((sender.user, sender.group))
    }

    fn interrupted(&self) -> Option<Errno> {
        if self.slot.is_some_and(|slot| !slot.waits()) {
            return Some(Errno::NFILE);
        }
        if self.served.is_gone() {
            Some(Errno::SRCH)
        } else if Instant::now() >= self.deadline {
            Some(Errno::TIMEDOUT)
        } else {
            None
        }
    }
}
