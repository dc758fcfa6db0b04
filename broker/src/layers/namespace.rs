//! Trials of namespaces, and of a view built in them.

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};
use rustix::io::Errno;

use super::trial::errno;
use crate::sys::process;

const NONE: Option<&str> = None;

/// A user namespace in which this user and group keep their numbers.
pub(super) fn user() -> Result<(), Errno> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(errno)?;
    let write = |path: &str, text: String| std::fs::write(path, text).map_err(errno);
    write("/proc/self/setgroups", "deny".into())?;
    write("/proc/self/uid_map", format!("{uid} {uid} 1\n"))?;
    write("/proc/self/gid_map", format!("{gid} {gid} 1\n"))
}

/// A namespace of this kind, as doorward makes it: within a user namespace where `within`.
pub(super) fn kind(kind: CloneFlags, within: bool) -> Result<(), Errno> {
    if within {
        user()?;
    }
    unshare(kind).map_err(errno)
}

/// An empty root with /usr bound read-only, entered, and nothing else reachable.
pub(super) fn view(within: bool) -> Result<(), Errno> {
    kind(CloneFlags::CLONE_NEWNS, within)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).map_err(errno)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("doorward"),
        "/tmp",
        Some("tmpfs"),
        flags,
        Some("mode=755,size=1m"),
    )
    .map_err(errno)?;
    std::fs::create_dir("/tmp/usr").map_err(errno)?;
    mount(
        Some("/usr"),
        "/tmp/usr",
        NONE,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        NONE,
    )
    .map_err(errno)?;
    process::make_read_only(c"/tmp/usr", true)?;
    nix::unistd::chdir("/tmp").map_err(errno)?;
    nix::unistd::pivot_root(".", ".").map_err(errno)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(errno)?;
    let written = std::fs::write("/usr/doorward-trial", "").map_err(errno);
    let reached = std::fs::metadata("/proc/self").is_ok();
    match written {
        Err(Errno::ROFS) if !reached => Ok(()),
        _ => Err(Errno::IO),
    }
}
