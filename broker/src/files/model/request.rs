//! Every operation of the file service, as it can be asked of the model.

use doorward_protocol::{
    Base,
    request::{PathArgument, TimeArgument},
};
use rustix::{fs::OFlags, io::Errno};

use super::Model;
use crate::files::{Attempt, Course, Fault, Files, Wanted};

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    /// Flags, and the `RESOLVE_*` bits.
    Open(&'static str, OFlags, u64),
    Stat(&'static str, bool),
    /// The mode asked about, and whether links are followed.
    Access(&'static str, u32, bool),
    ReadLink(&'static str),
    StatFs(&'static str),
    ChangeDirectory(&'static str),
    WorkingDirectory,
    MakeDirectory(&'static str),
    RemoveDirectory(&'static str),
    Unlink(&'static str),
    Rename(&'static str, &'static str, u32),
    Link(&'static str, &'static str, u32),
    /// What it says, and where it is made.
    SymLink(&'static str, &'static str),
    Mode(&'static str, bool),
    Owner(&'static str, bool),
    Times(&'static str, bool),
    Truncate(&'static str),
}

/// What the asker learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// The inode of what was opened.
    Opened(u64),
    /// Inode and mode.
    Seen(u64, u32),
    /// What a link says, or the name of the working directory.
    Told(Vec<u8>),
    Refused(Errno),
}

/// Mode bits no file may get, beside ones it may.
const MODE: u32 = 0o4666;
const TIMES: [TimeArgument; 2] = [TimeArgument::Now; 2];

/// A path from the working directory.
fn path(text: &str) -> PathArgument<'_> {
    PathArgument {
        base: Base::WorkingDirectory,
        bytes: text.as_bytes(),
    }
}

impl Request {
    /// The operation's name.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Open(_, flags, _) if flags.contains(OFlags::TMPFILE) => "open O_TMPFILE",
            Self::Open(_, flags, _) if flags.contains(OFlags::CREATE) => "open O_CREAT",
            Self::Open(_, flags, _) if flags.contains(OFlags::DIRECTORY) => "open O_DIRECTORY",
            Self::Open(..) => "open",
            Self::Stat(..) => "stat",
            Self::Access(..) => "access",
            Self::ReadLink(..) => "readlink",
            Self::StatFs(..) => "statfs",
            Self::ChangeDirectory(..) => "chdir",
            Self::WorkingDirectory => "getcwd",
            Self::MakeDirectory(..) => "mkdir",
            Self::RemoveDirectory(..) => "rmdir",
            Self::Unlink(..) => "unlink",
            Self::Rename(..) => "rename",
            Self::Link(..) => "link",
            Self::SymLink(..) => "symlink",
            Self::Mode(..) => "chmod",
            Self::Owner(..) => "chown",
            Self::Times(..) => "utimens",
            Self::Truncate(..) => "truncate",
        }
    }

    /// The paths it names, and whether a link as last component of each is followed.
    pub(crate) fn paths(&self) -> Vec<(&'static str, bool)> {
        match *self {
            Self::Open(path, flags, _) => vec![(path, !flags.contains(OFlags::NOFOLLOW))],
            Self::Stat(path, follow)
            | Self::Access(path, _, follow)
            | Self::Mode(path, follow)
            | Self::Owner(path, follow)
            | Self::Times(path, follow) => vec![(path, follow)],
            Self::StatFs(path) | Self::ChangeDirectory(path) | Self::Truncate(path) => {
                vec![(path, true)]
            }
            Self::ReadLink(path)
            | Self::MakeDirectory(path)
            | Self::RemoveDirectory(path)
            | Self::Unlink(path)
            | Self::SymLink(_, path) => vec![(path, false)],
            Self::Rename(old, new, _) => vec![(old, false), (new, false)],
            Self::Link(old, new, flags) => vec![(old, flags != 0), (new, false)],
            Self::WorkingDirectory => Vec::new(),
        }
    }

    /// Asks.
    pub(crate) fn perform(&self, files: &Files<Model>, course: &mut Course<'_>) -> Answer {
        let errno = |fault| match fault {
            Fault::WouldBlock | Fault::Narrowed => Errno::AGAIN,
            Fault::Denied(denial) => Errno::from_raw_os_error(denial.errno),
            Fault::Failed(errno) => errno,
        };
        self.ask(files, course)
            .unwrap_or_else(|fault| Answer::Refused(errno(fault)))
    }

    fn ask(&self, files: &Files<Model>, course: &mut Course<'_>) -> Attempt<Answer> {
        let done = |attempt: Attempt<()>| attempt.map(|()| Answer::Done);
        match *self {
            Self::Open(at, flags, resolve) => {
                let wanted = Wanted::of(u64::from(flags.bits()), resolve)?;
                let grant = files.open(course, &path(at), wanted, MODE)?;
                Ok(Answer::Opened(files.filesystem.inode(&grant.file)))
            }
            Self::Stat(at, follow) => files
                .stat(course, &path(at), follow)
                .map(|stat| Answer::Seen(stat.inode, stat.mode)),
            Self::Access(at, mode, follow) => done(files.access(course, &path(at), mode, follow)),
            Self::ReadLink(at) => files.readlink(course, &path(at)).map(Answer::Told),
            Self::StatFs(at) => done(files.statfs(course, &path(at)).map(drop)),
            Self::ChangeDirectory(at) => done(files.chdir(course, &path(at))),
            Self::WorkingDirectory => files.getcwd(course).map(Answer::Told),
            Self::MakeDirectory(at) => done(files.mkdir(course, &path(at), MODE)),
            Self::RemoveDirectory(at) => done(files.rmdir(course, &path(at))),
            Self::Unlink(at) => done(files.unlink(course, &path(at))),
            Self::Rename(old, new, how) => done(files.rename(course, &path(old), &path(new), how)),
            Self::Link(old, new, flags) => done(files.link(course, &path(old), &path(new), flags)),
            Self::SymLink(target, at) => done(files.symlink(course, target.as_bytes(), &path(at))),
            Self::Mode(at, follow) => done(files.chmod(course, &path(at), MODE, follow)),
            Self::Owner(at, follow) => done(files.chown(course, &path(at), 0, 0, follow)),
            Self::Times(at, follow) => done(files.utimens(course, &path(at), TIMES, follow)),
            Self::Truncate(at) => done(files.truncate(course, &path(at), 0)),
        }
    }
}
