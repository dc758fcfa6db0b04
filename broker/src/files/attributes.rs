//! chmod, chown, utimens and truncate: what a `write` rule lets change of a file.

use doorward_policy::{Access, Reason};
use doorward_protocol::request::{PathArgument, TimeArgument};
use rustix::{fs::OFlags, io::Errno};

use super::{
    Files,
    course::{Attempt, Course, Fault},
    filesystem::{Detail, Filesystem, Kind},
    find::{Found, Manner},
};

/// The id that means: leave it as it is.
const LEAVE: u32 = u32::MAX;

impl<F: Filesystem> Files<F> {
    fn find_to_change(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        follow: bool,
    ) -> Attempt<Found<F::Pin>> {
        let found = self.find(course, path, true, Manner::of(follow, Detail::Whole))?;
        self.decide(course, &found, Access::Write, false)?;
        match found.status.kind() {
            Kind::File | Kind::Directory | Kind::Link => Ok(found),
            // The broker's rights over a device are not the sandboxee's to change.
            _ => Err(Fault::denied(Reason::Special, Errno::PERM)),
        }
    }

    /// chmod(2) and its kin. Set-id and sticky bits are never set.
    pub(crate) fn chmod(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        mode: u32,
        follow: bool,
    ) -> Attempt<()> {
        let found = self.find_to_change(course, path, follow)?;
        if found.status.kind() == Kind::Link {
            return Err(Fault::Failed(Errno::OPNOTSUPP));
        }
        Ok(self.filesystem.set_mode(&found.pin, mode & 0o777)?)
    }

    /// chown(2) and its kin: only to what it is already.
    pub(crate) fn chown(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        user: u32,
        group: u32,
        follow: bool,
    ) -> Attempt<()> {
        let found = self.find_to_change(course, path, follow)?;
        let stat = self.shown(found.status.stat);
        owner_stays(&stat, user, group)
    }

    /// utimensat(2) and its kin.
    pub(crate) fn utimens(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        times: [TimeArgument; 2],
        follow: bool,
    ) -> Attempt<()> {
        let found = self.find_to_change(course, path, follow)?;
        Ok(self.filesystem.set_times(&found.pin, times)?)
    }

    /// truncate(2).
    pub(crate) fn truncate(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        length: i64,
    ) -> Attempt<()> {
        let Ok(length) = u64::try_from(length) else {
            return Err(Fault::denied(Reason::Malformed, Errno::INVAL));
        };
        let found = self.find(course, path, false, Manner::of(true, Detail::Identity))?;
        self.decide(course, &found, Access::Write, false)?;
        match found.status.kind() {
            Kind::File => {}
            Kind::Directory => return Err(Fault::Failed(Errno::ISDIR)),
            _ => return Err(Fault::Failed(Errno::INVAL)),
        }
        if length > 0 {
            self.has_room(course, &found.rights)?;
        }
        let flags = OFlags::WRONLY | OFlags::NONBLOCK;
        let file = self.filesystem.reopen(&found.pin, flags, 0)?;
        Ok(self.filesystem.resize(&file, length)?)
    }
}

/// Whether a change of owner changes nothing.
pub(crate) fn owner_stays(
    stat: &doorward_protocol::FileStat,
    user: u32,
    group: u32,
) -> Attempt<()> {
    if (user == LEAVE || user == stat.user) && (group == LEAVE || group == stat.group) {
        Ok(())
    } else {
        Err(Fault::denied(Reason::Access, Errno::PERM))
    }
}
