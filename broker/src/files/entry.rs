//! From a path as asked to a pinned directory and one checked component in it.

use std::sync::Arc;

use doorward_policy::{AbsName, Access, Component, Rights};
use doorward_protocol::request::PathArgument;
use rustix::io::Errno;

use super::{
    Files,
    course::{Attempt, Course, Fault, denial, reach},
    filesystem::{Detail, EntryOf, Filesystem, Pinning, Status},
    find::{Manner, RACES, Reached},
    path::{Split, malformed},
    roots::Roots,
};
use crate::control::{self, Defence};

/// An entry of a pinned directory, whether it exists or not.
#[derive(Debug)]
pub(crate) struct Entry<P> {
    /// The directory.
    pub(crate) parent: Arc<P>,
    /// The entry's canonical name, as the sandboxee sees it.
    pub(crate) name: AbsName,
    /// What the policy says about that name.
    pub(crate) rights: Rights,
    /// Slashes follow the entry in the path asked.
    pub(crate) directory: bool,
}

impl<P> Entry<P> {
    /// The entry's name in its directory.
    pub(crate) fn leaf(&self) -> Attempt<Component<'_>> {
        self.name.leaf().ok_or(Fault::Failed(Errno::BUSY))
    }

    /// As a rename or link wants it.
    pub(crate) fn place(&self) -> Attempt<EntryOf<'_, P>> {
        Ok(EntryOf {
            parent: &self.parent,
            leaf: self.leaf()?,
        })
    }
}

impl<F: Filesystem> Files<F> {
    /// Pins the directory of the entry that `path` names. `odd` is the errno for a path
    /// that names no entry (`/`, `.`, `..`, the scratch directory itself).
    pub(crate) fn entry(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        odd: Errno,
    ) -> Attempt<Entry<F::Pin>> {
        let split = Split::of(path, odd)?;
        let asked = self.asked(course, path, false)?;
        if asked.is_plain() {
            let rights = self.admit(course, &asked.name)?;
            if reach(&rights).is_some() {
                if rights.scratch && Roots::<F::Pin>::is_scratch(&asked.name) {
                    return Err(Fault::Failed(odd));
                }
                self.verify_base(course, &asked)?;
                if let Some(entry) = self.plain_entry(course, &asked.name, rights)? {
                    return Ok(Entry {
                        directory: split.directory,
                        ..entry
                    });
                }
            }
        }
        self.walked_entry(course, &split, odd)
    }

    /// The entry by its name as asked; none if there is a link on the way to its directory.
    fn plain_entry(
        &self,
        course: &mut Course<'_>,
        name: &AbsName,
        rights: Rights,
    ) -> Attempt<Option<Entry<F::Pin>>> {
        let how = Pinning {
            directory: true,
            ..Pinning::default()
        };
        let mut parent_name = name.parent();
        for _ in 0..RACES {
            let (pin, _) = match self.pin_plain(course, &parent_name, rights.scratch, how) {
                Err(Fault::Failed(Errno::LOOP)) => return Ok(None),
                other => other?,
            };
            let reached = Reached {
                status: Status::unknown(),
                pin: Arc::new(pin),
                rights: self.policy.rights(&parent_name),
                scratch: rights.scratch,
                name: parent_name,
            };
            match self.settle(course, reached)? {
                Ok(parent) => {
                    let leaf = name.leaf().ok_or(Fault::Failed(Errno::BUSY))?;
                    return self
                        .entry_in(course, parent.pin, &parent.name, leaf, rights.scratch)
                        .map(Some);
                }
                Err(name) => parent_name = name,
            }
        }
        Err(Fault::Failed(Errno::NOENT))
    }

    fn walked_entry(
        &self,
        course: &mut Course<'_>,
        split: &Split<'_>,
        odd: Errno,
    ) -> Attempt<Entry<F::Pin>> {
        let manner = Manner::of(true, Detail::Identity);
        let mut head = self.asked(course, &split.head, true)?;
        head.directory = true;
        let parent = self.find_asked(course, head, manner)?;
        let name = parent.name.join(split.leaf).map_err(malformed)?;
        let rights = self.policy.rights(&name);
        if rights.scratch && Roots::<F::Pin>::is_scratch(&name) {
            return Err(Fault::Failed(odd));
        }
        let entry = if rights.scratch == parent.rights.scratch {
            self.entry_in(course, parent.pin, &parent.name, split.leaf, rights.scratch)?
        } else {
            self.plain_entry(course, &name, rights)?
                .ok_or(Fault::Failed(Errno::LOOP))?
        };
        Ok(Entry {
            directory: split.directory,
            ..entry
        })
    }

    /// The entry `leaf` of a pinned directory whose name was read back.
    fn entry_in(
        &self,
        course: &mut Course<'_>,
        parent: Arc<F::Pin>,
        parent_name: &AbsName,
        leaf: Component<'_>,
        scratch: bool,
    ) -> Attempt<Entry<F::Pin>> {
        let name = parent_name.join(leaf).map_err(malformed)?;
        let rights = self.policy.rights(&name);
        course.at(&name);
        if reach(&rights).is_none() || rights.deny.is_some() || rights.hide.is_some() {
            return Err(denial(&*self.policy, &name, Access::Read));
        }
        if rights.scratch != scratch {
            return Err(Fault::Failed(Errno::NOENT));
        }
        course.rule = reach(&rights);
        Ok(Entry {
            parent,
            name,
            rights,
            directory: false,
        })
    }

    /// Pins what the entry names now, a link itself.
    pub(crate) fn pin_entry(
        &self,
        course: &Course<'_>,
        entry: &Entry<F::Pin>,
        detail: Detail,
    ) -> Attempt<(F::Pin, Status)> {
        let how = Pinning {
            link: true,
            directory: false,
            cached: course.cached(),
        };
        let pin = self.pin(course, &entry.parent, entry.leaf()?.into(), how)?;
        let status = self.filesystem.status(&pin, detail)?;
        Ok((pin, status))
    }

    /// Whether what was pinned by an entry is in the directory that was judged, which may have
    /// been moved meanwhile. The entry then has the name that the kernel tells, since a file
    /// system may know several spellings of it.
    pub(crate) fn verify_entry(&self, entry: &mut Entry<F::Pin>, pin: &F::Pin) -> Attempt<bool> {
        if control::is_off(Defence::EntryName) {
            return Ok(true);
        }
        let mut real = Vec::new();
        self.filesystem.name(pin, &mut real)?;
        if self.roots.same(&real, &entry.name, entry.rights.scratch) {
            return Ok(true);
        }
        let like = entry.rights.scratch.then_some(&entry.name);
        let Some((now, scratch)) = self.roots.locate(&real, like) else {
            return Ok(false);
        };
        let is_removed = real.ends_with(b" (deleted)");
        if is_removed || scratch != entry.rights.scratch || now.parent() != entry.name.parent() {
            return Ok(false);
        }
        let rights = self.policy.rights(&now);
        if rights.scratch != scratch || rights.deny.is_some() || rights.hide.is_some() {
            return Ok(false);
        }
        (entry.name, entry.rights) = (now, rights);
        Ok(true)
    }
}
