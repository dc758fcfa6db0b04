//! From a path as asked to a pinned object and the name the kernel gives it.
//!
//! The path is hostile, and so may be whoever else can rename things meanwhile.
//! Safe, because the name asked is only a way to find the object: what is decided on
//! is the name the kernel tells of the pin afterwards, and only the pin is acted on.

use std::sync::Arc;

use doorward_policy::{AbsName, Access, Component, Reason, Rights};
use doorward_protocol::request::PathArgument;
use rustix::io::Errno;

use super::{
    Files,
    course::{Attempt, Course, Fault, denial, reach},
    filesystem::{Beneath, Detail, Filesystem, Pinning, Status},
    mount::MountKind,
    path::Asked,
    roots::Start,
};
use crate::control::{self, Defence};

/// Tries of a lookup that the kernel calls off because something was renamed meanwhile.
const RETRIES: u32 = 64;
/// Tries of a whole resolution whose result had another name than the one walked to.
pub(crate) const RACES: u32 = 8;

/// How a path is to be followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Whether a link as last component is followed.
    pub(crate) follow: bool,
    /// Whether links on the way are followed (not with `RESOLVE_NO_SYMLINKS`).
    pub(crate) links: bool,
    /// How much of the status is wanted.
    pub(crate) detail: Detail,
}

impl Manner {
    /// As most calls do: following all links, or all but the last.
    pub(crate) fn of(follow: bool, detail: Detail) -> Self {
        Self {
            follow,
            links: true,
            detail,
        }
    }
}

/// A pinned object and its name.
#[derive(Debug)]
pub(crate) struct Found<P> {
    /// The pin.
    pub(crate) pin: Arc<P>,
    /// Its status.
    pub(crate) status: Status,
    /// Its canonical name, as the sandboxee sees it.
    pub(crate) name: AbsName,
    /// What the policy says about that name.
    pub(crate) rights: Rights,
}

/// A pin with the name it was walked to, before that name is read back.
#[derive(Debug)]
pub(crate) struct Reached<P> {
    /// The pin.
    pub(crate) pin: Arc<P>,
    /// Its status.
    pub(crate) status: Status,
    /// The name it was walked to.
    pub(crate) name: AbsName,
    /// What the policy says about that name.
    pub(crate) rights: Rights,
    /// Whether the walk went through the scratch directory.
    pub(crate) scratch: bool,
}

impl<F: Filesystem> Files<F> {
    /// Finds what `path` means; an empty one means its base if `empty`.
    pub(crate) fn find(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        empty: bool,
        manner: Manner,
    ) -> Attempt<Found<F::Pin>> {
        let asked = self.asked(course, path, empty)?;
        self.find_asked(course, asked, manner)
    }

    /// Reads a path.
    pub(crate) fn asked(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        empty: bool,
    ) -> Attempt<Asked> {
        Asked::read(course, path, empty, |real| self.roots.seen(real))
    }

    /// Finds what a path that was read means.
    pub(crate) fn find_asked(
        &self,
        course: &mut Course<'_>,
        mut asked: Asked,
        mut manner: Manner,
    ) -> Attempt<Found<F::Pin>> {
        manner.follow |= asked.directory || control::is_off(Defence::LastLink);
        if asked.is_plain() {
            let mut rights = self.admit(course, &asked.name)?;
            self.verify_base(course, &asked)?;
            if reach(&rights).is_some() {
                let how = Pinning {
                    link: !manner.follow,
                    directory: asked.directory,
                    cached: course.cached(),
                };
                for _ in 0..RACES {
                    let (pin, _) = match self.pin_plain(course, &asked.name, rights.scratch, how) {
                        Err(Fault::Failed(Errno::LOOP)) => break,
                        other => other?,
                    };
                    let reached = Reached {
                        status: self.filesystem.status(&pin, manner.detail)?,
                        pin: Arc::new(pin),
                        name: asked.name,
                        rights,
                        scratch: rights.scratch,
                    };
                    match self.settle(course, reached)? {
                        Ok(found) => return Ok(found),
                        Err(name) => asked.name = name,
                    }
                    rights = self.policy.rights(&asked.name);
                }
            }
        } else {
            self.verify_base(course, &asked)?;
        }
        if !manner.links {
            return Err(Fault::Failed(Errno::LOOP));
        }
        let mut again = Asked {
            rest: Vec::new(),
            ..asked.clone()
        };
        for _ in 0..RACES {
            let reached = self.walk(course, &asked, manner)?;
            match self.settle(course, reached)? {
                Ok(found) => return Ok(found),
                Err(name) => again.name = name,
            }
            // By the name it has, as another spelling of it needs; if that fails, from the start.
            let reached = self.walk(course, &again, manner)?;
            if let Ok(found) = self.settle(course, reached)? {
                return Ok(found);
            }
        }
        Err(Fault::Failed(Errno::NOENT))
    }

