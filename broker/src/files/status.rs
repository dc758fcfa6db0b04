//! stat, access, readlink and statfs: looking without opening.

use doorward_policy::Access;
use doorward_protocol::{FileStat, FileSystemStat, request::PathArgument};
use rustix::io::Errno;

use super::{
    Files,
    course::{Attempt, Course, Fault},
    filesystem::{Detail, Filesystem, Kind},
    find::Manner,
};

/// What an id that does not exist in the sandboxee's user namespace shows as.
const OVERFLOW_ID: u32 = 65_534;
const READ_OK: u32 = 4;
const WRITE_OK: u32 = 2;
const EXECUTE_OK: u32 = 1;

impl<F: Filesystem> Files<F> {
    /// stat(2) and its kin.
    pub(crate) fn stat(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        follow: bool,
    ) -> Attempt<FileStat> {
        let manner = Manner::of(follow, Detail::Whole);
        let found = self.find(course, path, true, manner)?;
        self.decide(course, &found, Access::Stat, false)?;
        Ok(self.shown(found.status.stat))
    }

    /// A status as fstat(2) would show it to the sandboxee.
    pub(crate) fn shown(&self, mut stat: FileStat) -> FileStat {
        if let Some((user, group)) = self.only_ids {
            if stat.user != user {
                stat.user = OVERFLOW_ID;
            }
            if stat.group != group {
                stat.group = OVERFLOW_ID;
            }
        }
        stat
    }

    /// access(2) and its kin: what policy and file allow.
    pub(crate) fn access(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        mode: u32,
        follow: bool,
    ) -> Attempt<()> {
        if mode & !(READ_OK | WRITE_OK | EXECUTE_OK) != 0 {
            return Err(Fault::denied(
                doorward_policy::Reason::Malformed,
                Errno::INVAL,
            ));
        }
        let found = self.find(course, path, true, Manner::of(follow, Detail::Identity))?;
        self.decide(course, &found, Access::Stat, false)?;
        let kind = found.status.kind();
        if mode & READ_OK != 0 {
            self.decide(course, &found, Access::Read, false)?;
        }
        if mode & WRITE_OK != 0 {
            if kind == Kind::Directory {
                self.decide_directory_change(course, &found.name)?;
            } else {
                self.decide(course, &found, Access::Write, false)?;
            }
        }
        // A search of PATH must find exactly what exec allows.
        if mode & EXECUTE_OK != 0 && kind == Kind::File {
            self.decide(course, &found, Access::Execute, false)?;
        }
        if mode != 0 {
            self.filesystem.access(&found.pin, mode)?;
        }
        Ok(())
    }

    /// A directory is writable if anything may be made or removed in it.
    fn decide_directory_change(
        &self,
        course: &mut Course<'_>,
        name: &doorward_policy::AbsName,
    ) -> Attempt<()> {
        let create = self.policy.decide_file(name, Access::Create, false);
        let delete = self.policy.decide_file(name, Access::Delete, false);
        course.obey(if create.is_allow() { create } else { delete })
    }

    /// readlink(2): what a link says.
    pub(crate) fn readlink(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
    ) -> Attempt<Vec<u8>> {
        let manner = Manner::of(false, Detail::Identity);
        let found = self.find(course, path, true, manner)?;
        if found.status.kind() != Kind::Link {
            self.decide(course, &found, Access::Stat, false)?;
            return Err(Fault::Failed(Errno::INVAL));
        }
        self.decide(course, &found, Access::Read, false)?;
        let mut target = Vec::new();
        self.filesystem.target(&found.pin, &mut target)?;
        Ok(target)
    }

    /// statfs(2).
    pub(crate) fn statfs(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
    ) -> Attempt<FileSystemStat> {
        let manner = Manner::of(true, Detail::Identity);
        let found = self.find(course, path, true, manner)?;
        self.decide(course, &found, Access::Stat, false)?;
        Ok(self.filesystem.file_system(&found.pin)?)
    }
}
