//! chdir and getcwd. The kernel is the record of the working directory: it is changed
//! there, and its name is judged at each use.

use doorward_policy::{Access, Reason};
use doorward_protocol::{Base, request::PathArgument};
use rustix::io::Errno;

use super::{
    Files,
    course::{Attempt, Course, Fault, denial, reach},
    filesystem::{Detail, Filesystem, Kind},
    find::Manner,
};

impl<F: Filesystem> Files<F> {
    /// chdir(2), fchdir(2): whether the kernel may do it.
    pub(crate) fn chdir(&self, course: &mut Course<'_>, path: &PathArgument<'_>) -> Attempt<()> {
        if path.bytes.is_empty() {
            return match path.base {
                Base::Descriptor(_) => self.fchdir(course, path.base),
                Base::WorkingDirectory => Err(Fault::Failed(Errno::NOENT)),
            };
        }
        let found = self.find(course, path, false, Manner::of(true, Detail::Identity))?;
        self.decide(course, &found, Access::Stat, false)?;
        if found.status.kind() != Kind::Directory {
            return Err(Fault::Failed(Errno::NOTDIR));
        }
        if found.rights.scratch && !self.view {
            // Without a view the kernel would go to the /tmp of everybody.
            return Err(Fault::denied(Reason::Front, Errno::ACCESS));
        }
        Ok(())
    }

    /// The directory is the kernel's; only its name can be judged.
    fn fchdir(&self, course: &mut Course<'_>, base: Base) -> Attempt<()> {
        let place = course.place(base)?;
        let Some(name) = self.roots.seen(&place.name) else {
            return Err(Fault::Failed(Errno::NOENT));
        };
        course.at(&name);
        let rights = self.policy.rights(&name);
        if reach(&rights).is_none() {
            return Err(denial(&*self.policy, &name, Access::Stat));
        }
        course.obey(self.policy.decide_file(&name, Access::Stat, false))
    }

    /// getcwd(2).
    pub(crate) fn getcwd(&self, course: &mut Course<'_>) -> Attempt<Vec<u8>> {
        let place = course.place(Base::WorkingDirectory)?;
        let Some(name) = self.roots.seen(&place.name) else {
            return Err(Fault::Failed(Errno::NOENT));
        };
        if place.name.ends_with(b" (deleted)") {
            return Err(Fault::Failed(Errno::NOENT));
        }
        course.at(&name);
        Ok(name.as_bytes().to_vec())
    }
}