    /// Whether a name may be looked up at all: what is denied, and what no rule could
    /// match directly or through a link, is refused before any I/O.
    pub(crate) fn admit(&self, course: &mut Course<'_>, name: &AbsName) -> Attempt<Rights> {
        course.at(name);
        let rights = self.policy.rights(name);
        if rights.deny.is_some() || rights.hide.is_some() {
            return Err(denial(&*self.policy, name, Access::Stat));
        }
        let rule = reach(&rights);
        if rule.is_none() && !self.may_lead(name) {
            return Err(denial(&*self.policy, name, Access::Read));
        }
        course.rule = rule;
        Ok(rights)
    }

    /// Whether something on the way to `name` may be a link that a rule lets follow.
    fn may_lead(&self, name: &AbsName) -> bool {
        let mut prefix = name.parent();
        while !prefix.is_root() {
            if self.covers_link(&self.policy.rights(&prefix)) {
                return true;
            }
            prefix.pop();
        }
        false
    }

    /// Whether a link under a name with these rights may be followed.
    pub(crate) fn covers_link(&self, rights: &Rights) -> bool {
        let covered = rights.read.is_some() || rights.scratch || control::is_off(Defence::LinkRule);
        covered && rights.deny.is_none() && rights.hide.is_none()
    }

    /// Holds the name of the directory a relative path starts at to the object that it is.
    pub(crate) fn verify_base(&self, course: &mut Course<'_>, asked: &Asked) -> Attempt<()> {
        let Some(place) = &asked.base else {
            return Ok(());
        };
        let Some(base) = self.roots.seen(&place.name) else {
            return Err(Fault::Failed(Errno::NOENT));
        };
        if asked.name.below(&base).is_none() {
            // Its name alone was of use: the path leaves it by `..`.
            return Ok(());
        }
        let rights = self.policy.rights(&base);
        if reach(&rights).is_none() {
            return Err(denial(&*self.policy, &base, Access::Stat));
        }
        if self.view && is_ancestor_only(&rights) {
            return Ok(());
        }
        let how = Pinning {
            directory: true,
            ..Pinning::default()
        };
        let (pin, _) = self.pin_plain(course, &base, rights.scratch, how)?;
        let status = self.filesystem.status(&pin, Detail::Identity)?;
        if status.identity() == place.identity {
            Ok(())
        } else {
            Err(Fault::denied(Reason::Foreign, Errno::ACCESS))
        }
    }

    /// Reads a pin's name back from the kernel. `Err` gives the name to be walked to next:
    /// the object has another than the one walked to.
    pub(crate) fn settle(
        &self,
        course: &mut Course<'_>,
        reached: Reached<F::Pin>,
    ) -> Attempt<Result<Found<F::Pin>, AbsName>> {
        let Reached {
            pin,
            status,
            name,
            rights,
            scratch,
        } = reached;
        let mut real = Vec::new();
        self.filesystem.name(&pin, &mut real)?;
        let believed = control::is_off(Defence::CanonicalName);
        if believed || self.roots.same(&real, &name, scratch) {
            course.at(&name);
            return Ok(Ok(Found {
                pin,
                status,
                name,
                rights,
            }));
        }
        // It was moved or removed, a remembered mount is stale, or its file system knows several
        // spellings. What the kernel tells then is no name to judge by, since outside of its
        // mount it tells only a part of it: but one to walk to.
        self.roots.forget();
        let like = scratch.then_some(&name);
        let now = match self.roots.locate(&real, like) {
            // What left the scratch directory, or came into it, is not what was walked to.
            Some((now, there)) if there == scratch && !real.ends_with(b" (deleted)") => now,
            _ => return Ok(Err(name)),
        };
        let rights = self.policy.rights(&now);
        let is_reached = reach(&rights).is_some() && rights.scratch == scratch;
        Ok(Err(if is_reached { now } else { name }))
    }

    /// Pins a name in which no component is a link, across mounts that a rule reaches.
    pub(crate) fn pin_plain(
        &self,
        course: &Course<'_>,
        name: &AbsName,
        scratch: bool,
        how: Pinning,
    ) -> Attempt<(F::Pin, MountKind)> {
        let Some(start) = self.roots.start(name, scratch) else {
            return Err(Fault::Failed(Errno::NOENT));
        };
        self.permit(start.kind, &start.name, name)?;
        if start.kind != MountKind::Harmless {
            course.may_block()?;
        }
        let Some(rest) = Beneath::of(name, &start.name) else {
            return Err(Fault::Failed(Errno::NOENT));
        };
        match self.pin(course, &start.pin, rest, how) {
            Ok(pin) => Ok((pin, start.kind)),
            Err(Fault::Failed(Errno::XDEV)) => self.pin_across(course, start, name, how),
            Err(fault) => Err(fault),
        }
    }

