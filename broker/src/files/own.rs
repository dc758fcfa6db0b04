//! Names that mean the asker: its entry in /proc, its descriptors, its terminal.
//!
//! Resolved by the broker they would mean the broker. So they are recognised before
//! anything is resolved and answered from the asker's own process directory, which the
//! front has validated; of its entries only those are there that tell a program about
//! itself. Nothing that leads elsewhere (`root`, `mem`, `ns`, other processes) is.

use doorward_protocol::{Base, request::PathArgument};

use super::{
    Files,
    course::{Attempt, Course},
    kernel::Kernel,
    path::Asked,
};

/// Entries of the asker's process directory that it may read.
const ENTRIES: &[&str] = &[
    "auxv",
    "cmdline",
    "comm",
    "io",
    "limits",
    "maps",
    "oom_score",
    "oom_score_adj",
    "schedstat",
    "smaps",
    "smaps_rollup",
    "stat",
    "statm",
    "status",
];

/// What a name that means the asker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Own {
    /// /proc/self and /proc/thread-self themselves: links that say this.
    Itself(Vec<u8>),
    /// A directory of its process directory; empty for that itself.
    Directory(&'static str),
    /// A file of its process directory.
    File(&'static str),
    /// `exe`.
    Program,
    /// `cwd`.
    WorkingDirectory,
    /// `root`.
    Root,
    /// A descriptor.
    Descriptor(i32),
    /// A name below a descriptor.
    Below(i32, Vec<u8>),
    /// Its terminal.
    Terminal,
    /// Not there for a sandboxee.
    Absent,
}

fn number(part: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(part).ok()?;
    if text.starts_with('+') {
        return None;
    }
    text.parse().ok().filter(|number| *number >= 0)
}

fn descriptor<'a>(part: Option<&[u8]>, rest: impl Iterator<Item = &'a [u8]>) -> Own {
    let Some(part) = part else {
        return Own::Directory("fd");
    };
    let Some(number) = number(part) else {
        return Own::Absent;
    };
    let rest: Vec<&[u8]> = rest.collect();
    if rest.is_empty() {
        Own::Descriptor(number)
    } else {
        Own::Below(number, rest.join(&b'/'))
    }
}

impl Files<Kernel> {
    /// Whether a path means the asker, and what of it.
    pub(crate) fn own(
        &self,
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
    ) -> Attempt<Option<Own>> {
        let absolute = path.bytes.first() == Some(&b'/');
        let interesting = if absolute {
            let text = path.bytes;
            // Doubled slashes and dots are read below; here only what cannot matter is left out.
            text.starts_with(b"/proc")
                || text.starts_with(b"/dev")
                || text.starts_with(b"/etc/mtab")
                || text.starts_with(b"//")
                || text.starts_with(b"/.")
        } else {
            // Only a descriptor can be one of its process directory.
            matches!(path.base, Base::Descriptor(_))
                && course.place(path.base)?.name.starts_with(b"/proc/")
                || (path.base == Base::WorkingDirectory && path.bytes.starts_with(b".."))
        };
        if !interesting {
            return Ok(None);
        }
        let asked = Asked::read(course, path, true, |real| self.roots.seen(real))?;
        if !asked.is_plain() {
            return Ok(None);
        }
        self.own_name(course, &asked)
    }

    fn own_name(&self, course: &mut Course<'_>, asked: &Asked) -> Attempt<Option<Own>> {
        let parts: Vec<&[u8]> = asked
            .name
            .components()
            .map(doorward_policy::Component::as_bytes)
            .collect();
        course.at(&asked.name);
        Ok(match parts.as_slice() {
            [b"dev", b"stdin"] => Some(Own::Descriptor(0)),
            [b"dev", b"stdout"] => Some(Own::Descriptor(1)),
            [b"dev", b"stderr"] => Some(Own::Descriptor(2)),
            [b"dev", b"tty"] => Some(Own::Terminal),
            [b"dev", b"pts", _] => self.own_stream(course, asked.name.as_bytes())?,
            [b"dev", b"fd", rest @ ..] => {
                let mut rest = rest.iter().copied();
                Some(descriptor(rest.next(), rest))
            }
            [b"etc", b"mtab"] | [b"proc", b"mounts"] => Some(Own::Absent),
            [b"proc", process, rest @ ..] => self.own_entry(course, process, rest)?,
            _ => None,
        })
    }

    /// A terminal by its name means the asker's standard stream that is this terminal: what
    /// ttyname(3) looks at.
    fn own_stream(&self, course: &mut Course<'_>, name: &[u8]) -> Attempt<Option<Own>> {
        let Some(directory) = course.asker.proc_directory()? else {
            return Ok(None);
        };
        let is_it = |number: &i32| {
            rustix::fs::readlinkat(&directory, format!("fd/{number}"), Vec::new())
                .is_ok_and(|link| link.as_bytes() == name)
        };
        Ok((0..3).find(is_it).map(Own::Descriptor))
    }

    fn own_entry(
        &self,
        course: &mut Course<'_>,
        process: &[u8],
        rest: &[&[u8]],
    ) -> Attempt<Option<Own>> {
        let own = match process {
            b"self" => true,
            b"thread-self" => true,
            digits => match number(digits) {
                Some(number) => self.is_own_number(course, number)?,
                None => return Ok(None),
            },
        };
        if !own {
            return Ok(None);
        }
        Ok(Some(match rest {
            [] if process == b"self" => {
                Own::Itself(course.asker.process()?.to_string().into_bytes())
            }
            [] if process == b"thread-self" => {
                let (process, thread) = (course.asker.process()?, course.asker.thread()?);
                Own::Itself(format!("{process}/task/{thread}").into_bytes())
            }
            [] => Own::Directory(""),
            [b"task"] => Own::Directory("task"),
            [b"exe"] => Own::Program,
            [b"cwd"] => Own::WorkingDirectory,
            [b"root"] => Own::Root,
            [b"fd", rest @ ..] => {
                let mut rest = rest.iter().copied();
                descriptor(rest.next(), rest)
            }
            [entry] => ENTRIES
                .iter()
                .find(|name| name.as_bytes() == *entry)
                .map_or(Own::Absent, |name| Own::File(name)),
            _ => Own::Absent,
        }))
    }

    /// Whether a process number is the asker's: as its own namespace numbers it, or as the
    /// broker's does, by which the kernel names descriptors of its process directory.
    fn is_own_number(&self, course: &mut Course<'_>, number: i32) -> Attempt<bool> {
        let Ok(number) = u32::try_from(number) else {
            return Ok(false);
        };
        // Through `api` they are not known, and no number is the asker's.
        let known = [course.asker.process(), course.asker.thread()];
        if known.contains(&Ok(number)) {
            return Ok(true);
        }
        let Some(directory) = course.asker.proc_directory()? else {
            return Ok(false);
        };
        let mut real = Vec::new();
        super::Filesystem::name(&*self.filesystem, &directory, &mut real)?;
        Ok(real == format!("/proc/{number}").as_bytes())
    }
}
