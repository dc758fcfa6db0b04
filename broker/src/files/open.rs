//! Open and create.
//!
//! Flags and modes are hostile. Safe, because only known flags pass, creation happens
//! with O_EXCL beneath a pinned directory, and an existing object is pinned, judged,
//! opened anew for this grant alone and only then truncated.

use std::time::Duration;

use doorward_policy::{Access, Reason};
use doorward_protocol::request::PathArgument;
use rustix::{fs::OFlags, io::Errno};

use super::{
    Files,
    course::{Attempt, Course, Fault, denial, reach},
    entry::Entry,
    filesystem::{Detail, Filesystem, Kind, Status},
    find::{Found, Manner},
};
use crate::control::{self, Defence};

/// O_LARGEFILE as programs pass it, whatever libc calls it.
const LARGE_FILE: u32 = 0o100_000;
/// All flags that are known. In O_SYNC is O_DSYNC.
const KNOWN: OFlags = KEPT
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOCTTY)
    .union(OFlags::TRUNC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::DIRECT)
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NOATIME)
    .union(OFlags::CLOEXEC)
    .union(OFlags::PATH)
    .union(OFlags::TMPFILE)
    .union(OFlags::from_bits_retain(LARGE_FILE));
/// What an open file description keeps of the flags it was asked for with, but `O_NONBLOCK`.
const KEPT: OFlags = OFlags::RWMODE.union(OFlags::APPEND).union(OFlags::SYNC);
/// Tries of creating what comes and goes.
const CREATIONS: u32 = 8;

/// The `O_*` and `RESOLVE_*` bits of one request, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The bits, all known.
    flags: OFlags,
    /// Whether links are followed at all.
    links: bool,
}

impl Wanted {
    /// Checks the bits of a request.
    pub(crate) fn of(flags: u64, resolve: u64) -> Attempt<Self> {
        let refuse = |errno| Err(Fault::denied(Reason::Flags, errno));
        let Ok(bits) = u32::try_from(flags) else {
            return refuse(Errno::INVAL);
        };
        let mut flags = OFlags::from_bits_retain(bits);
        if bits & !KNOWN.bits() != 0 || bits & 3 == 3 {
            return refuse(Errno::INVAL);
        }
        let resolve = rustix::fs::ResolveFlags::from_bits_retain(resolve);
        use rustix::fs::ResolveFlags as R;
        if resolve.contains(R::CACHED) {
            return refuse(Errno::AGAIN);
        }
        if resolve.intersects(R::BENEATH | R::IN_ROOT | R::NO_XDEV) {
            // Programs that ask for these fall back on ENOSYS.
            return refuse(Errno::NOSYS);
        }
        if resolve.bits() & !(R::NO_SYMLINKS | R::NO_MAGICLINKS).bits() != 0 {
            return refuse(Errno::INVAL);
        }
        // Access times are not worth a denial; direct I/O changes speed alone.
        flags.remove(OFlags::NOATIME | OFlags::DIRECT | OFlags::from_bits_retain(LARGE_FILE));
        if flags.contains(OFlags::PATH) {
            flags &= OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        }
        Ok(Self {
            flags,
            links: !resolve.contains(R::NO_SYMLINKS),
        })
    }

    fn has(self, flags: OFlags) -> bool {
        self.flags.contains(flags)
    }

    /// Whether a link as last component is followed.
    pub(crate) fn follows(self) -> bool {
        !self.has(OFlags::NOFOLLOW)
    }

    /// Whether the asker wants `O_CLOEXEC`.
    pub(crate) fn closes_on_exec(self) -> bool {
        self.has(OFlags::CLOEXEC)
    }

    /// Whether what exists is cut to nothing.
    pub(crate) fn truncates(self) -> bool {
        self.has(OFlags::TRUNC)
    }

    /// Whether it is opened for writing.
    pub(crate) fn writes(self) -> bool {
        self.flags.intersects(OFlags::WRONLY | OFlags::RDWR)
    }

    /// Whether it is opened for reading.
    pub(crate) fn reads(self) -> bool {
        !self.has(OFlags::WRONLY)
    }

    fn is_temporary(self) -> bool {
        self.has(OFlags::TMPFILE)
    }

    /// What the kernel is asked for when the object is opened anew.
    fn reopening(self) -> OFlags {
        (self.flags & KEPT) | OFlags::NONBLOCK
    }
}

/// An opened file and how its descriptor is to be handed out.
#[derive(Debug)]
pub(crate) struct Grant<P> {
    /// The open file description, made for this grant alone.
    pub(crate) file: P,
    /// Whether the asker wanted `O_CLOEXEC`.
    pub(crate) close_on_exec: bool,
}

impl<F: Filesystem> Files<F> {
    /// open(2) and its kin.
    pub(crate) fn open(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        wanted: Wanted,
        mode: u32,
    ) -> Attempt<Grant<F::Pin>> {
        let file = if wanted.is_temporary() {
            self.open_temporary(course, path, wanted, mode)?
        } else if wanted.has(OFlags::CREATE) {
            self.open_or_create(course, path, wanted, mode)?
        } else {
            let manner = Manner {
                follow: !wanted.has(OFlags::NOFOLLOW),
                links: wanted.links,
                detail: Detail::Identity,
            };
            let found = self.find(course, path, false, manner)?;
            self.open_found(course, &found, wanted)?
        };
        Ok(Grant {
            file,
            close_on_exec: wanted.has(OFlags::CLOEXEC),
        })
    }

