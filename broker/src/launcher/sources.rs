//! The sources of a view: what of the host's tree is bound into it, and the mount points made
//! for that.
//!
//! All of it runs before the program does. The names come from the policy, what lies under them
//! from the host user.

use std::{
    ffi::{CString, OsStr},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use doorward_policy::policy::SCRATCH_NAMES;
use nix::mount::{MsFlags, mount};
use rustix::{
    fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, mkdirat},
    io::Errno,
};

use super::{
    Failure, step,
    view::{BASE, NONE, ViewRequest},
};
use crate::sys::process;

#[derive(Debug)]
pub(super) struct Source {
    /// None of what is not bound.
    pin: Option<OwnedFd>,
    kind: Kind,
    name: PathBuf,
    /// The scratch directory under one of its names.
    scratch: bool,
}

/// What a source is in the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Bound.
    Directory,
    /// Bound: a file that is executed.
    Program,
    /// A link, made again: the kernel follows it to a program.
    Link,
    /// Only the directory it lies in is made.
    Entry,
}

/// Pins what is to be bound before the old tree is out of sight; what does not exist is left
/// out. Files are read through the broker, so only those that are executed need be there,
/// and the directories that other files lie in.
pub(super) fn pin(request: &ViewRequest) -> Vec<Source> {
    let mut names: Vec<(PathBuf, PathBuf, bool)> = request
        .hull
        .iter()
        .filter_map(|root| {
            let name = PathBuf::from(std::ffi::OsStr::from_bytes(root.name.as_bytes()));
            let name = if root.writes && !root.literal {
                to_be_made(name)?
            } else {
                name
            };
            Some((name.clone(), name, root.executes))
        })
        .collect();
    if let Some(scratch) = &request.scratch {
        names.extend(SCRATCH_NAMES.map(|name| (scratch.into(), name.into(), true)));
    }
    names.sort_by(|left, right| left.1.cmp(&right.1));
    let mut sources: Vec<Source> = Vec::with_capacity(names.len());
    let mut whole: Option<PathBuf> = None;
    for (from, name, executes) in names {
        let own = from == name;
        // What lies in a directory that is bound is there already. A further mount on it would
        // mark it in the whole system as one that lookups without mounts must look at slowly.
        if own && whole.as_ref().is_some_and(|whole| name.starts_with(whole)) {
            continue;
        }
        let Some(source) = source(&from, name, executes, !own) else {
            continue;
        };
        if own && source.kind == Kind::Directory {
            whole = Some(source.name.clone());
        }
        sources.push(source);
    }
    sources
}

fn source(from: &Path, name: PathBuf, executes: bool, scratch: bool) -> Option<Source> {
    let status = rustix::fs::lstat(from).ok()?;
    let own = FileType::from_raw_mode(status.st_mode);
    if !executes && !matches!(own, FileType::Directory | FileType::Symlink) {
        return Some(Source {
            pin: None,
            kind: Kind::Entry,
            name,
            scratch,
        });
    }
    let pin = rustix::fs::open(from, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&pin).ok()?.st_mode);
    Some(Source {
        pin: Some(pin),
        kind: match (kind, executes) {
            (FileType::Directory, _) => Kind::Directory,
            (_, true) => Kind::Program,
            (_, false) if own == FileType::Symlink => Kind::Link,
            (_, false) => Kind::Entry,
        },
        name,
        scratch,
    })
}

/// Puts them into the empty root.
///
/// # Errors
/// The step that failed, with its errno.
pub(super) fn place(sources: &[Source], tenant: Option<u32>) -> Result<(), Failure> {
    let mut placed = None;
    for source in sources {
        let above = source.name.parent();
        if source.kind == Kind::Entry && above == placed {
            continue;
        }
        if let Some((scratch, below)) = in_scratch(sources, &source.name) {
            place_in_scratch(scratch, below, source, tenant).map_err(|errno| {
                (
                    format!("making {} in the scratch", source.name.display()),
                    errno,
                )
            })?;
        }
        bind(source)?;
        placed = above;
    }
    Ok(())
}

