//! rename(2).
//!
//! Both paths are hostile, and requests of one sandboxee run beside each other. Safe,
//! because both directories are pinned, both names judged, the object to be moved is
//! pinned and judged too, changes of names are made one at a time, and a result that
//! is not the object judged is moved back into the directory that it came from.

use std::{
    sync::{Mutex, MutexGuard},
    time::SystemTime,
};

use doorward_policy::{AbsName, Access, Component, Reason, Rights};
use doorward_protocol::request::PathArgument;
use rustix::io::Errno;

use super::{
    Files,
    course::{Attempt, Course, Fault, reach},
    entry::Entry,
    filesystem::{Detail, EntryOf, Filesystem, Kind, Renaming, Status},
    path::malformed,
};
use crate::control::{self, Defence};

const NO_REPLACE: u32 = 1;
const EXCHANGE: u32 = 2;

/// Lets one change of names happen at a time.
#[derive(Debug, Default)]
pub(crate) struct Turn(Mutex<()>);

impl Turn {
    fn take(&self) -> MutexGuard<'_, ()> {
        // Nothing is kept under it that a panic could leave half done.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<F: Filesystem> Files<F> {
    /// rename(2), renameat2(2).
    pub(crate) fn rename(
        &self,
        course: &mut Course<'_>,
        old: &PathArgument<'_>,
        new: &PathArgument<'_>,
        flags: u32,
    ) -> Attempt<()> {
        let mut how = match flags {
            0 => Renaming::Replace,
            NO_REPLACE => Renaming::Keep,
            EXCHANGE => Renaming::Exchange,
            _ => return Err(Fault::denied(Reason::Flags, Errno::INVAL)),
        };
        let _turn = self.turn.take();
        let mut old = self.entry(course, old, Errno::BUSY)?;
        self.decide_removal(course, &old)?;
        let judged = self.movable(course, &mut old)?;
        let status = judged.1;
        // It may have another name by now.
        course.obey(self.policy.decide_file(&old.name, Access::Delete, false))?;
        let mut object = old.name.as_bytes().to_vec();
        let mut new = self.entry(course, new, Errno::BUSY)?;
        object.extend_from_slice(b" -> ");
        object.extend_from_slice(new.name.as_bytes());
        course.object = object;
        if (old.directory || new.directory) && status.kind() != Kind::Directory {
            return Err(Fault::Failed(Errno::NOTDIR));
        }
        self.decide_move(&old, &new, &status)?;
        let other = match how {
            Renaming::Exchange => Some(self.movable_back(course, &old, &mut new, &status)?),
            _ => None,
        };
        let replace = self.policy.decide_file(&new.name, Access::Delete, false);
        course.obey(self.policy.decide_file(&new.name, Access::Create, false))?;
        if !old.rights.scratch {
            self.has_room(course, &new.rights)?;
        }
        let may_replace = replace.is_allow();
        if how == Renaming::Replace && !may_replace {
            how = Renaming::Keep;
        }
        match self.filesystem.rename(old.place()?, new.place()?, how) {
            Err(Errno::EXIST) if flags == 0 => {
                // It exists and may not be replaced, unless both are one object.
                return course.obey(replace);
            }
            other => other?,
        }
        let mut doubtful = self.is_doubtful(course, (&old, &new), &judged);
        if let Some(other) = &other {
            doubtful |= self.is_doubtful(course, (&new, &old), other);
        }
        if !doubtful {
            return Ok(());
        }
        self.move_back(&old, &new, other.is_some())?;
        Err(Fault::denied(Reason::Widening, Errno::XDEV))
    }

    /// Moves back what should not have been moved. Others may have taken its old name meanwhile:
    /// it then gets a fresh one in the directory that it came from.
    fn move_back(&self, old: &Entry<F::Pin>, new: &Entry<F::Pin>, exchanged: bool) -> Attempt<()> {
        let back = |how| {
            self.filesystem
                .rename(new.place()?, old.place()?, how)
                .map_err(Fault::from)
        };
        if exchanged && back(Renaming::Exchange).is_ok() {
            return Ok(());
        }
        match back(Renaming::Keep) {
            Err(Fault::Failed(Errno::EXIST)) => {}
            // Of two that changed places, others have taken the one away.
            Err(Fault::Failed(Errno::NOENT)) if exchanged => {
                let again = self
                    .filesystem
                    .rename(old.place()?, new.place()?, Renaming::Keep);
                return Ok(again?);
            }
            other => return other,
        }
        for _ in 0..8 {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let leaf = format!(".moved-back-{}", now.unwrap_or_default().as_nanos());
            let aside = EntryOf {
                parent: &*old.parent,
                leaf: Component::new(leaf.as_bytes()).map_err(malformed)?,
            };
            match self.filesystem.rename(new.place()?, aside, Renaming::Keep) {
                Err(Errno::EXIST) => {}
                other => return Ok(other?),
            }
        }
        Err(Fault::Failed(Errno::EXIST))
    }

