//! The calls of the model: each lets the adversary move, then does one thing.

use doorward_policy::Component;
use doorward_protocol::{FileStat, FileSystemStat, request::TimeArgument};
use rustix::{fs::OFlags, io::Errno};

use super::{
    Deed, Flaw, Model, ModelPin, State, native,
    tree::{Leaf, Node, Object, Tree, leaf},
};
use crate::files::filesystem::{Beneath, Detail, EntryOf, Filesystem, Pinning, Renaming, Status};

/// What a call finds: an entry and the mount it is seen through.
type Found = Result<(Node, usize), Errno>;

fn find(tree: &Tree, start: (Node, usize), rest: &[u8], how: Pinning, flaw: Option<Flaw>) -> Found {
    let (mut node, mut mount) = start;
    let mut parts = rest.split(|&byte| byte == b'/').peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() {
            continue;
        }
        if !tree.is_directory(node) {
            return Err(Errno::NOTDIR);
        }
        node = tree.entry(node, leaf(part)).ok_or(Errno::NOENT)?;
        let last = parts.peek().is_none();
        if matches!(tree.object(node), Object::Link(_)) && !(last && how.link) {
            if flaw != Some(Flaw::FollowsLinks) {
                return Err(Errno::LOOP);
            }
            return native::resolve(tree, start, rest, !how.link).ok_or(Errno::NOENT);
        }
        if tree.mounted(mount, node).is_some() {
            if flaw != Some(Flaw::CrossesMounts) {
                return Err(Errno::XDEV);
            }
            (node, mount) = native::across(tree, (node, mount));
        }
    }
    if how.directory && !tree.is_directory(node) {
        return Err(Errno::NOTDIR);
    }
    Ok((node, mount))
}

fn cross(tree: &Tree, parent: (Node, usize), leaf: Leaf) -> Found {
    let node = tree.entry(parent.0, leaf).ok_or(Errno::NOENT)?;
    if matches!(tree.object(node), Object::Link(_)) {
        return Err(Errno::LOOP);
    }
    Ok(native::across(tree, (node, parent.1)))
}

impl State {
    /// What has the name now that a pin had when it was made.
    fn by_name(&self, pin: &ModelPin) -> Result<ModelPin, Errno> {
        let name = self.history[pin.since].told(pin.node, pin.mount);
        let (node, mount) = native::resolve(&self.tree, (0, 0), &name, true).ok_or(Errno::NOENT)?;
        Ok(self.pinned(node, mount))
    }

    fn parent(&self, pin: &ModelPin) -> Result<ModelPin, Errno> {
        match self.flaw {
            Some(Flaw::ParentByName) => self.by_name(pin),
            _ => Ok(*pin),
        }
    }

    fn attribute(&self, pin: &ModelPin) -> Result<ModelPin, Errno> {
        match self.flaw {
            Some(Flaw::ChangesByName) => self.by_name(pin),
            _ => Ok(*pin),
        }
    }

    fn may_make(&self, parent: Node, leaf: Leaf) -> Result<(), Errno> {
        if self.tree.top(parent).is_none() {
            return Err(Errno::NOENT);
        }
        match self.tree.entry(parent, leaf) {
            Some(_) => Err(Errno::EXIST),
            None => Ok(()),
        }
    }

    fn make(
        &mut self,
        parent: &ModelPin,
        last: Component<'_>,
        object: Object,
        mode: u32,
    ) -> Result<ModelPin, Errno> {
        let parent = self.parent(parent)?;
        let leaf = leaf(last.as_bytes());
        self.may_make(parent.node, leaf)?;
        let node = self.tree.add(parent.node, leaf, object);
        self.did(Deed::Made(parent, leaf, mode));
        self.record();
        Ok(self.pinned(node, parent.mount))
    }

    /// What a creation without `O_EXCL` and `O_NOFOLLOW` opens.
    fn existing(&mut self, parent: &ModelPin, last: Component<'_>) -> Option<ModelPin> {
        let start = (parent.node, parent.mount);
        let (node, mount) = native::resolve(&self.tree, start, last.as_bytes(), true)?;
        let pin = self.pinned(node, mount);
        self.did(Deed::Opened {
            pin,
            reads: false,
            writes: true,
        });
        Some(pin)
    }

    fn removable(&self, node: Node, directory: bool) -> Result<(), Errno> {
        match (self.tree.is_directory(node), directory) {
            (true, false) => Err(Errno::ISDIR),
            (false, true) => Err(Errno::NOTDIR),
            (true, true) if !self.tree.is_empty(node) => Err(Errno::NOTEMPTY),
            _ if self.tree.is_busy(node) => Err(Errno::BUSY),
            _ => Ok(()),
        }
    }

    fn exchange(
        &mut self,
        (node, from, last): (Node, ModelPin, Leaf),
        (other, to, next): (Node, ModelPin, Leaf),
    ) -> Result<(), Errno> {
        if self.tree.is_within(from.node, other) {
            return Err(Errno::INVAL);
        }
        if self.tree.is_busy(other) {
            return Err(Errno::BUSY);
        }
        self.tree.places.swap(node, other);
        self.did(Deed::Moved(other, (to, next), (from, last)));
        Ok(())
    }
}

