//! Where walks begin: the broker's root, the scratch directory, and mounts found below the root.

use std::{
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use doorward_policy::{AbsName, policy::SCRATCH_NAMES};

use super::{filesystem::Beneath, mount::MountKind};

/// How long a mount once found is believed in before it is looked up again.
const BELIEVED: Duration = Duration::from_secs(1);
/// Most mounts remembered; beyond it the oldest is forgotten.
const MOUNTS: usize = 64;

/// The pinned places where walks begin.
#[derive(Debug)]
pub(crate) struct Roots<P> {
    root: Arc<P>,
    scratch: Option<Scratch<P>>,
    mounts: RwLock<Vec<Mount<P>>>,
}

/// The private directory that backs the scratch names.
#[derive(Debug)]
struct Scratch<P> {
    pin: Arc<P>,
    /// Its name as the kernel tells it, without a trailing slash: empty for a root.
    real: Vec<u8>,
}

#[derive(Debug)]
struct Mount<P> {
    name: AbsName,
    pin: Arc<P>,
    kind: MountKind,
    since: Instant,
}

/// Where the walk of one name begins.
#[derive(Debug)]
pub(crate) struct Start<P> {
    /// The pinned directory.
    pub(crate) pin: Arc<P>,
    /// Its name, as the sandboxee sees it.
    pub(crate) name: AbsName,
    /// What kind of file system it is.
    pub(crate) kind: MountKind,
}

fn scratch_name(name: &AbsName) -> Option<AbsName> {
    SCRATCH_NAMES
        .iter()
        .filter_map(|text| AbsName::parse(text.as_bytes()).ok())
        .find(|prefix| name.below(prefix).is_some())
}

impl<P> Roots<P> {
    /// Of a pinned root and, if there is one, the pinned scratch directory with its
    /// name as the kernel tells it.
    pub(crate) fn new(root: P, scratch: Option<(P, Vec<u8>)>) -> Self {
        Self {
            root: Arc::new(root),
            scratch: scratch.map(|(pin, mut real)| {
                while real.last() == Some(&b'/') {
                    real.pop();
                }
                Scratch {
                    pin: Arc::new(pin),
                    real,
                }
            }),
            mounts: RwLock::new(Vec::new()),
        }
    }

    /// The pinned root.
    pub(crate) fn root(&self) -> Start<P> {
        Start {
            pin: Arc::clone(&self.root),
            name: AbsName::root(),
            kind: MountKind::Harmless,
        }
    }

    /// Where the walk of `name` begins; none if it should lie in a scratch directory and there is none.
    pub(crate) fn start(&self, name: &AbsName, scratch: bool) -> Option<Start<P>> {
        if scratch {
            return Some(Start {
                pin: Arc::clone(&self.scratch.as_ref()?.pin),
                name: scratch_name(name)?,
                kind: MountKind::Harmless,
            });
        }
        let mounts = self.mounts.read().ok()?;
        let nearest = mounts
            .iter()
            .filter(|mount| Beneath::of(name, &mount.name).is_some())
            .max_by_key(|mount| mount.name.as_bytes().len());
        match nearest {
            Some(mount) if mount.since.elapsed() < BELIEVED => Some(Start {
                pin: Arc::clone(&mount.pin),
                name: mount.name.clone(),
                kind: mount.kind,
            }),
            // A name below a mount that is due to be looked up again is walked from the root.
            _ => Some(self.root()),
        }
    }

    /// The nearest remembered mount above `name`, however old; the root if there is none.
    pub(crate) fn mount_of(&self, name: &AbsName) -> AbsName {
        self.mounts
            .read()
            .ok()
            .and_then(|mounts| {
                mounts
                    .iter()
                    .map(|mount| &mount.name)
                    .filter(|mount| name.below(mount).is_some())
                    .max_by_key(|mount| mount.as_bytes().len())
                    .cloned()
            })
            .unwrap_or_else(AbsName::root)
    }

    /// Remembers a mount found on a walk.
    pub(crate) fn remember(&self, name: &AbsName, pin: &Arc<P>, kind: MountKind) {
        let Ok(mut mounts) = self.mounts.write() else {
            return;
        };
        mounts.retain(|mount| mount.name != *name);
        if mounts.len() >= MOUNTS {
            mounts.remove(0);
        }
        mounts.push(Mount {
            name: name.clone(),
            pin: Arc::clone(pin),
            kind,
            since: Instant::now(),
        });
    }

    /// Forgets all mounts: one of them led elsewhere than its name says.
    pub(crate) fn forget(&self) {
        if let Ok(mut mounts) = self.mounts.write() {
            mounts.clear();
        }
    }

    /// Whether the kernel's name `real` of an object is `name` as the sandboxee sees it.
    pub(crate) fn same(&self, real: &[u8], name: &AbsName, scratch: bool) -> bool {
        if !scratch {
            return real == name.as_bytes();
        }
        let (Some(scratch), Some(prefix)) = (self.scratch.as_ref(), scratch_name(name)) else {
            return false;
        };
        let (Some(below), Some(rest)) = (real.strip_prefix(&*scratch.real), name.below(&prefix))
        else {
            return false;
        };
        match below {
            [] => rest.is_empty(),
            [b'/', below @ ..] => below == rest,
            _ => false,
        }
    }

    /// The name by which the sandboxee sees what the kernel calls `real`, and whether
    /// that lies in the scratch directory; `like` is the name it asked by, which says
    /// by which of its names the scratch is meant.
    pub(crate) fn locate(&self, real: &[u8], like: Option<&AbsName>) -> Option<(AbsName, bool)> {
        if let Some(scratch) = &self.scratch
            && let Some(below) = real.strip_prefix(&*scratch.real)
            && (below.is_empty() || below.starts_with(b"/"))
            // A scratch directory that is the root of a detached mount has no name of
            // its own; only walks that began in it may be read so.
            && (!scratch.real.is_empty() || like.is_some_and(|name| scratch_name(name).is_some()))
        {
            let prefix = like.and_then(scratch_name);
            let prefix = prefix.as_ref().map_or(&b"/tmp"[..], AbsName::as_bytes);
            let name = AbsName::parse(&[prefix, below].concat()).ok()?;
            return Some((name, true));
        }
        Some((AbsName::parse(real).ok()?, false))
    }

    /// The name by which the sandboxee sees what the kernel calls `real`.
    pub(crate) fn seen(&self, real: &[u8]) -> Option<AbsName> {
        self.locate(real, None).map(|(name, _)| name)
    }

    /// Whether `name` is one of the names of the scratch directory itself.
    pub(crate) fn is_scratch(name: &AbsName) -> bool {
        SCRATCH_NAMES
            .iter()
            .any(|own| own.as_bytes() == name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AbsName {
        AbsName::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn scratch_names_map_both_ways() {
        let roots = Roots::new(1, Some((2, b"/run/x/s".to_vec())));
        assert!(roots.same(b"/run/x/s/a", &name("/tmp/a"), true));
        assert!(roots.same(b"/run/x/s", &name("/var/tmp"), true));
        assert!(roots.same(b"/run/x/s/a", &name("/dev/shm/a"), true));
        assert!(!roots.same(b"/run/x/sa", &name("/tmp/a"), true));
        assert!(!roots.same(b"/tmp/a", &name("/tmp/a"), true));
        assert!(roots.same(b"/tmp/a", &name("/tmp/a"), false));
        let seen = |real: &[u8], like| roots.locate(real, Some(&name(like)));
        let there = |text, scratch| Some((name(text), scratch));
        assert_eq!(seen(b"/run/x/s/a", "/tmp/b"), there("/tmp/a", true));
        assert_eq!(seen(b"/run/x/s/a", "/var/tmp/b"), there("/var/tmp/a", true));
        assert_eq!(seen(b"/run/x/sa", "/tmp/b"), there("/run/x/sa", false));
        assert_eq!(seen(b"/tmp/b", "/tmp/b"), there("/tmp/b", false));
        assert_eq!(roots.start(&name("/tmp/q"), true).map(|s| *s.pin), Some(2));
        assert!(roots.start(&name("/srv"), true).is_none());
    }

    #[test]
    fn the_nearest_mount_is_where_a_walk_begins() {
        let roots = Roots::new(1, None);
        roots.remember(&name("/home"), &Arc::new(2), MountKind::Harmless);
        roots.remember(&name("/home/a"), &Arc::new(3), MountKind::Literal);
        let start = |text| roots.start(&name(text), false).map(|s| *s.pin);
        assert_eq!(start("/home/a/b"), Some(3));
        assert_eq!(start("/home/ab"), Some(2));
        assert_eq!(start("/homes"), Some(1));
        let mount = |text| roots.mount_of(&name(text));
        assert_eq!(mount("/home/a/b"), name("/home/a"));
        assert_eq!(mount("/home/ab"), name("/home"));
        assert_eq!(mount("/homes"), AbsName::root());
        // What is found again takes the place of what was known.
        roots.remember(&name("/home/a"), &Arc::new(4), MountKind::Literal);
        assert_eq!(start("/home/a/b"), Some(4));
        roots.forget();
        assert_eq!(start("/home/a"), Some(1));
        assert_eq!(mount("/home/a"), AbsName::root());
    }

    #[test]
    fn so_many_mounts_are_remembered_and_the_oldest_is_forgotten() {
        let roots = Roots::new(0, None);
        let of = |number: usize| name(&format!("/m{number}"));
        for number in 1..=MOUNTS + 1 {
            roots.remember(&of(number), &Arc::new(number), MountKind::Harmless);
        }
        let start = |number| roots.start(&of(number), false).map(|s| *s.pin);
        assert_eq!(start(1), Some(0));
        assert_eq!(start(2), Some(2));
        assert_eq!(start(MOUNTS + 1), Some(MOUNTS + 1));
    }

    #[test]
    fn a_scratch_that_is_the_root_of_its_mount_is_seen_from_walks_within_it_alone() {
        let roots = Roots::new(1, Some((2, b"/".to_vec())));
        assert!(roots.same(b"/a", &name("/tmp/a"), true));
        assert!(!roots.same(b"/b", &name("/tmp/a"), true));
        assert!(!roots.same(b"/a", &name("/srv/a"), true));
        let within = name("/dev/shm/x");
        assert_eq!(
            roots.locate(b"/a", Some(&within)),
            Some((name("/dev/shm/a"), true))
        );
        assert_eq!(roots.locate(b"/a", None), Some((name("/a"), false)));
        assert_eq!(
            roots.locate(b"/a", Some(&name("/srv"))),
            Some((name("/a"), false))
        );
        assert_eq!(roots.seen(b"(unreachable)/a"), None);
        assert!(!Roots::new(1, None).same(b"/a", &name("/tmp/a"), true));
        assert!(Roots::<i32>::is_scratch(&within.parent()));
        assert!(!Roots::<i32>::is_scratch(&within));
    }
}