/// The scratch directory that `name` lies in, and the rest of the name.
fn in_scratch<'a>(sources: &'a [Source], name: &'a Path) -> Option<(&'a OwnedFd, &'a Path)> {
    sources
        .iter()
        .filter(|source| source.scratch)
        .find_map(|source| {
            let below = name.strip_prefix(&source.name).ok()?;
            let pin = source.pin.as_ref()?;
            (!below.as_os_str().is_empty()).then_some((pin, below))
        })
}

/// Makes the mount point of what a rule names below a scratch name; the scratch is read-only
/// in the view, and empty yet.
fn place_in_scratch(
    scratch: &OwnedFd,
    below: &Path,
    source: &Source,
    tenant: Option<u32>,
) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o755);
    let exists = |made: Result<(), Errno>| match made {
        Err(Errno::EXIST) => Ok(()),
        made => made,
    };
    let directory = |parent: &OwnedFd, name: &OsStr| {
        exists(mkdirat(parent, name, mode))?;
        let (user, group) = (tenant.map(Uid::from_raw), tenant.map(Gid::from_raw));
        chownat(parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW)
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut parent = rustix::fs::openat(scratch, ".", flags, Mode::empty())?;
    for component in below.parent().into_iter().flat_map(Path::components) {
        let component = component.as_os_str();
        directory(&parent, component)?;
        parent = rustix::fs::openat(&parent, component, flags, Mode::empty())?;
    }
    let Some(last) = below.file_name() else {
        return Ok(());
    };
    exists(match source.kind {
        Kind::Directory => directory(&parent, last),
        Kind::Program => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::openat(&parent, last, flags, Mode::empty()).map(drop)
        }
        Kind::Link => {
            let target = rustix::fs::readlink(&source.name, Vec::new())?;
            rustix::fs::symlinkat(target, &parent, last)
        }
        Kind::Entry => Ok(()),
    })
}

/// A directory that the sandboxee may make is entered by way of the nearest one that is
/// there; the view then shows that names beside it exist, to chdir(2) alone.
fn to_be_made(name: PathBuf) -> Option<PathBuf> {
    let there = name
        .ancestors()
        .find(|path| path.symlink_metadata().is_ok())?;
    (there != Path::new("/")).then(|| there.to_path_buf())
}

fn bind(source: &Source) -> Result<(), Failure> {
    let shown = source.name.display();
    let relative = source.name.strip_prefix("/").unwrap_or(&source.name);
    let target = Path::new(BASE).join(relative);
    let placed = place_in_root(source, &target)
        .map_err(|errno| (format!("making {shown} in the view"), errno))?;
    let bound = matches!(source.kind, Kind::Directory | Kind::Program);
    let Some(pin) = source.pin.as_ref().filter(|_| placed && bound) else {
        return Ok(());
    };
    let from = format!("/proc/self/fd/{}", pin.as_raw_fd());
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(from.as_str()), &target, NONE, flags, NONE)
        .map_err(step(&format!("binding {shown} into the view")))?;
    let target = CString::new(target.as_os_str().as_bytes())
        .map_err(|_| (format!("naming {shown}"), Errno::INVAL))?;
    process::make_read_only(&target, true)
        .map_err(|errno| (format!("making {shown} read-only in the view"), errno))
}

/// Makes the mount point; `false` if it cannot be, because an earlier bind, which is
/// read-only, holds its place without it.
fn place_in_root(source: &Source, target: &Path) -> Result<bool, Errno> {
    let parent = target.parent().unwrap_or(target);
    let directory = match source.kind {
        Kind::Directory => target,
        Kind::Program | Kind::Link | Kind::Entry => parent,
    };
    if target.symlink_metadata().is_ok() {
        return Ok(true);
    }
    let made = std::fs::create_dir_all(directory).and_then(|()| match source.kind {
        Kind::Program => std::fs::File::create(target).map(drop),
        Kind::Link => std::os::unix::fs::symlink(source.name.read_link()?, target),
        Kind::Directory | Kind::Entry => Ok(()),
    });
    match made.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)) {
        Ok(()) => Ok(true),
        Err(Errno::ROFS) => Ok(false),
        Err(errno) => Err(errno),
    }
}