impl Model {
    /// A call that changes the tree.
    fn call<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.borrow_mut();
        state.tick::<()>(None);
        act(&mut state)
    }

    /// A call that looks at the tree.
    pub(super) fn look<T: PartialEq, R>(
        &self,
        look: impl Fn(&Tree) -> T,
        act: impl FnOnce(&State, T) -> R,
    ) -> R {
        let mut state = self.0.borrow_mut();
        state.tick(Some(&look));
        let seen = look(&state.tree);
        act(&state, seen)
    }

    /// Whether a promise of the kernel is broken.
    fn has(&self, flaw: Flaw) -> bool {
        self.0.borrow().flaw == Some(flaw)
    }

    /// A call that looks at the pinned object alone.
    fn quiet<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.borrow_mut())
    }

    fn change(&self, pin: &ModelPin, mode: u32) -> Result<(), Errno> {
        let act = |state: &mut State| {
            let pin = state.attribute(pin)?;
            state.did(Deed::Changed(pin, mode));
            Ok(())
        };
        if self.has(Flaw::ChangesByName) {
            self.call(act)
        } else {
            self.quiet(act)
        }
    }
}

impl Filesystem for Model {
    type Pin = ModelPin;

    fn pin(&self, start: &ModelPin, rest: Beneath<'_>, how: Pinning) -> Result<ModelPin, Errno> {
        let flaw = self.0.borrow().flaw;
        let start = (start.node, start.mount);
        self.look(
            |tree| find(tree, start, rest.as_bytes(), how, flaw),
            |state, found| found.map(|(node, mount)| state.pinned(node, mount)),
        )
    }

    fn cross(&self, parent: &ModelPin, last: Component<'_>, _: bool) -> Result<ModelPin, Errno> {
        let (parent, leaf) = ((parent.node, parent.mount), leaf(last.as_bytes()));
        self.look(
            |tree| cross(tree, parent, leaf),
            |state, found| found.map(|(node, mount)| state.pinned(node, mount)),
        )
    }

    fn status(&self, pin: &ModelPin, _: Detail) -> Result<Status, Errno> {
        self.quiet(|state| {
            let kind = match state.tree.object(pin.node) {
                Object::Directory => libc::S_IFDIR,
                Object::File => libc::S_IFREG,
                Object::Fifo => libc::S_IFIFO,
                Object::Device => libc::S_IFCHR,
                Object::Link(_) => libc::S_IFLNK,
            };
            Ok(Status {
                stat: FileStat {
                    inode: state.tree.inodes[pin.node] as u64,
                    mode: kind | 0o644,
                    links: 1,
                    ..FileStat::default()
                },
                mount: pin.mount as u64,
            })
        })
    }

    fn mount_magic(&self, mount: u64) -> Result<u64, Errno> {
        self.quiet(|state| {
            let mount = usize::try_from(mount).unwrap();
            Ok(state.tree.mounts[mount].magic)
        })
    }

    fn file_system(&self, pin: &ModelPin) -> Result<FileSystemStat, Errno> {
        self.quiet(|state| {
            state.did(Deed::Measured(*pin));
            Ok(FileSystemStat::default())
        })
    }

    fn name(&self, pin: &ModelPin, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        if self.has(Flaw::OldNames) {
            let state = self.0.borrow();
            buffer.extend(state.history[pin.since].told(pin.node, pin.mount));
            return Ok(());
        }
        self.look(
            |tree| tree.told(pin.node, pin.mount),
            |_, name| buffer.extend(name),
        );
        Ok(())
    }

    fn target(&self, link: &ModelPin, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        self.quiet(|state| match state.tree.object(link.node) {
            Object::Link(target) => {
                buffer.extend_from_slice(target.as_bytes());
                Ok(())
            }
            _ => Err(Errno::INVAL),
        })
    }

    fn reopen(&self, pin: &ModelPin, flags: OFlags, _: u32) -> Result<ModelPin, Errno> {
        if flags.contains(OFlags::TMPFILE) {
            return self.quiet(|state| {
                let hidden = flags.contains(OFlags::EXCL);
                state.did(Deed::Temporary(*pin, hidden));
                Ok(*pin)
            });
        }
        let act = |state: &mut State| {
            let pin = match state.flaw {
                Some(Flaw::ReopensByName) => state.by_name(pin)?,
                _ => *pin,
            };
            state.did(Deed::Opened {
                pin,
                reads: !flags.contains(OFlags::WRONLY),
                writes: flags.intersects(OFlags::WRONLY | OFlags::RDWR),
            });
            if flags.contains(OFlags::TRUNC) {
                state.did(Deed::Changed(pin, 0));
            }
            Ok(pin)
        };
        if self.has(Flaw::ReopensByName) {
            self.call(act)
        } else {
            self.quiet(act)
        }
    }

