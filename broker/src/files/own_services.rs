//! open, stat, access, readlink and chdir of names that mean the asker.

use std::os::fd::OwnedFd;

use doorward_policy::{AbsName, Reason, RuleId};
use doorward_protocol::{Base, FileStat, request::PathArgument};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags},
    io::Errno,
};

use super::{
    Files,
    course::{Attempt, Course, Fault},
    descriptor::OwnDescriptor,
    filesystem::{Detail, Filesystem, Kind},
    find::Manner,
    kernel::Kernel,
    open::{Grant, Wanted},
    own::Own,
};

const READ_OK: u32 = 4;

fn absent<T>() -> Attempt<T> {
    Err(Fault::Failed(Errno::NOENT))
}

impl Files<Kernel> {
    /// Opens an entry of the asker's process directory.
    fn open_entry(&self, course: &Course<'_>, name: &str, flags: OFlags) -> Attempt<OwnedFd> {
        let Some(directory) = course.asker.proc_directory()? else {
            return absent();
        };
        let name = if name.is_empty() { "." } else { name };
        Ok(rustix::fs::openat2(
            &directory,
            name,
            flags | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NOFOLLOW,
            Mode::empty(),
            ResolveFlags::BENEATH
                | ResolveFlags::NO_SYMLINKS
                | ResolveFlags::NO_MAGICLINKS
                | ResolveFlags::NO_XDEV,
        )?)
    }

    /// What a link among the asker's names says.
    fn own_target(&self, course: &mut Course<'_>, own: &Own) -> Attempt<Option<Vec<u8>>> {
        Ok(Some(match own {
            Own::Itself(text) => text.clone(),
            Own::Root => b"/".to_vec(),
            Own::WorkingDirectory => self.getcwd(course)?,
            Own::Program => {
                let Some(directory) = course.asker.proc_directory()? else {
                    return absent();
                };
                let text = rustix::fs::readlinkat(&directory, "exe", Vec::new())?;
                self.seen_text(text.into_bytes())
            }
            Own::Descriptor(number) => {
                let own = self.own_descriptor(course, *number)?;
                match own.name {
                    Some(name) => name.as_bytes().to_vec(),
                    None => std::mem::take(&mut course.object),
                }
            }
            Own::Directory(_) | Own::File(_) | Own::Below(..) | Own::Terminal | Own::Absent => {
                return Ok(None);
            }
        }))
    }

    fn seen_text(&self, real: Vec<u8>) -> Vec<u8> {
        match self.roots.seen(&real) {
            Some(name) => name.as_bytes().to_vec(),
            None => real,
        }
    }

    /// open(2).
    pub(crate) fn open_own(
        &self,
        course: &mut Course<'_>,
        own: &Own,
        wanted: Wanted,
        mode: u32,
    ) -> Attempt<Grant<OwnedFd>> {
        course.rule = Some(RuleId::OWN);
        let file = match own {
            Own::Directory(name) if !wanted.writes() => {
                self.open_entry(course, name, OFlags::RDONLY | OFlags::DIRECTORY)?
            }
            Own::Itself(_) if wanted.follows() && !wanted.writes() => {
                self.open_entry(course, "", OFlags::RDONLY | OFlags::DIRECTORY)?
            }
            Own::File(name) if !wanted.writes() => self.open_entry(course, name, OFlags::RDONLY)?,
            Own::File(_) | Own::Directory(_) => {
                return Err(Fault::denied(Reason::Access, Errno::ACCESS));
            }
            Own::Descriptor(number) => self.open_descriptor(course, *number, wanted)?,
            Own::Terminal => self.open_terminal(course)?,
            Own::Below(number, rest) => {
                return self.open(course, &below(*number, rest), wanted, mode);
            }
            // What these lead to is a name like any other.
            Own::Program | Own::WorkingDirectory | Own::Root if wanted.follows() => {
                let Some(target) = self.own_target(course, own)? else {
                    return absent();
                };
                return self.open(course, &named(&target), wanted, mode);
            }
            Own::Itself(_) | Own::Program | Own::WorkingDirectory | Own::Root => {
                return Err(Fault::Failed(Errno::LOOP));
            }
            Own::Absent => return absent(),
        };
        Ok(Grant {
            file,
            close_on_exec: wanted.closes_on_exec(),
        })
    }

    /// Opening a descriptor's name duplicates the descriptor: it can do no more than it could.
    fn open_descriptor(
        &self,
        course: &mut Course<'_>,
        number: i32,
        wanted: Wanted,
    ) -> Attempt<OwnedFd> {
        let own = self.own_descriptor(course, number)?;
        course.rule = Some(RuleId::OWN);
        if (wanted.reads() && !own.is_readable()) || (wanted.writes() && !own.is_writable()) {
            return Err(Fault::denied(Reason::Access, Errno::ACCESS));
        }
        if wanted.truncates() && own.is_writable() && own.status.kind() == Kind::File {
            self.filesystem.resize(&own.file, 0)?;
        }
        Ok(own.file)
    }

    /// The broker's /dev/tty is the broker's. The asker's is whichever of its standard
    /// descriptors is a terminal.
    fn open_terminal(&self, course: &mut Course<'_>) -> Attempt<OwnedFd> {
        for number in 0..3 {
            if let Ok(own) = self.own_descriptor(course, number)
                && rustix::termios::isatty(&own.file)
            {
                course.rule = Some(RuleId::OWN);
                return Ok(own.file);
            }
        }
        Err(Fault::Failed(Errno::NXIO))
    }

