//! What is asked of the asker's own descriptors: status, mode, times, owner, locks, watches.
//!
//! Numbers are hostile. Safe, because the descriptor is duplicated from the asker by the
//! kernel, and what would change the object is decided on the name the object has now.
//! An object without a name (unlinked, or never named) may be changed by whoever can write it.

use std::os::fd::{AsRawFd, OwnedFd};

use doorward_policy::{AbsName, Access, Reason, RuleId};
use doorward_protocol::{
    Base, FileStat,
    request::{LockArgument, PathArgument, TimeArgument},
};
use nix::fcntl::FcntlArg;
use rustix::{
    fs::{FlockOperation, OFlags, inotify::WatchFlags},
    io::Errno,
};

use super::{
    Files,
    attributes::owner_stays,
    course::{Attempt, Course, Fault},
    filesystem::{Detail, Filesystem, Kind, Status},
    find::Manner,
    kernel::Kernel,
};

/// A duplicate of a descriptor of the asker.
#[derive(Debug)]
pub(crate) struct OwnDescriptor {
    /// The duplicate: the asker's own open file description.
    pub(crate) file: OwnedFd,
    /// The object's status.
    pub(crate) status: Status,
    /// The object's name as the sandboxee sees it; none for one that has none.
    pub(crate) name: Option<AbsName>,
    /// How it was opened.
    pub(crate) flags: OFlags,
}

impl OwnDescriptor {
    /// Whether it was opened for writing.
    pub(crate) fn is_writable(&self) -> bool {
        self.flags.intersects(OFlags::WRONLY | OFlags::RDWR)
    }

    /// Whether it was opened for reading.
    pub(crate) fn is_readable(&self) -> bool {
        !self.flags.intersects(OFlags::WRONLY | OFlags::PATH)
    }
}

impl Files<Kernel> {
    /// Duplicates a descriptor of the asker.
    pub(crate) fn own_descriptor(
        &self,
        course: &mut Course<'_>,
        number: i32,
    ) -> Attempt<OwnDescriptor> {
        let file = course.asker.pin(number)?;
        let status = self.filesystem.status(&file, Detail::Whole)?;
        let flags = rustix::fs::fcntl_getfl(&file)?;
        let mut real = Vec::new();
        self.filesystem.name(&file, &mut real)?;
        let name = if status.stat.links == 0 {
            None
        } else {
            self.roots.seen(&real)
        };
        course.object = real;
        Ok(OwnDescriptor {
            file,
            status,
            name,
            flags,
        })
    }

    fn decide_descriptor(
        &self,
        course: &mut Course<'_>,
        own: &OwnDescriptor,
        access: Access,
    ) -> Attempt<()> {
        match &own.name {
            Some(name) => {
                course.at(name);
                course.obey(self.policy.decide_file(name, access, false))
            }
            None if own.is_writable() => {
                course.rule = Some(RuleId::OWN);
                Ok(())
            }
            None => Err(Fault::denied(Reason::Access, Errno::ACCESS)),
        }
    }

    /// fstat(2).
    pub(crate) fn fstat(&self, course: &mut Course<'_>, number: i32) -> Attempt<FileStat> {
        let file = course.asker.pin(number)?;
        let status = self.filesystem.status(&file, Detail::Whole)?;
        course.object = format!("/dev/fd/{number}").into_bytes();
        course.rule = Some(RuleId::OWN);
        Ok(self.shown(status.stat))
    }

    /// fchmod(2).
    pub(crate) fn fchmod(&self, course: &mut Course<'_>, number: i32, mode: u32) -> Attempt<()> {
        let own = self.own_descriptor(course, number)?;
        self.decide_descriptor(course, &own, Access::Write)?;
        Ok(self.filesystem.set_mode(&own.file, mode & 0o777)?)
    }

    /// fchown(2).
    pub(crate) fn fchown(
        &self,
        course: &mut Course<'_>,
        number: i32,
        user: u32,
        group: u32,
    ) -> Attempt<()> {
        let own = self.own_descriptor(course, number)?;
        self.decide_descriptor(course, &own, Access::Write)?;
        owner_stays(&self.shown(own.status.stat), user, group)
    }

