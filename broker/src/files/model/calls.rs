//! The calls of the model: each lets the adversary move, then does one thing.

use doorward_policy::Component;
use doorward_protocol::{FileStat, FileSystemStat, request::TimeArgument};
use rustix::{fs::OFlags, io::Errno};

use super::{Deed, Model, ModelPin, Node, Object, State, leaf, name};
use crate::files::filesystem::{Beneath, Detail, EntryOf, Filesystem, Pinning, Renaming, Status};

impl State {
    fn find(&self, start: Node, rest: &[u8], how: Pinning) -> Result<Node, Errno> {
        let mut node = start;
        let mut parts = rest.split(|&byte| byte == b'/').peekable();
        while let Some(part) = parts.next() {
            if part.is_empty() {
                continue;
            }
            if !self.is_directory(node) {
                return Err(Errno::NOTDIR);
            }
            node = self.entry(node, leaf(part)).ok_or(Errno::NOENT)?;
            let last = parts.peek().is_none();
            if matches!(self.objects[node], Object::Link(_)) && !(last && how.link) {
                return Err(Errno::LOOP);
            }
        }
        if how.directory && !self.is_directory(node) {
            return Err(Errno::NOTDIR);
        }
        Ok(node)
    }

    fn make(&mut self, parent: Node, last: Component<'_>, object: Object) -> Result<Node, Errno> {
        let leaf = leaf(last.as_bytes());
        if !self.is_living(parent) {
            return Err(Errno::NOENT);
        }
        if self.entry(parent, leaf).is_some() {
            return Err(Errno::EXIST);
        }
        let node = self.add(parent, leaf, object);
        self.deeds.push(Deed::Made(parent, leaf));
        self.record();
        Ok(node)
    }
}

impl Model {
    fn call<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.borrow_mut();
        state.tick();
        act(&mut state)
    }
}

impl Filesystem for Model {
    type Pin = ModelPin;

    fn pin(&self, start: &ModelPin, rest: Beneath<'_>, how: Pinning) -> Result<ModelPin, Errno> {
        self.call(|state| {
            let node = state.find(start.node, rest.as_bytes(), how)?;
            Ok(ModelPin { node })
        })
    }

    fn cross(&self, _: &ModelPin, _: Component<'_>, _: bool) -> Result<ModelPin, Errno> {
        unreachable!("the model has one mount")
    }

    fn status(&self, pin: &ModelPin, _: Detail) -> Result<Status, Errno> {
        self.call(|state| {
            let kind = match state.objects[pin.node] {
                Object::Directory => libc::S_IFDIR,
                Object::File => libc::S_IFREG,
                Object::Link(_) => libc::S_IFLNK,
            };
            Ok(Status {
                stat: FileStat {
                    inode: pin.node as u64,
                    mode: kind | 0o644,
                    links: u32::from(state.is_living(pin.node)),
                    ..FileStat::default()
                },
                mount: 1,
            })
        })
    }

    fn mount_magic(&self, _: u64) -> Result<u64, Errno> {
        self.call(|_| Ok(0xef53))
    }

    fn file_system(&self, _: &ModelPin) -> Result<FileSystemStat, Errno> {
        self.call(|_| Ok(FileSystemStat::default()))
    }

    fn name(&self, pin: &ModelPin, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        self.call(|state| {
            match name(&state.places, pin.node) {
                Some(name) => buffer.extend(name),
                None => buffer.extend_from_slice(b"/gone (deleted)"),
            }
            Ok(())
        })
    }

    fn target(&self, link: &ModelPin, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        self.call(|state| match state.objects[link.node] {
            Object::Link(target) => {
                buffer.extend_from_slice(target.as_bytes());
                Ok(())
            }
            _ => Err(Errno::INVAL),
        })
    }

    fn reopen(&self, pin: &ModelPin, flags: OFlags, _: u32) -> Result<ModelPin, Errno> {
        self.call(|state| {
            state.deeds.push(Deed::Opened {
                node: pin.node,
                reads: !flags.contains(OFlags::WRONLY),
                writes: flags.intersects(OFlags::WRONLY | OFlags::RDWR),
            });
            Ok(pin.clone())
        })
    }

