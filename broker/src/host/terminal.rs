//! The host user's terminal, and the pseudo-terminal that stands for it in the sandbox.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize},
};

/// The host user's terminal in raw mode; as it was again when dropped.
#[derive(Debug)]
pub(super) struct Terminal {
    before: Termios,
    master: OwnedFd,
    slave: Option<OwnedFd>,
}

impl Terminal {
    /// A pseudo-terminal like the one on standard input, if that is one.
    pub(super) fn open() -> Result<Option<Self>, Errno> {
        let input = rustix::stdio::stdin();
        if !isatty(input) {
            return Ok(None);
        }
        let before = tcgetattr(input)?;
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name, flags, Mode::empty())?;
        tcsetattr(&slave, OptionalActions::Now, &before)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let terminal = Self {
            before,
            master,
            slave: Some(slave),
        };
        terminal.resize();
        Ok(Some(terminal))
    }

    /// The sandbox's standard streams: the pseudo-terminal for those that are terminals.
    pub(super) fn streams(&self, own: [OwnedFd; 3]) -> Result<[OwnedFd; 3], Errno> {
        let Some(slave) = &self.slave else {
            return Ok(own);
        };
        let stream = |own: OwnedFd| {
            if isatty(&own) {
                rustix::io::fcntl_dupfd_cloexec(slave, 3)
            } else {
                Ok(own)
            }
        };
        let [input, output, error] = own;
        Ok([stream(input)?, stream(output)?, stream(error)?])
    }

    /// The sandbox has its end: from now on its end closing is seen, and keys are its.
    pub(super) fn enter(&mut self) -> Result<(), Errno> {
        self.slave = None;
        let mut raw = self.before.clone();
        raw.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw)
    }

    /// Hands the size on.
    pub(super) fn resize(&self) {
        if let Ok(size) = tcgetwinsize(rustix::stdio::stdin()) {
            let _gone = tcsetwinsize(&self.master, size);
        }
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