    /// Judges what was found and opens it anew.
    fn open_found(
        &self,
        course: &mut Course<'_>,
        found: &Found<F::Pin>,
        wanted: Wanted,
    ) -> Attempt<F::Pin> {
        let kind = found.status.kind();
        let special = !matches!(kind, Kind::File | Kind::Directory | Kind::Link)
            && !control::is_off(Defence::ObjectType);
        if wanted.reads() {
            self.decide(course, found, Access::Read, special)?;
        }
        let truncates = wanted.has(OFlags::TRUNC) && !control::is_off(Defence::TruncateRight);
        if wanted.writes() || truncates {
            self.decide(course, found, Access::Write, special)?;
            if kind == Kind::File {
                self.has_room(course, &found.rights)?;
            }
        }
        match kind {
            // The C library's fchmodat(AT_SYMLINK_NOFOLLOW) opens so, and says this of a link.
            Kind::Link if wanted.has(OFlags::PATH) => return Err(Fault::Failed(Errno::OPNOTSUPP)),
            Kind::Link => return Err(Fault::Failed(Errno::LOOP)),
            Kind::Directory if wanted.writes() || wanted.has(OFlags::TRUNC) => {
                return Err(Fault::Failed(Errno::ISDIR));
            }
            Kind::Directory => {}
            _ if wanted.has(OFlags::DIRECTORY) => return Err(Fault::Failed(Errno::NOTDIR)),
            // Opening a socket's name is ENXIO for everybody.
            Kind::Socket => return Err(Fault::Failed(Errno::NXIO)),
            Kind::Fifo if !wanted.has(OFlags::NONBLOCK) => {
                return self.open_fifo(course, found, wanted);
            }
            _ => {}
        }
        let file = self.reopen(course, found, wanted)?;
        if wanted.has(OFlags::TRUNC) && kind == Kind::File {
            if wanted.writes() {
                self.filesystem.resize(&file, 0)?;
            } else {
                // Linux cuts what is opened for reading, too.
                let flags = OFlags::WRONLY | OFlags::NONBLOCK;
                let writable = self.filesystem.reopen(&found.pin, flags, 0)?;
                self.filesystem.resize(&writable, 0)?;
            }
        }
        self.unblock(&file, wanted)?;
        Ok(file)
    }

    /// Opens the pin anew and holds the result to it.
    fn reopen(
        &self,
        course: &Course<'_>,
        found: &Found<F::Pin>,
        wanted: Wanted,
    ) -> Attempt<F::Pin> {
        let file = match self.filesystem.reopen(&found.pin, wanted.reopening(), 0) {
            // Somebody holds a lease: wait for it on a worker.
            Err(Errno::AGAIN) => {
                course.may_block()?;
                self.reopen_leased(course, found, wanted)?
            }
            other => other?,
        };
        self.same_object(&file, &found.status)?;
        Ok(file)
    }

    fn reopen_leased(
        &self,
        course: &Course<'_>,
        found: &Found<F::Pin>,
        wanted: Wanted,
    ) -> Attempt<F::Pin> {
        loop {
            course.waits(super::PAUSE)?;
            match self.filesystem.reopen(&found.pin, wanted.reopening(), 0) {
                Err(Errno::AGAIN) => {}
                other => return Ok(other?),
            }
        }
    }

    /// A FIFO opened without `O_NONBLOCK` waits for its other end. The broker never
    /// waits in the kernel, where nothing but a signal could end it.
    fn open_fifo(
        &self,
        course: &Course<'_>,
        found: &Found<F::Pin>,
        wanted: Wanted,
    ) -> Attempt<F::Pin> {
        course.may_block()?;
        course.waits(Duration::ZERO)?;
        loop {
            match self.filesystem.reopen(&found.pin, wanted.reopening(), 0) {
                // Nobody reads.
                Err(Errno::NXIO) => course.waits(super::PAUSE)?,
                Err(errno) => return Err(Fault::Failed(errno)),
                Ok(file) => {
                    self.same_object(&file, &found.status)?;
                    if !wanted.writes() {
                        super::fifo::await_writer(&*self.filesystem, course, &file)?;
                    }
                    self.unblock(&file, wanted)?;
                    return Ok(file);
                }
            }
        }
    }

    fn same_object(&self, file: &F::Pin, pinned: &Status) -> Attempt<()> {
        let opened = self.filesystem.status(file, Detail::Identity)?;
        if opened.identity() == pinned.identity() && opened.kind() == pinned.kind() {
            Ok(())
        } else {
            Err(Fault::denied(Reason::Foreign, Errno::ACCESS))
        }
    }

