//! The walk: component by component, with a stack of pins, for names with links or `..`.
//!
//! Path text and link targets are hostile. Safe, because every component is looked up
//! only if a rule reaches its name, every link must be covered by a `read` rule, no
//! lookup follows a link or leaves its mount by itself, and the number of links and
//! the length of what is still to be walked are bounded.

use std::sync::Arc;

use doorward_policy::{AbsName, Access, Component, Reason, Rights};
use rustix::io::Errno;

use super::{
    Files,
    course::{Attempt, Course, Fault, denial, reach},
    filesystem::{Beneath, Detail, Filesystem, Kind, Pinning},
    find::{Manner, Reached},
    mount::MountKind,
    path::{Asked, malformed},
};
use crate::control::{self, Defence};

/// Most links on one walk, as the kernel's own.
const LINKS: u32 = 40;
/// Most bytes still to be walked, link targets included.
const PENDING: usize = 64 * 1024;

/// A directory the walk stands on.
#[derive(Debug)]
struct Standing<P> {
    pin: Arc<P>,
    scratch: bool,
    kind: MountKind,
}

/// What is still to be walked.
struct Pending {
    text: Vec<u8>,
    position: usize,
}

impl Pending {
    fn rest(&self) -> &[u8] {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// The next component, copied out; none at the end.
    fn next(&mut self) -> Option<Vec<u8>> {
        let slashes = self.rest().iter().take_while(|&&byte| byte == b'/').count();
        self.position = self.position.saturating_add(slashes);
        let part: Vec<u8> = self
            .rest()
            .iter()
            .copied()
            .take_while(|&byte| byte != b'/')
            .collect();
        self.position = self.position.saturating_add(part.len());
        (!part.is_empty()).then_some(part)
    }

    /// Whether no component follows.
    fn is_last(&self) -> bool {
        self.rest().iter().all(|&byte| byte == b'/')
    }

    /// Puts a link's target before what follows.
    fn prepend(&mut self, mut target: Vec<u8>) -> Attempt<()> {
        target.extend_from_slice(self.rest());
        if target.len() > PENDING {
            return Err(Fault::denied(Reason::Malformed, Errno::NAMETOOLONG));
        }
        self.text = target;
        self.position = 0;
        Ok(())
    }
}

impl<F: Filesystem> Files<F> {
    /// Walks to what `asked` means. The result's name is not read back yet.
    pub(crate) fn walk(
        &self,
        course: &mut Course<'_>,
        asked: &Asked,
        manner: Manner,
    ) -> Attempt<Reached<F::Pin>> {
        let mut text = asked.name.as_bytes().to_vec();
        if !asked.is_plain() {
            text.push(b'/');
            text.extend_from_slice(&asked.rest);
        }
        let mut pending = Pending { text, position: 0 };
        let mut seen = AbsName::root();
        let mut here = self.standing_root();
        let mut stack: Vec<Standing<F::Pin>> = Vec::new();
        let mut links = 0u32;
        let mut directory = asked.directory;
        while let Some(part) = pending.next() {
            if part == b"." {
                directory |= pending.is_last();
                continue;
            }
            if part == b".." {
                directory |= pending.is_last();
                seen.pop();
                here = match stack.pop() {
                    Some(parent) => parent,
                    None => self.stand_on(course, &seen)?,
                };
                continue;
            }
            let component = Component::new(&part).map_err(malformed)?;
            let next = seen.join(component).map_err(malformed)?;
            let rights = self.policy.rights(&next);
            let reached = reach(&rights).is_some() || control::is_off(Defence::StepReach);
            if !reached || self.is_barred(&next, &rights, &pending) {
                course.at(&next);
                return Err(denial(&*self.policy, &next, Access::Read));
            }
            let last = pending.is_last();
            let want_directory = directory || (last && !pending.rest().is_empty());
            let scratch = self.is_through_scratch(&next, &rights, &pending);
            let (pin, kind) = if scratch == here.scratch {
                self.step(course, &here, component, &next, &pending)?
            } else {
                // Here the scratch directory begins or ends.
                let how = Pinning {
                    link: true,
                    ..Pinning::default()
                };
                stack.clear();
                let (pin, kind) = self.pin_plain(course, &next, scratch, how)?;
                (Arc::new(pin), kind)
            };
            let detail = if last {
                manner.detail
            } else {
                Detail::Identity
            };
            let status = self.filesystem.status(&pin, detail)?;
            match status.kind() {
                Kind::Link if !last || manner.follow || want_directory => {
                    course.at(&next);
                    if !manner.links {
                        return Err(Fault::Failed(Errno::LOOP));
                    }
                    if rights.deny.is_some() || rights.hide.is_some() {
                        return Err(denial(&*self.policy, &next, Access::Read));
                    }
                    if !self.covers_link(&rights) {
                        return Err(Fault::denied(Reason::Link, Errno::ACCESS));
                    }
                    links = links.saturating_add(1);
                    if links > LINKS {
                        return Err(Fault::Failed(Errno::LOOP));
                    }
                    let mut target = Vec::new();
                    self.filesystem.target(&pin, &mut target)?;
                    if target.is_empty() {
                        return Err(Fault::Failed(Errno::NOENT));
                    }
                    if target.starts_with(b"/") {
                        seen = AbsName::root();
                        stack.clear();
                        here = self.standing_root();
                    }
                    directory = want_directory;
                    pending.prepend(target)?;
                }
                Kind::Directory => {
                    let standing = Standing { pin, scratch, kind };
                    if scratch == here.scratch {
                        stack.push(std::mem::replace(&mut here, standing));
                    } else {
                        here = standing;
                    }
                    seen = next;
                }
                _ if last && !want_directory => {
                    return Ok(Reached {
                        pin,
                        status,
                        name: next,
                        rights,
                        scratch,
                    });
                }
                _ => return Err(Fault::Failed(Errno::NOTDIR)),
            }
        }
        let rights = self.policy.rights(&seen);
        if reach(&rights).is_none() {
            course.at(&seen);
            return Err(denial(&*self.policy, &seen, Access::Read));
        }
        if here.scratch != rights.scratch {
            // It stands where it only passed through.
            here = self.stand_on(course, &seen)?;
        }
        Ok(Reached {
            status: self.filesystem.status(&here.pin, manner.detail)?,
            pin: here.pin,
            name: seen,
            rights,
            scratch: here.scratch,
        })
    }