    fn create(
        &self,
        parent: &ModelPin,
        leaf: Component<'_>,
        _: OFlags,
        _: u32,
    ) -> Result<ModelPin, Errno> {
        self.call(|state| {
            let node = state.make(parent.node, leaf, Object::File)?;
            Ok(ModelPin { node })
        })
    }

    fn has_writer(&self, _: &ModelPin) -> Result<bool, Errno> {
        self.call(|_| Ok(true))
    }

    fn forget_copy(&self) -> Result<(), Errno> {
        self.call(|_| Ok(()))
    }

    fn set_flags(&self, _: &ModelPin, _: OFlags) -> Result<(), Errno> {
        self.call(|_| Ok(()))
    }

    fn resize(&self, file: &ModelPin, _: u64) -> Result<(), Errno> {
        self.call(|state| {
            state.deeds.push(Deed::Resized(file.node));
            Ok(())
        })
    }

    fn make_directory(&self, parent: &ModelPin, leaf: Component<'_>, _: u32) -> Result<(), Errno> {
        self.call(|state| state.make(parent.node, leaf, Object::Directory).map(drop))
    }

    fn remove(&self, parent: &ModelPin, last: Component<'_>, directory: bool) -> Result<(), Errno> {
        self.call(|state| {
            let last = leaf(last.as_bytes());
            let node = state.entry(parent.node, last).ok_or(Errno::NOENT)?;
            match (state.is_directory(node), directory) {
                (true, false) => return Err(Errno::ISDIR),
                (false, true) => return Err(Errno::NOTDIR),
                (true, true) if !state.is_empty(node) => return Err(Errno::NOTEMPTY),
                _ => {}
            }
            state.places[node] = None;
            state.deeds.push(Deed::Removed(parent.node, last));
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
            let (from, to) = (old.parent.node, new.parent.node);
            let (last, next) = (leaf(old.leaf.as_bytes()), leaf(new.leaf.as_bytes()));
            let node = state.entry(from, last).ok_or(Errno::NOENT)?;
            if !state.is_living(to) {
                return Err(Errno::NOENT);
            }
            if state.is_within(to, node) {
                return Err(Errno::INVAL);
            }
            match state.entry(to, next) {
                Some(_) if how == Renaming::Keep => return Err(Errno::EXIST),
                Some(other) if other == node => return Ok(()),
                Some(other) if how == Renaming::Exchange => {
                    if state.is_within(from, other) {
                        return Err(Errno::INVAL);
                    }
                    state.places[other] = Some((from, last));
                    state.deeds.push(Deed::Removed(to, next));
                    state.deeds.push(Deed::Made(from, last));
                }
                Some(other) if state.is_directory(other) != state.is_directory(node) => {
                    return Err(Errno::ISDIR);
                }
                Some(other) if state.is_directory(other) && !state.is_empty(other) => {
                    return Err(Errno::NOTEMPTY);
                }
                Some(other) => {
                    state.places[other] = None;
                    state.deeds.push(Deed::Removed(to, next));
                }
                None if how == Renaming::Exchange => return Err(Errno::NOENT),
                None => {}
            }
            state.places[node] = Some((to, next));
            state.deeds.push(Deed::Removed(from, last));
            state.deeds.push(Deed::Made(to, next));
            state.record();
            Ok(())
        })
    }

    fn link(&self, _: &ModelPin, _: EntryOf<'_, ModelPin>) -> Result<(), Errno> {
        // An object of the model has one name.
        self.call(|_| Err(Errno::PERM))
    }

    fn symlink(&self, _: &[u8], _: EntryOf<'_, ModelPin>) -> Result<(), Errno> {
        // Its links are those it began with.
        self.call(|_| Err(Errno::PERM))
    }

    fn set_mode(&self, _: &ModelPin, _: u32) -> Result<(), Errno> {
        self.call(|_| Ok(()))
    }

    fn set_times(&self, _: &ModelPin, _: [TimeArgument; 2]) -> Result<(), Errno> {
        self.call(|_| Ok(()))
    }

    fn access(&self, _: &ModelPin, _: u32) -> Result<(), Errno> {
        self.call(|_| Ok(()))
    }
}
