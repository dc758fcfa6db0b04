//! The kernel users that sandboxes have of their own, and the record of them.

use std::{fs, os::unix::fs::DirBuilderExt, path::Path};

use nix::{
    fcntl::{FcntlArg, fcntl},
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

const FIRST: u32 = 2_100_000_000;
const COUNT: u32 = 1 << 24;
const RECORD: &str = "/run/doorward/users";

/// Whether a sandbox could have this user.
#[must_use]
pub fn is_tenant(user: u32) -> bool {
    (FIRST..FIRST + COUNT).contains(&user)
}

/// Gives this thread, and what it starts, a record of its own, in which it is the turn of the
/// number returned.
///
/// # Panics
/// When there is no mount namespace to be had.
#[must_use]
pub fn next_tenant(turn: u32) -> u32 {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(none, "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
    let directory = Path::new(RECORD).parent().unwrap();
    fs::DirBuilder::new().mode(0o700).create(directory).unwrap();
    fs::write(RECORD, u64::from(turn).to_ne_bytes()).unwrap();
    FIRST + turn
}

/// Whether somebody has a lock on this number in the record.
///
/// # Panics
/// When there is no record.
#[must_use]
pub fn tenant_is_claimed(user: u32) -> bool {
    let record = fs::File::options()
        .read(true)
        .write(true)
        .open(RECORD)
        .unwrap();
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK.try_into().unwrap(),
        l_whence: libc::SEEK_SET.try_into().unwrap(),
        l_start: user.into(),
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&record, FcntlArg::F_OFD_GETLK(&mut lock)).unwrap();
    i32::from(lock.l_type) != libc::F_UNLCK
}
