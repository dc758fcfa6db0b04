//! For tests: small rules, and an asker that is this process.

use std::{
    os::fd::{BorrowedFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use doorward_policy::{AbsName, Access, Denial, Reason, Rights, RuleId, Verdict};
use doorward_protocol::{Base, request::PathArgument};
use rustix::io::Errno;

use super::{Course, Files, Filesystem, Kernel, Roots, Rules};
use crate::service::{Asker, FileIdentity, Patience, Place};

/// Rules: a key and a name, which may end in `/**`.
#[derive(Debug, Default, Clone)]
pub(crate) struct TrialRules {
    pub(crate) rules: Vec<(&'static str, String)>,
    pub(crate) scratch: bool,
}

pub(crate) fn name(text: impl AsRef<[u8]>) -> AbsName {
    AbsName::parse(text.as_ref()).unwrap()
}

impl TrialRules {
    pub(crate) fn of(rules: &[(&'static str, String)]) -> Self {
        Self {
            rules: rules.to_vec(),
            scratch: false,
        }
    }
}

impl Rules for TrialRules {
    fn rights(&self, asked: &AbsName) -> Rights {
        let mut rights = Rights::default();
        for (index, (key, text)) in self.rules.iter().enumerate() {
            let rule = Some(RuleId(u32::try_from(index).unwrap()));
            let (prefix, deep) = match text.strip_suffix("/**") {
                Some(prefix) => (name(prefix), true),
                None => (name(text), false),
            };
            let below = asked.below(&prefix);
            if below == Some(b"") || (deep && below.is_some()) {
                match *key {
                    "read" => rights.read = rule,
                    "write" => rights.write = rule,
                    "create" => rights.create = rule,
                    "delete" => rights.delete = rule,
                    "special" => rights.special = rule,
                    "execute" => rights.execute = rule,
                    "deny" => rights.deny = rule,
                    "hide" => rights.hide = rule,
                    other => panic!("no such key: {other}"),
                }
            } else if !matches!(*key, "deny" | "hide") && prefix.below(asked).is_some() {
                rights.ancestor = rule;
            }
        }
        let none = Rights {
            ancestor: None,
            ..rights
        } == Rights::default();
        let in_scratch = [name("/tmp"), name("/var/tmp"), name("/dev/shm")]
            .iter()
            .any(|prefix| asked.below(prefix).is_some());
        rights.scratch = self.scratch && in_scratch && none;
        if rights.scratch {
            (rights.read, rights.write) = (Some(RuleId::OWN), Some(RuleId::OWN));
        }
        rights
    }

    fn decide_file(&self, asked: &AbsName, access: Access, special: bool) -> Verdict {
        let rights = self.rights(asked);
        let deny = |rule, reason, errno: Errno| {
            Verdict::Deny(Denial {
                rule,
                reason,
                errno: errno.raw_os_error(),
            })
        };
        if rights.deny.is_some() {
            return deny(rights.deny, Reason::Denied, Errno::ACCESS);
        }
        if rights.hide.is_some() {
            return deny(rights.hide, Reason::Hidden, Errno::NOENT);
        }
        if rights.scratch && access != Access::Execute {
            return Verdict::Allow(RuleId::OWN);
        }
        if special && rights.special.is_none() {
            return deny(None, Reason::Special, Errno::ACCESS);
        }
        let rule = match access {
            Access::Read => rights.read,
            Access::Write => rights.write,
            Access::Create => rights.create,
            Access::Delete => rights.delete,
            Access::Execute => rights.execute,
            Access::Stat => rights
                .read
                .or(rights.write)
                .or(rights.create)
                .or(rights.delete)
                .or(rights.special)
                .or(rights.execute)
                .or(rights.ancestor),
        };
        match rule {
            Some(rule) => Verdict::Allow(rule),
            None => deny(None, Reason::NoRule, Errno::ACCESS),
        }
    }

    fn names_literally(&self, asked: &AbsName) -> bool {
        self.rules
            .iter()
            .any(|(_, text)| text.as_bytes() == asked.as_bytes())
    }

    fn alike(&self, one: &AbsName, other: &AbsName) -> bool {
        let rights = self.rights(one);
        rights == self.rights(other)
            && rights.ancestor.is_none()
            && !self.bars_below(one)
            && !self.bars_below(other)
    }
}

impl TrialRules {
    fn bars_below(&self, asked: &AbsName) -> bool {
        self.rules.iter().any(|(key, text)| {
            matches!(*key, "deny" | "hide")
                && name(text.trim_end_matches("/**")).below(asked).is_some()
        })
    }
}

/// This process as an asker.
#[derive(Debug)]
pub(crate) struct TrialAsker {
    pub(crate) directory: PathBuf,
    pub(crate) mask: u32,
    pub(crate) interrupted: Option<Errno>,
    pub(crate) credentials: (u32, u32),
    /// Whether its descriptors cannot be duplicated.
    pub(crate) withholds: bool,
}

impl Default for TrialAsker {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/"),
            mask: 0o022,
            interrupted: Some(Errno::INTR),
            credentials: (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            ),
            withholds: false,
        }
    }
}

fn identity(path: &Path) -> Result<FileIdentity, Errno> {
    let stat = rustix::fs::stat(path)?;
    Ok(FileIdentity {
        major: rustix::fs::major(stat.st_dev),
        minor: rustix::fs::minor(stat.st_dev),
        inode: stat.st_ino,
    })
}

impl Asker for TrialAsker {
    fn place(&self, base: Base) -> Result<Place, Errno> {
        let path = match base {
            Base::WorkingDirectory => self.directory.clone(),
            Base::Descriptor(number) => {
                std::fs::read_link(format!("/proc/self/fd/{number}")).map_err(|_| Errno::BADF)?
            }
        };
        Ok(Place {
            identity: identity(&path)?,
            name: path.as_os_str().as_bytes().to_vec(),
        })
    }

    fn umask(&self) -> Result<u32, Errno> {
        Ok(self.mask)
    }

    fn process(&self) -> Result<u32, Errno> {
        Ok(std::process::id())
    }

    fn thread(&self) -> Result<u32, Errno> {
        Ok(u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap())
    }

    fn proc_directory(&self) -> Result<Option<OwnedFd>, Errno> {
        let path = format!("/proc/{}", std::process::id());
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        rustix::fs::open(path, flags, rustix::fs::Mode::empty()).map(Some)
    }

    fn descriptor(&self, number: i32) -> Result<OwnedFd, Errno> {
        if rustix::fs::readlink(format!("/proc/self/fd/{number}"), Vec::new()).is_err() {
            return Err(Errno::BADF);
        }
        if self.withholds {
            return Err(Errno::PERM);
        }
        crate::sys::files::borrow_for_test(number, |descriptor: BorrowedFd<'_>| {
            rustix::io::fcntl_dupfd_cloexec(descriptor, 0)
        })
    }

    fn socket(&self, number: i32) -> Result<u64, Errno> {
        crate::sys::files::borrow_for_test(number, |descriptor: BorrowedFd<'_>| {
            rustix::fs::fstat(descriptor).map(|status| status.st_ino)
        })
    }

    fn credentials(&self) -> Result<(u32, u32), Errno> {
        Ok(self.credentials)
    }

    fn interrupted(&self) -> Option<Errno> {
        self.interrupted
    }
}

/// Services over the kernel's file system under these rules.
pub(crate) fn files(rules: TrialRules, scratch: Option<&Path>) -> Files<Kernel> {
    rustix::process::umask(rustix::fs::Mode::empty());
    let filesystem = Kernel::open().unwrap();
    let scratch = scratch.map(|path| {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        let pin = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap();
        let mut real = Vec::new();
        filesystem.name(&pin, &mut real).unwrap();
        (pin, real)
    });
    Files {
        budget: None,
        filesystem: Arc::new(filesystem),
        roots: Arc::new(Roots::new(Kernel::root().unwrap(), scratch)),
        policy: Arc::new(rules),
        view: false,
        program: None,
        only_ids: None,
        turn: Arc::default(),
    }
}

/// A course of this process that may block.
pub(crate) fn course(asker: &TrialAsker) -> Course<'_> {
    Course::new(asker, Patience::Blocking)
}

/// A path from the working directory.
pub(crate) fn path(bytes: &(impl AsRef<[u8]> + ?Sized)) -> PathArgument<'_> {
    PathArgument {
        base: Base::WorkingDirectory,
        bytes: bytes.as_ref(),
    }
}