    fn create(
        &self,
        parent: &ModelPin,
        leaf: Component<'_>,
        _: OFlags,
        mode: u32,
    ) -> Result<ModelPin, Errno> {
        self.call(|state| {
            if state.flaw == Some(Flaw::CreatesThrough)
                && let Some(pin) = state.existing(parent, leaf)
            {
                return Ok(pin);
            }
            state.make(parent, leaf, Object::File, mode)
        })
    }

    fn had_writer(&self, _: &ModelPin) -> Result<bool, Errno> {
        self.quiet(|_| Ok(true))
    }

    fn has_writer(&self, _: &ModelPin) -> Result<bool, Errno> {
        self.quiet(|_| Ok(true))
    }

    fn forget_copy(&self) -> Result<(), Errno> {
        self.quiet(|_| Ok(()))
    }

    fn set_flags(&self, _: &ModelPin, _: OFlags) -> Result<(), Errno> {
        self.quiet(|_| Ok(()))
    }

    fn resize(&self, file: &ModelPin, _: u64) -> Result<(), Errno> {
        self.quiet(|state| {
            state.did(Deed::Changed(*file, 0));
            Ok(())
        })
    }

    fn make_directory(
        &self,
        parent: &ModelPin,
        leaf: Component<'_>,
        mode: u32,
    ) -> Result<(), Errno> {
        self.call(|state| state.make(parent, leaf, Object::Directory, mode).map(drop))
    }

    fn remove(&self, parent: &ModelPin, last: Component<'_>, directory: bool) -> Result<(), Errno> {
        self.call(|state| {
            let parent = state.parent(parent)?;
            let last = leaf(last.as_bytes());
            let node = state.tree.entry(parent.node, last).ok_or(Errno::NOENT)?;
            state.removable(node, directory)?;
            state.tree.places[node] = None;
            state.did(Deed::Removed(parent, last));
            state.record();
            Ok(())
        })
    }

    fn rename(
        &self,
        old: EntryOf<'_, ModelPin>,
        new: EntryOf<'_, ModelPin>,
        how: Renaming,
    ) -> Result<(), Errno> {
        self.call(|state| {
            let (from, to) = (state.parent(old.parent)?, state.parent(new.parent)?);
            let (last, next) = (leaf(old.leaf.as_bytes()), leaf(new.leaf.as_bytes()));
            if from.mount != to.mount {
                return Err(Errno::XDEV);
            }
            let node = state.tree.entry(from.node, last).ok_or(Errno::NOENT)?;
            if state.tree.top(to.node).is_none() {
                return Err(Errno::NOENT);
            }
            if state.tree.is_within(to.node, node) {
                return Err(Errno::INVAL);
            }
            if state.tree.is_busy(node) {
                return Err(Errno::BUSY);
            }
            match state.tree.entry(to.node, next) {
                Some(_) if how == Renaming::Keep => return Err(Errno::EXIST),
                Some(other) if state.tree.inodes[other] == state.tree.inodes[node] => {
                    return Ok(());
                }
                Some(other) if how == Renaming::Exchange => {
                    state.exchange((node, from, last), (other, to, next))?;
                }
                Some(other) => {
                    state.removable(other, state.tree.is_directory(node))?;
                    state.tree.places[other] = None;
                    state.did(Deed::Removed(to, next));
                    state.tree.places[node] = Some((to.node, next));
                }
                None if how == Renaming::Exchange => return Err(Errno::NOENT),
                None => state.tree.places[node] = Some((to.node, next)),
            }
            state.did(Deed::Moved(node, (from, last), (to, next)));
            state.record();
            Ok(())
        })
    }

    fn link(&self, pin: &ModelPin, new: EntryOf<'_, ModelPin>) -> Result<(), Errno> {
        self.call(|state| {
            let parent = state.parent(new.parent)?;
            let leaf = leaf(new.leaf.as_bytes());
            state.may_make(parent.node, leaf)?;
            if pin.mount != parent.mount {
                return Err(Errno::XDEV);
            }
            let inode = state.tree.inodes[pin.node];
            state.tree.name_again(parent.node, leaf, inode);
            state.did(Deed::Made(parent, leaf, 0));
            state.did(Deed::Linked(*pin, parent, leaf));
            state.record();
            Ok(())
        })
    }

    fn symlink(&self, target: &[u8], new: EntryOf<'_, ModelPin>) -> Result<(), Errno> {
        self.call(|state| {
            let mut said = [0; 16];
            said[..target.len()].copy_from_slice(target);
            let object = Object::Link("made");
            state.make(new.parent, new.leaf, object, 0).map(drop)?;
            let parent = state.parent(new.parent)?;
            state.did(Deed::Said(parent, said));
            Ok(())
        })
    }

    fn set_mode(&self, pin: &ModelPin, mode: u32) -> Result<(), Errno> {
        self.change(pin, mode)
    }

    fn set_times(&self, pin: &ModelPin, _: [TimeArgument; 2]) -> Result<(), Errno> {
        self.change(pin, 0)
    }

    fn access(&self, pin: &ModelPin, mode: u32) -> Result<(), Errno> {
        self.quiet(|state| {
            state.did(Deed::Probed(*pin, mode));
            Ok(())
        })
    }
}