    /// As [`Self::pin_plain`], component by component.
    fn pin_across(
        &self,
        course: &Course<'_>,
        start: Start<F::Pin>,
        name: &AbsName,
        how: Pinning,
    ) -> Attempt<(F::Pin, MountKind)> {
        let Start {
            pin: mut here,
            name: mut at,
            mut kind,
        } = start;
        let rest = name.below(&at).unwrap_or_default().to_vec();
        let mut parts = rest
            .split(|&byte| byte == b'/')
            .filter_map(|part| Component::new(part).ok())
            .peekable();
        while let Some(part) = parts.next() {
            at.push(part).map_err(super::path::malformed)?;
            let how = if parts.peek().is_some() {
                Pinning {
                    directory: true,
                    ..Pinning::default()
                }
            } else {
                how
            };
            match self.pin(course, &here, part.into(), how) {
                Ok(pin) if parts.peek().is_none() => return Ok((pin, kind)),
                Ok(pin) => here = Arc::new(pin),
                Err(Fault::Failed(Errno::XDEV)) => {
                    (here, kind) = self.cross(course, &here, part, &at, name)?;
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok((self.pin(course, &here, Beneath::SELF, how)?, kind))
    }

    /// Pins beneath a pin, trying again what the kernel calls off.
    pub(crate) fn pin(
        &self,
        course: &Course<'_>,
        start: &F::Pin,
        rest: Beneath<'_>,
        mut how: Pinning,
    ) -> Attempt<F::Pin> {
        how.cached = course.cached();
        for _ in 0..RETRIES {
            match self.filesystem.pin(start, rest, how) {
                Err(Errno::AGAIN) if how.cached => return Err(Fault::WouldBlock),
                Err(Errno::AGAIN) => std::thread::yield_now(),
                other => return Ok(other?),
            }
        }
        Err(Fault::Failed(Errno::AGAIN))
    }

    /// Pins the mount point `leaf`, named `at`, on the way to `target`.
    pub(crate) fn cross(
        &self,
        course: &Course<'_>,
        parent: &F::Pin,
        leaf: Component<'_>,
        at: &AbsName,
        target: &AbsName,
    ) -> Attempt<(Arc<F::Pin>, MountKind)> {
        let pin = match self.filesystem.cross(parent, leaf, course.cached()) {
            Err(Errno::AGAIN) if course.cached() => return Err(Fault::WouldBlock),
            other => Arc::new(other?),
        };
        let status = self.filesystem.status(&pin, Detail::Identity)?;
        let magic = match self.filesystem.mount_magic(status.mount) {
            Ok(magic) => magic,
            // Before Linux 6.8 only fstatfs tells, which may wait for a server.
            Err(_) => {
                course.may_block()?;
                self.filesystem.file_system(&pin)?.magic
            }
        };
        let kind = MountKind::of(magic);
        self.permit(kind, at, target)?;
        if kind != MountKind::Harmless {
            course.may_block()?;
        }
        self.roots.remember(at, &pin, kind);
        Ok((pin, kind))
    }

    /// Whether `name`, on a mount of this kind at `mount`, may be reached at all.
    pub(crate) fn permit(&self, kind: MountKind, mount: &AbsName, name: &AbsName) -> Attempt<()> {
        if kind == MountKind::Harmless || control::is_off(Defence::MountKind) {
            return Ok(());
        }
        if kind == MountKind::Processes {
            let first = name
                .below(mount)
                .and_then(|rest| rest.split(|&byte| byte == b'/').next())
                .unwrap_or_default();
            let process = matches!(first, b"self" | b"thread-self")
                || (!first.is_empty() && first.iter().all(u8::is_ascii_digit));
            // Where the mount is not known, neither is which entries are processes.
            if process || mount.is_root() {
                return Err(Fault::denied(Reason::Foreign, Errno::ACCESS));
            }
        }
        let by_mount = kind == MountKind::Literal && self.policy.names_literally(mount);
        if by_mount
            || self.policy.names_literally(name)
            || is_ancestor_only(&self.policy.rights(name))
        {
            return Ok(());
        }
        Err(Fault::denied(Reason::Mount, Errno::ACCESS))
    }

    /// Decides an access to what was found. `open` says that the object itself is
    /// handed out, so that a device, FIFO or socket needs a rule of its own.
    pub(crate) fn decide(
        &self,
        course: &mut Course<'_>,
        found: &Found<F::Pin>,
        access: Access,
        special: bool,
    ) -> Attempt<()> {
        let (name, rights) = (&found.name, &found.rights);
        course.obey(self.policy.decide_rights(name, rights, access, special))
    }
}

/// Whether nothing but a rule further below reaches a name.
pub(crate) fn is_ancestor_only(rights: &Rights) -> bool {
    rights.ancestor.is_some()
        && rights.read.is_none()
        && rights.write.is_none()
        && rights.create.is_none()
        && rights.delete.is_none()
        && rights.special.is_none()
        && rights.execute.is_none()
        && !rights.scratch
}
