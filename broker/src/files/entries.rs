//! mkdir, rmdir, unlink, symlink and link.
//!
//! Paths are hostile. Safe, because each call acts on a pinned directory and one
//! checked component. Rules are names: what an entry may become or cease to be is
//! decided by its name alone, whatever object it is, so that an entry exchanged
//! between decision and call changes nothing that was decided.

use doorward_policy::{AbsName, Access, Reason};
use doorward_protocol::request::PathArgument;
use rustix::io::Errno;

use super::{
    Files,
    course::{Attempt, Course, Fault, reach},
    entry::Entry,
    filesystem::{Detail, Filesystem, Kind},
    find::Manner,
};
use crate::control::{self, Defence};

const AT_SYMLINK_FOLLOW: u32 = 0x400;
const AT_EMPTY_PATH: u32 = 0x1000;

impl<F: Filesystem> Files<F> {
    /// mkdir(2).
    pub(crate) fn mkdir(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        mode: u32,
    ) -> Attempt<()> {
        let entry = self.entry(course, path, Errno::EXIST)?;
        self.decide_creation(course, &entry)?;
        let mode = self.new_mode(course, mode)?;
        Ok(self
            .filesystem
            .make_directory(&entry.parent, entry.leaf()?, mode)?)
    }

    /// rmdir(2).
    pub(crate) fn rmdir(&self, course: &mut Course<'_>, path: &PathArgument<'_>) -> Attempt<()> {
        let odd = match path.bytes {
            b"." | [.., b'/', b'.'] => Errno::INVAL,
            bytes if bytes.ends_with(b"..") => Errno::NOTEMPTY,
            _ => Errno::BUSY,
        };
        let entry = self.entry(course, path, odd)?;
        self.decide_removal(course, &entry)?;
        Ok(self.filesystem.remove(&entry.parent, entry.leaf()?, true)?)
    }

    /// unlink(2).
    pub(crate) fn unlink(&self, course: &mut Course<'_>, path: &PathArgument<'_>) -> Attempt<()> {
        let entry = self.entry(course, path, Errno::ISDIR)?;
        self.decide_removal(course, &entry)?;
        if entry.directory {
            return Err(Fault::Failed(Errno::NOTDIR));
        }
        Ok(self
            .filesystem
            .remove(&entry.parent, entry.leaf()?, false)?)
    }

    /// symlink(2). What the link says must be something the sandboxee could name itself,
    /// so that nobody outside is led by it to what the sandboxee may not touch.
    pub(crate) fn symlink(
        &self,
        course: &mut Course<'_>,
        target: &[u8],
        path: &PathArgument<'_>,
    ) -> Attempt<()> {
        let entry = self.entry(course, path, Errno::EXIST)?;
        self.decide_creation(course, &entry)?;
        if entry.directory || target.is_empty() {
            return Err(Fault::Failed(Errno::NOENT));
        }
        let named = textual(&entry.name.parent(), target)?;
        let rights = self.policy.rights(&named);
        let out = reach(&rights).is_none() || rights.deny.is_some() || rights.hide.is_some();
        if out && !control::is_off(Defence::LinkTarget) {
            return Err(Fault::denied(Reason::Link, Errno::ACCESS));
        }
        Ok(self.filesystem.symlink(target, entry.place()?)?)
    }

    /// link(2): only of a regular file, and only where the new name gives no more rights.
    pub(crate) fn link(
        &self,
        course: &mut Course<'_>,
        old: &PathArgument<'_>,
        new: &PathArgument<'_>,
        flags: u32,
    ) -> Attempt<()> {
        if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Fault::denied(Reason::Flags, Errno::INVAL));
        }
        let manner = Manner::of(flags & AT_SYMLINK_FOLLOW != 0, Detail::Identity);
        // By a descriptor alone only who may search all directories links.
        let found = self.find(course, old, false, manner)?;
        self.decide(course, &found, Access::Stat, false)?;
        match found.status.kind() {
            Kind::File => {}
            _ if control::is_off(Defence::LinkKind) => {}
            Kind::Directory => return Err(Fault::Failed(Errno::PERM)),
            _ => return Err(Fault::denied(Reason::Special, Errno::PERM)),
        }
        let entry = self.entry(course, new, Errno::EXIST)?;
        self.decide_creation(course, &entry)?;
        self.decide_widening(&found.rights, &entry.rights)?;
        Ok(self.filesystem.link(&found.pin, entry.place()?)?)
    }

    /// Whether an entry may be made. One that exists and may be looked at is `EEXIST`,
    /// as ancestors of rules are.
    pub(crate) fn decide_creation(
        &self,
        course: &mut Course<'_>,
        entry: &Entry<F::Pin>,
    ) -> Attempt<()> {
        let verdict = self.policy.decide_file(&entry.name, Access::Create, false);
        if !verdict.is_allow() && self.may_look(entry) {
            match self.pin_entry(course, entry, Detail::Identity) {
                Ok(_) | Err(Fault::Failed(Errno::XDEV)) => {
                    return Err(Fault::Failed(Errno::EXIST));
                }
                Err(Fault::WouldBlock) => return Err(Fault::WouldBlock),
                Err(_) => {}
            }
        }
        course.obey(verdict)?;
        self.has_room(course, &entry.rights)
    }

    /// Whether an entry may be removed. One that does not exist and could be looked at is `ENOENT`.
    pub(crate) fn decide_removal(
        &self,
        course: &mut Course<'_>,
        entry: &Entry<F::Pin>,
    ) -> Attempt<()> {
        let verdict = self.policy.decide_file(&entry.name, Access::Delete, false);
        if !verdict.is_allow() && self.may_look(entry) {
            match self.pin_entry(course, entry, Detail::Identity) {
                Err(Fault::Failed(Errno::NOENT)) => return Err(Fault::Failed(Errno::NOENT)),
                Err(Fault::WouldBlock) => return Err(Fault::WouldBlock),
                _ => {}
            }
        }
        course.obey(verdict)
    }

    fn may_look(&self, entry: &Entry<F::Pin>) -> bool {
        self.policy
            .decide_file(&entry.name, Access::Stat, false)
            .is_allow()
    }
}

/// The name a link target means if no component of it is a link.
fn textual(directory: &AbsName, target: &[u8]) -> Attempt<AbsName> {
    let mut name = if target.starts_with(b"/") {
        AbsName::root()
    } else {
        directory.clone()
    };
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => name.pop(),
            _ => {
                let component =
                    doorward_policy::Component::new(part).map_err(super::path::malformed)?;
                name.push(component).map_err(super::path::malformed)?;
            }
        }
    }
    Ok(name)
}