    /// Clears `O_NONBLOCK`, which kept the broker from waiting, if it was not asked for.
    fn unblock(&self, file: &F::Pin, wanted: Wanted) -> Attempt<()> {
        if wanted.has(OFlags::NONBLOCK) {
            return Ok(());
        }
        let flags = wanted.reopening() & OFlags::APPEND;
        Ok(self.filesystem.set_flags(file, flags)?)
    }

    /// The mode of something new: permission bits alone, without what the asker masks.
    pub(crate) fn new_mode(&self, course: &Course<'_>, mode: u32) -> Attempt<u32> {
        let mask = course.asker.umask()?;
        if control::is_off(Defence::ModeMask) {
            return Ok(mode & !mask);
        }
        Ok(mode & 0o777 & !mask)
    }

    fn open_temporary(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        wanted: Wanted,
        mode: u32,
    ) -> Attempt<F::Pin> {
        if !wanted.writes() {
            return Err(Fault::denied(Reason::Malformed, Errno::INVAL));
        }
        let manner = Manner {
            follow: true,
            links: wanted.links,
            detail: Detail::Identity,
        };
        let found = self.find(course, path, false, manner)?;
        self.decide(course, &found, Access::Create, false)?;
        if found.status.kind() != Kind::Directory {
            return Err(Fault::Failed(Errno::NOTDIR));
        }
        self.has_room(course, &found.rights)?;
        // O_EXCL: it never gets a name, since no call could judge it under one.
        let mut flags = (wanted.flags & KEPT) | OFlags::TMPFILE | OFlags::EXCL;
        if control::is_off(Defence::TemporaryHidden) {
            flags.remove(OFlags::EXCL);
        }
        let mode = self.new_mode(course, mode)?;
        Ok(self.filesystem.reopen(&found.pin, flags, mode)?)
    }

    fn open_or_create(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        wanted: Wanted,
        mode: u32,
    ) -> Attempt<F::Pin> {
        if wanted.has(OFlags::DIRECTORY) {
            return Err(Fault::denied(Reason::Malformed, Errno::INVAL));
        }
        if path.bytes.ends_with(b"/") {
            return Err(Fault::Failed(Errno::ISDIR));
        }
        let mut entry = self.entry(course, path, Errno::ISDIR)?;
        for _ in 0..CREATIONS {
            let may_create = self.policy.decide_file(&entry.name, Access::Create, false);
            if may_create.is_allow() {
                match self.create_entry(course, &entry, wanted, mode) {
                    Err(Fault::Failed(Errno::EXIST)) => {}
                    other => {
                        course.obey(may_create)?;
                        return other;
                    }
                }
            }
            let (pin, status) = match self.pin_entry(course, &entry, Detail::Identity) {
                Err(Fault::Failed(Errno::NOENT)) if may_create.is_allow() => continue,
                Err(Fault::Failed(Errno::NOENT)) => {
                    return Err(denial(&*self.policy, &entry.name, Access::Create));
                }
                Err(Fault::Failed(Errno::XDEV)) => {
                    // A mount point: it exists.
                    return self.open_existing(course, path, wanted);
                }
                other => other?,
            };
            if wanted.has(OFlags::EXCL) {
                course.rule = reach(&entry.rights);
                return Err(Fault::Failed(Errno::EXIST));
            }
            if status.kind() == Kind::Link {
                if wanted.has(OFlags::NOFOLLOW) {
                    return Err(Fault::Failed(Errno::LOOP));
                }
                return match self.open_existing(course, path, wanted) {
                    // A dangling link is never followed to create what it names.
                    Err(Fault::Failed(Errno::NOENT)) => {
                        Err(Fault::denied(Reason::Link, Errno::ACCESS))
                    }
                    other => other,
                };
            }
            if !self.verify_entry(&mut entry, &pin)? {
                entry = self.entry(course, path, Errno::ISDIR)?;
                continue;
            }
            let found = Found {
                pin: std::sync::Arc::new(pin),
                status,
                name: entry.name.clone(),
                rights: entry.rights,
            };
            if status.kind() == Kind::Directory {
                return Err(Fault::Failed(Errno::ISDIR));
            }
            return self.open_found(course, &found, wanted);
        }
        Err(Fault::Failed(Errno::NOENT))
    }

    fn open_existing(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        wanted: Wanted,
    ) -> Attempt<F::Pin> {
        let manner = Manner {
            follow: !wanted.has(OFlags::NOFOLLOW),
            links: wanted.links,
            detail: Detail::Identity,
        };
        let found = self.find(course, path, false, manner)?;
        if found.status.kind() == Kind::Directory {
            return Err(Fault::Failed(Errno::ISDIR));
        }
        self.open_found(course, &found, wanted)
    }

    fn create_entry(
        &self,
        course: &Course<'_>,
        entry: &Entry<F::Pin>,
        wanted: Wanted,
        mode: u32,
    ) -> Attempt<F::Pin> {
        self.has_room(course, &entry.rights)?;
        let mode = self.new_mode(course, mode)?;
        let flags = wanted.reopening() & !OFlags::NONBLOCK;
        let kept = flags | (wanted.flags & OFlags::NONBLOCK);
        Ok(self
            .filesystem
            .create(&entry.parent, entry.leaf()?, kept, mode)?)
    }
}
