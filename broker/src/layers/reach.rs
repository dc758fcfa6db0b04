//! Trials of what a broker does to the processes it serves, and of the calls that it and
//! its files need.

use std::os::fd::AsFd;

use nix::sys::{
    signal::{Signal, kill},
    wait::waitpid,
};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
    process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};

use crate::{
    files::{Detail, Filesystem, Kernel},
    sys::{files::mount_magic, memory, process, socket},
};

/// Runs `look` on a child that does nothing.
fn on_child(look: impl FnOnce(i32) -> Result<(), Errno>) -> Result<(), Errno> {
    let Some(child) = process::fork()? else {
        process::prctl(libc::PR_SET_PDEATHSIG, 9).unwrap_or_default();
        loop {
            nix::unistd::pause();
        }
    };
    let seen = look(child.as_raw());
    let _gone = kill(child, Signal::SIGKILL);
    let _reaped = waitpid(child, None);
    seen
}

/// The memory of a child can be read.
pub(super) fn memory() -> Result<(), Errno> {
    let word = Box::new(0x646f_6f72_u32.to_ne_bytes());
    let address = u64::try_from(word.as_ptr().addr()).unwrap_or_default();
    on_child(|child| {
        let mut copy = [0_u8; 4];
        memory::read(child, address, &mut copy)?;
        if copy == *word {
            Ok(())
        } else {
            Err(Errno::FAULT)
        }
    })
}

/// A descriptor of a child can be had.
pub(super) fn descriptor() -> Result<(), Errno> {
    let (ours, _other) = rustix::pipe::pipe()?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&ours);
    on_child(|child| {
        let child = rustix::process::Pid::from_raw(child).ok_or(Errno::SRCH)?;
        let child = pidfd_open(child, PidfdFlags::empty())?;
        pidfd_getfd(child, number, PidfdGetfdFlags::empty()).map(drop)
    })
}

/// A pidfd of one thread.
pub(super) fn thread() -> Result<(), Errno> {
    let own = i32::try_from(std::process::id()).map_err(|_| Errno::SRCH)?;
    process::pidfd_of_thread(own).map(drop)
}

/// A receiver can refuse descriptors.
pub(super) fn refusal() -> Result<(), Errno> {
    let (one, _other) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    socket::refuse_descriptors(one.as_fd())
}

/// Paths can be resolved beneath a pin.
pub(super) fn resolution() -> Result<(), Errno> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = open("/", flags, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(&root, "proc", flags, Mode::empty(), resolve).map(drop)
}

/// A file system's type can be learnt without asking its server.
pub(super) fn mounts() -> Result<(), Errno> {
    let root = Kernel::root()?;
    let status = Kernel::open()?.status(&root, Detail::Identity)?;
    mount_magic(status.mount).map(drop)
}