    /// Pins and judges what an exchange moves from `new` to `old`; `status` is that of what it
    /// moves there.
    fn movable_back(
        &self,
        course: &mut Course<'_>,
        old: &Entry<F::Pin>,
        new: &mut Entry<F::Pin>,
        status: &Status,
    ) -> Attempt<(F::Pin, Status)> {
        course.obey(self.policy.decide_file(&old.name, Access::Create, false))?;
        course.obey(self.policy.decide_file(&new.name, Access::Delete, false))?;
        let found = self.movable(course, new)?;
        // It may have another name by now.
        course.obey(self.policy.decide_file(&new.name, Access::Delete, false))?;
        self.decide_move(old, new, status)?;
        self.decide_move(new, old, &found.1)?;
        Ok(found)
    }

    /// Pins and judges what is to be moved away from `entry`.
    fn movable(&self, course: &Course<'_>, entry: &mut Entry<F::Pin>) -> Attempt<(F::Pin, Status)> {
        let (pin, status) = match self.pin_entry(course, entry, Detail::Identity) {
            Err(Fault::Failed(Errno::XDEV)) => return Err(Fault::Failed(Errno::BUSY)),
            other => other?,
        };
        if !self.verify_entry(entry, &pin)? {
            return Err(Fault::Failed(Errno::NOENT));
        }
        match status.kind() {
            Kind::File | Kind::Directory | Kind::Link => Ok((pin, status)),
            _ if entry.rights.special.is_some() || entry.rights.scratch => Ok((pin, status)),
            _ => Err(Fault::denied(Reason::Special, Errno::ACCESS)),
        }
    }

    /// Whether what is under one name may get another: a directory where the rules treat
    /// both alike, anything else where its rights do not widen.
    fn decide_move(
        &self,
        from: &Entry<F::Pin>,
        to: &Entry<F::Pin>,
        status: &Status,
    ) -> Attempt<()> {
        if control::is_off(Defence::Alike) && status.kind() == Kind::Directory {
            return Ok(());
        }
        if status.kind() != Kind::Directory {
            return self.decide_widening(&from.rights, &to.rights);
        }
        if self.policy.alike(&from.name, &to.name) {
            Ok(())
        } else {
            Err(Fault::denied(Reason::Widening, Errno::XDEV))
        }
    }

    /// Whether the rights under a new name are within those under the old.
    pub(crate) fn decide_widening(&self, old: &Rights, new: &Rights) -> Attempt<()> {
        let wider = |had: bool, has: bool| has && !had;
        let read = wider(old.read.is_some(), new.read.is_some());
        let write = wider(old.write.is_some(), new.write.is_some());
        let execute = wider(old.execute.is_some(), new.execute.is_some());
        let special = wider(old.special.is_some(), new.special.is_some());
        let hidden = old.deny.is_some() || old.hide.is_some();
        if control::is_off(Defence::Widening) {
            return Ok(());
        }
        if read || write || execute || special || hidden || reach(new).is_none() {
            return Err(Fault::denied(Reason::Widening, Errno::XDEV));
        }
        Ok(())
    }

    /// Whether what lies under a new name now may be something that was not judged. A name that
    /// cannot be told any more is another than it was.
    fn is_doubtful(
        &self,
        course: &Course<'_>,
        (from, to): (&Entry<F::Pin>, &Entry<F::Pin>),
        (pin, judged): &(F::Pin, Status),
    ) -> bool {
        if control::is_off(Defence::MoveBack) {
            return false;
        }
        let is_named = |pin: &F::Pin, name: &AbsName, scratch: bool| {
            let mut real = Vec::new();
            self.filesystem.name(pin, &mut real).is_ok() && self.roots.same(&real, name, scratch)
        };
        if is_named(pin, &to.name, to.rights.scratch) {
            return false;
        }
        let Ok((_, moved)) = self.pin_entry(course, to, Detail::Identity) else {
            // Whoever removed it again may do so.
            return false;
        };
        if moved.identity() == judged.identity() {
            return false;
        }
        if moved.kind() == Kind::Directory && !self.policy.alike(&from.name, &to.name) {
            return true;
        }
        // Anything that lies under the name judged may be moved; but was it there?
        !is_named(&from.parent, &from.name.parent(), from.rights.scratch)
    }
}