    /// stat(2), lstat(2).
    pub(crate) fn stat_own(
        &self,
        course: &mut Course<'_>,
        own: &Own,
        follow: bool,
    ) -> Attempt<FileStat> {
        course.rule = Some(RuleId::OWN);
        let file = match own {
            Own::Directory(name) | Own::File(name) => {
                self.open_entry(course, name, OFlags::PATH)?
            }
            Own::Itself(_) if follow => self.open_entry(course, "", OFlags::PATH)?,
            Own::Descriptor(number) if follow => return self.fstat(course, *number),
            Own::Below(number, rest) => return self.stat(course, &below(*number, rest), follow),
            Own::Program | Own::WorkingDirectory | Own::Root if follow => {
                let Some(target) = self.own_target(course, own)? else {
                    return absent();
                };
                return self.stat(course, &named(&target), true);
            }
            Own::Terminal => self.open_terminal(course)?,
            Own::Absent => return absent(),
            _ => return self.stat_own_link(course, own),
        };
        let status = self.filesystem.status(&file, Detail::Whole)?;
        Ok(self.shown(status.stat))
    }

    /// The status of a link that exists for the asker alone.
    fn stat_own_link(&self, course: &mut Course<'_>, own: &Own) -> Attempt<FileStat> {
        if let Own::Descriptor(number) = own {
            // It must be there.
            self.own_descriptor(course, *number)?;
        }
        let directory = self.open_entry(course, "", OFlags::PATH)?;
        let stat = self.filesystem.status(&directory, Detail::Whole)?.stat;
        Ok(self.shown(FileStat {
            mode: libc::S_IFLNK | 0o777,
            links: 1,
            ..stat
        }))
    }

    /// access(2).
    pub(crate) fn access_own(
        &self,
        course: &mut Course<'_>,
        own: &Own,
        mode: u32,
        follow: bool,
    ) -> Attempt<()> {
        course.rule = Some(RuleId::OWN);
        match own {
            Own::Below(number, rest) => {
                return self.access(course, &below(*number, rest), mode, follow);
            }
            Own::Program | Own::WorkingDirectory | Own::Root if follow => {
                let Some(target) = self.own_target(course, own)? else {
                    return absent();
                };
                return self.access(course, &named(&target), mode, true);
            }
            Own::Descriptor(number) => {
                let own = self.own_descriptor(course, *number)?;
                return access_descriptor(&own, mode);
            }
            _ => {}
        }
        let stat = self.stat_own(course, own, follow)?;
        let directory = stat.mode & libc::S_IFMT == libc::S_IFDIR;
        if mode & 2 != 0 || (mode & 1 != 0 && !directory) {
            return Err(Fault::denied(Reason::Access, Errno::ACCESS));
        }
        Ok(())
    }

    /// The name of the program that execve(2) is asked to start.
    pub(crate) fn program(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
    ) -> Attempt<AbsName> {
        let manner = Manner::of(true, Detail::Identity);
        let found = match self.own(course, path)? {
            Some(own @ (Own::Program | Own::Descriptor(_))) => {
                let Some(target) = self.own_target(course, &own)? else {
                    return absent();
                };
                let found = self.find(course, &named(&target), false, manner)?;
                // The view has one such link, for the program that the sandbox began with.
                if self.view && self.program.as_ref() != Some(&found.name) {
                    return absent();
                }
                found
            }
            Some(_) => return Err(Fault::denied(Reason::Foreign, Errno::ACCESS)),
            None => self.find(course, path, true, manner)?,
        };
        if found.status.kind() != Kind::File {
            return Err(Fault::Failed(Errno::ACCESS));
        }
        // What cannot be read runs with memory that cannot be read either: no call of it
        // could be served.
        if self.filesystem.access(&found.pin, READ_OK).is_err() {
            return Err(Fault::denied(Reason::Access, Errno::ACCESS));
        }
        Ok(found.name)
    }

    /// readlink(2).
    pub(crate) fn readlink_own(&self, course: &mut Course<'_>, own: &Own) -> Attempt<Vec<u8>> {
        course.rule = Some(RuleId::OWN);
        match own {
            Own::Below(number, rest) => self.readlink(course, &below(*number, rest)),
            Own::Absent => absent(),
            own => self
                .own_target(course, own)?
                .ok_or(Fault::Failed(Errno::INVAL)),
        }
    }
}

fn access_descriptor(own: &OwnDescriptor, mode: u32) -> Attempt<()> {
    if (mode & 4 != 0 && !own.is_readable())
        || (mode & 2 != 0 && !own.is_writable())
        || (mode & 1 != 0 && own.status.kind() != Kind::Directory)
    {
        return Err(Fault::denied(Reason::Access, Errno::ACCESS));
    }
    Ok(())
}

fn below(number: i32, rest: &[u8]) -> PathArgument<'_> {
    PathArgument {
        base: Base::Descriptor(number),
        bytes: rest,
    }
}

fn named(name: &[u8]) -> PathArgument<'_> {
    PathArgument {
        base: Base::WorkingDirectory,
        bytes: name,
    }
}