    /// futimens(3).
    pub(crate) fn futimens(
        &self,
        course: &mut Course<'_>,
        number: i32,
        times: [TimeArgument; 2],
    ) -> Attempt<()> {
        let own = self.own_descriptor(course, number)?;
        self.decide_descriptor(course, &own, Access::Write)?;
        Ok(self.filesystem.set_times(&own.file, times)?)
    }

    /// flock(2) and the record locks of fcntl(2). Locks need a `write` rule, since they
    /// hold others up; giving one up never does. Record locks are made on the asker's open
    /// file description: those of fcntl(2) that belong to a process would belong to the broker.
    pub(crate) fn lock(
        &self,
        course: &mut Course<'_>,
        number: i32,
        lock: LockArgument,
    ) -> Attempt<()> {
        let own = self.own_descriptor(course, number)?;
        match lock {
            LockArgument::Flock { operation } => {
                let quiet = operation & libc::LOCK_NB != 0;
                let kind = match operation & !libc::LOCK_NB {
                    libc::LOCK_SH => FlockOperation::NonBlockingLockShared,
                    libc::LOCK_EX => FlockOperation::NonBlockingLockExclusive,
                    libc::LOCK_UN => FlockOperation::NonBlockingUnlock,
                    _ => return Err(Fault::denied(Reason::Malformed, Errno::INVAL)),
                };
                if kind != FlockOperation::NonBlockingUnlock {
                    self.decide_descriptor(course, &own, Access::Write)?;
                }
                until_free(course, quiet, || rustix::fs::flock(&own.file, kind))
            }
            LockArgument::Record {
                command,
                kind,
                whence,
                start,
                length,
            } => {
                let quiet = match command {
                    libc::F_SETLK | libc::F_OFD_SETLK => true,
                    libc::F_SETLKW | libc::F_OFD_SETLKW => false,
                    _ => return Err(Fault::denied(Reason::Malformed, Errno::INVAL)),
                };
                if i32::from(kind) != libc::F_UNLCK {
                    self.decide_descriptor(course, &own, Access::Write)?;
                }
                let lock = libc::flock {
                    l_type: kind,
                    l_whence: whence,
                    l_start: start,
                    l_len: length,
                    l_pid: 0,
                };
                until_free(course, quiet, || {
                    nix::fcntl::fcntl(&own.file, FcntlArg::F_OFD_SETLK(&lock))
                        .map(drop)
                        .map_err(|errno| Errno::from_raw_os_error(errno as i32))
                })
            }
        }
    }

    /// inotify_add_watch(2), on the asker's own queue.
    pub(crate) fn watch(
        &self,
        course: &mut Course<'_>,
        number: i32,
        path: &PathArgument<'_>,
        mask: u32,
    ) -> Attempt<i32> {
        let mut mask = WatchFlags::from_bits_retain(mask);
        let follow = !mask.contains(WatchFlags::DONT_FOLLOW);
        let found = self.find(course, path, false, Manner::of(follow, Detail::Identity))?;
        self.decide(course, &found, Access::Read, false)?;
        if mask.contains(WatchFlags::ONLYDIR) && found.status.kind() != Kind::Directory {
            return Err(Fault::Failed(Errno::NOTDIR));
        }
        // The pin is named by a link of /proc, which has to be followed.
        mask.remove(WatchFlags::DONT_FOLLOW);
        let queue = course.asker.descriptor(number)?;
        let pin = format!("/proc/self/fd/{}", found.pin.as_raw_fd());
        Ok(rustix::fs::inotify::add_watch(&queue, pin, mask)?)
    }
}

/// Tries until a lock is free, or once if `quiet`. It never waits in the kernel, where
/// nothing but a signal could end it.
fn until_free(
    course: &Course<'_>,
    quiet: bool,
    attempt: impl Fn() -> Result<(), Errno>,
) -> Attempt<()> {
    loop {
        match attempt() {
            Err(Errno::AGAIN | Errno::ACCESS) if !quiet => {
                course.may_block()?;
                course.waits(super::PAUSE)?;
            }
            other => return Ok(other?),
        }
    }
}

/// The descriptor that an empty path means, if it means one.
pub(crate) fn meant(path: &PathArgument<'_>) -> Option<i32> {
    match path.base {
        Base::Descriptor(number) if path.bytes.is_empty() => Some(number),
        _ => None,
    }
}