    /// Whether `next` is the scratch directory's. Where a rule lies further below a name
    /// that the scratch backs, what follows says which of the two is meant.
    fn is_through_scratch(&self, next: &AbsName, rights: &Rights, pending: &Pending) -> bool {
        if !rights.scratch || rights.ancestor.is_none() {
            return rights.scratch;
        }
        let mut target = next.clone();
        for part in pending.rest().split(|&byte| byte == b'/') {
            match Component::new(part) {
                Ok(component) if target.push(component).is_ok() => {}
                _ if part.is_empty() || part == b"." => {}
                _ => break,
            }
        }
        self.policy.rights(&target).scratch
    }

    /// Whether the walk ends at a denied or hidden name, or goes on to another: then not even
    /// whether it exists is to be found out.
    fn is_barred(&self, next: &AbsName, rights: &Rights, pending: &Pending) -> bool {
        let is_barred = |rights: &Rights| rights.deny.is_some() || rights.hide.is_some();
        if !is_barred(rights) || control::is_off(Defence::StepBarred) {
            return false;
        }
        let below = pending.rest().split(|&byte| byte == b'/');
        let below = below
            .filter(|part| !part.is_empty())
            .map(Component::new)
            .next();
        let below = below.and_then(|part| next.join(part.ok()?).ok());
        below.is_none_or(|below| is_barred(&self.policy.rights(&below)))
    }

    fn standing_root(&self) -> Standing<F::Pin> {
        let root = self.roots.root();
        Standing {
            pin: root.pin,
            scratch: false,
            kind: root.kind,
        }
    }

    /// Stands on a canonical name anew: the walk has left what it holds pins of.
    fn stand_on(&self, course: &mut Course<'_>, seen: &AbsName) -> Attempt<Standing<F::Pin>> {
        if seen.is_root() {
            return Ok(self.standing_root());
        }
        let rights = self.policy.rights(seen);
        if reach(&rights).is_none() {
            course.at(seen);
            return Err(denial(&*self.policy, seen, Access::Read));
        }
        let how = Pinning {
            directory: true,
            ..Pinning::default()
        };
        let (pin, kind) = self.pin_plain(course, seen, rights.scratch, how)?;
        Ok(Standing {
            pin: Arc::new(pin),
            scratch: rights.scratch,
            kind,
        })
    }

    /// One step down, onto a link itself or over a mount.
    fn step(
        &self,
        course: &Course<'_>,
        here: &Standing<F::Pin>,
        component: Component<'_>,
        next: &AbsName,
        pending: &Pending,
    ) -> Attempt<(Arc<F::Pin>, MountKind)> {
        let how = Pinning {
            link: true,
            ..Pinning::default()
        };
        if here.kind != MountKind::Harmless {
            // The mount was permitted for another name than this one.
            self.permit(here.kind, &self.roots.mount_of(next), next)?;
        }
        match self.pin(course, &here.pin, Beneath::from(component), how) {
            Ok(pin) => Ok((Arc::new(pin), here.kind)),
            Err(Fault::Failed(Errno::XDEV)) => {
                let target = [next.as_bytes(), b"/", pending.rest()].concat();
                // With `..` still to come, the mount must be permitted by its own name.
                let target = AbsName::parse(&target).unwrap_or_else(|_| next.clone());
                self.cross(course, &here.pin, component, next, &target)
            }
            Err(fault) => Err(fault),
        }
    }
}
