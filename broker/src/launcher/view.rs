//! The view: an empty root with the directory roots of the policy bound read-only.

use std::{
    ffi::CString,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::{
    fs::{FileType, Mode, OFlags},
    io::Errno,
};

use super::Launch;
use crate::sys::process;

/// Where the new root is put together; any directory that exists would do.
const BASE: &str = "/tmp";
const SCRATCH_NAMES: [&str; 2] = ["/tmp", "/var/tmp"];
const NONE: Option<&str> = None;

type Failure = (String, Errno);

struct Source {
    pin: OwnedFd,
    directory: bool,
    name: PathBuf,
}

/// Builds it in the mount namespace this process just got, and moves there.
pub(super) fn build(launch: &Launch<'_>) -> Result<(), Failure> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .map_err(step("making mounts private"))?;
    let sources = sources(launch);
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("doorward"),
        BASE,
        Some("tmpfs"),
        flags,
        Some("mode=755,size=4m"),
    )
    .map_err(step("mounting the empty root"))?;
    for source in &sources {
        bind(source)?;
    }
    nix::unistd::chdir(BASE).map_err(step("entering the empty root"))?;
    nix::unistd::pivot_root(".", ".").map_err(step("changing the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(step("detaching the old root"))?;
    process::make_read_only(c"/", false)
        .map_err(|errno| ("making the root read-only".to_owned(), errno))?;
    nix::unistd::chdir(&launch.directory)
        .or_else(|_| nix::unistd::chdir("/"))
        .map_err(step("entering the start directory"))
}

fn step(name: &str) -> impl FnOnce(nix::errno::Errno) -> Failure {
    let name = name.to_owned();
    move |error| (name, Errno::from_raw_os_error(error as i32))
}

/// Pins what is to be bound before the old tree is out of sight; what does not exist is left out.
fn sources(launch: &Launch<'_>) -> Vec<Source> {
    let hull = launch.policy.hull();
    let mut names: Vec<(PathBuf, PathBuf)> = hull
        .iter()
        .map(|root| PathBuf::from(std::ffi::OsStr::from_bytes(root.name.as_bytes())))
        .map(|name| (name.clone(), name))
        .collect();
    if let Some(scratch) = &launch.scratch {
        names.extend(SCRATCH_NAMES.map(|name| (scratch.clone(), name.into())));
    }
    names.sort_by(|left, right| left.1.cmp(&right.1));
    names
        .into_iter()
        .filter_map(|(from, name)| {
            let pin =
                rustix::fs::open(&from, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
            let kind = FileType::from_raw_mode(rustix::fs::fstat(&pin).ok()?.st_mode);
            Some(Source {
                pin,
                directory: kind == FileType::Directory,
                name,
            })
        })
        .collect()
}

fn bind(source: &Source) -> Result<(), Failure> {
    let shown = source.name.display();
    let relative = source.name.strip_prefix("/").unwrap_or(&source.name);
    let target = Path::new(BASE).join(relative);
    if !place(&target, source.directory)
        .map_err(|errno| (format!("making {shown} in the view"), errno))?
    {
        return Ok(());
    }
    let from = format!("/proc/self/fd/{}", source.pin.as_raw_fd());
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
fn place(target: &Path, directory: bool) -> Result<bool, Errno> {
    if target.symlink_metadata().is_ok() {
        return Ok(true);
    }
    let parent = target.parent().unwrap_or(target);
    let made = std::fs::create_dir_all(if directory { target } else { parent }).and_then(|()| {
        if directory {
            Ok(())
        } else {
            std::fs::File::create(target).map(drop)
        }
    });
    match made.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)) {
        Ok(()) => Ok(true),
        Err(Errno::ROFS) => Ok(false),
        Err(errno) => Err(errno),
    }
}
