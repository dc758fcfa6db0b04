//! `doorward-level LEVEL UID GID PROGRAM ARGUMENTS…`: runs a program at a level of the tests.
//!
//! What it cannot set up ends it with status 99 and a sentence, so that no test passes at
//! another level than it names.

use std::{
    error::Error,
    ffi::{CString, OsStr},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    process::ExitCode,
};

use nix::{
    errno::Errno,
    fcntl::AtFlags,
    sched::{CloneFlags, unshare},
    unistd::{Gid, Uid},
};
use rustix::fs::{Mode, OFlags};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match enter() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("doorward-level: {error}");
            ExitCode::from(99)
        }
    }
}

/// Comes back only when it failed.
fn enter() -> Outcome<()> {
    let mut words = std::env::args_os().skip(1);
    let mut next = || {
        words
            .next()
            .ok_or("LEVEL UID GID PROGRAM ARGUMENTS… are needed")
    };
    let level = next()?;
    let number = |word: &OsStr| word.to_string_lossy().parse::<u32>();
    let (user, group) = (number(&next()?)?, number(&next()?)?);
    let program = next()?;
    let mut arguments = vec![CString::new(program.as_bytes())?];
    for word in words {
        arguments.push(CString::new(word.as_bytes())?);
    }
    // The command under test may lie where only root finds it: it is opened before.
    let opened = rustix::fs::open(&program, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| format!("{}: {errno}", program.display()))?;
    match level.to_str() {
        Some("root") => {}
        Some("user") => become_user(user, group)?,
        Some("user-no-ns") => {
            become_user(user, group)?;
            refuse_user_namespaces(user, group)?;
        }
        Some("nested") => container()?,
        _ => return Err("no such level".into()),
    }
    execute(&arguments, &opened)
}

fn execute(arguments: &[CString], opened: &OwnedFd) -> Outcome<()> {
    let program = arguments.first().ok_or("no program")?;
    let environment = std::env::vars_os()
        .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect::<Result<Vec<_>, _>>()?;
    let Err(errno) = nix::unistd::execve(program, arguments, &environment);
    if errno != Errno::EACCES {
        return Err(format!("{}: {errno}", program.to_string_lossy()).into());
    }
    let flags = AtFlags::AT_EMPTY_PATH;
    let Err(errno) = nix::unistd::execveat(opened.as_fd(), c"", arguments, &environment, flags);
    Err(format!("{}: {errno}", program.to_string_lossy()).into())
}

fn become_user(user: u32, group: u32) -> Outcome<()> {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    nix::unistd::setgroups(&[])?;
    nix::unistd::setresgid(group, group, group)?;
    nix::unistd::setresuid(user, user, user)?;
    if caps::read(None, caps::CapSet::Effective)?.is_empty() {
        Ok(())
    } else {
        Err("capabilities are left".into())
    }
}

/// A user namespace in which the next one is refused (KERNEL.md), all capabilities dropped.
fn refuse_user_namespaces(user: u32, group: u32) -> Outcome<()> {
    // Changing ids made /proc/self root's.
    nix::sys::prctl::set_dumpable(true)?;
    unshare(CloneFlags::CLONE_NEWUSER)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1\n"))?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1\n"))?;
    std::fs::write("/proc/sys/user/max_user_namespaces", "0")?;
    for set in [
        caps::CapSet::Bounding,
        caps::CapSet::Ambient,
        caps::CapSet::Inheritable,
        caps::CapSet::Effective,
        caps::CapSet::Permitted,
    ] {
        caps::clear(None, set)?;
    }
    match unshare(CloneFlags::CLONE_NEWUSER) {
        Err(Errno::ENOSPC) => Ok(()),
        other => Err(format!("a user namespace was not refused: {other:?}").into()),
    }
}

/// The capabilities that container engines leave to root.
const CONTAINER: [caps::Capability; 14] = [
    caps::Capability::CAP_CHOWN,
    caps::Capability::CAP_DAC_OVERRIDE,
    caps::Capability::CAP_FSETID,
    caps::Capability::CAP_FOWNER,
    caps::Capability::CAP_MKNOD,
    caps::Capability::CAP_NET_RAW,
    caps::Capability::CAP_SETGID,
    caps::Capability::CAP_SETUID,
    caps::Capability::CAP_SETFCAP,
    caps::Capability::CAP_SETPCAP,
    caps::Capability::CAP_NET_BIND_SERVICE,
    caps::Capability::CAP_SYS_CHROOT,
    caps::Capability::CAP_KILL,
    caps::Capability::CAP_AUDIT_WRITE,
];

/// Calls that their filters refuse with EPERM.
const REFUSED: [libc::c_long; 14] = [
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_ptrace,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_mount_setattr,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
];

fn container() -> Outcome<()> {
    load(&outer_filter())?;
    let kept: caps::CapsHashSet = CONTAINER.into_iter().collect();
    for capability in caps::all() {
        if !kept.contains(&capability) {
            caps::drop(None, caps::CapSet::Bounding, capability)?;
        }
    }
    caps::clear(None, caps::CapSet::Inheritable)?;
    caps::set(None, caps::CapSet::Effective, &kept)?;
    caps::set(None, caps::CapSet::Permitted, &kept)?;
    match unshare(CloneFlags::CLONE_NEWUTS) {
        Err(Errno::EPERM) => Ok(()),
        other => Err(format!("a namespace was not refused: {other:?}").into()),
    }
}

/// Refuses by number; clone(2) by its flags, clone3(2) as unknown, since its flags cannot be seen.
fn outer_filter() -> Vec<libc::sock_filter> {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    const NEW_NAMESPACES: u32 = 0x7e02_0000;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let number = |call: libc::c_long| u32::try_from(call).unwrap_or(u32::MAX);
    let mut steps = vec![step(LOAD, 0, 0, 0)];
    for call in REFUSED {
        steps.push(step(EQUAL, 0, 1, number(call)));
        steps.push(step(RETURN, 0, 0, ERRNO | 1));
    }
    steps.push(step(EQUAL, 0, 1, number(libc::SYS_clone3)));
    steps.push(step(RETURN, 0, 0, ERRNO | 38));
    steps.push(step(EQUAL, 0, 3, number(libc::SYS_clone)));
    steps.push(step(LOAD, 0, 0, 16));
    steps.push(step(SET, 0, 1, NEW_NAMESPACES));
    steps.push(step(RETURN, 0, 0, ERRNO | 1));
    steps.push(step(RETURN, 0, 0, ALLOW));
    steps
}

#[allow(unsafe_code, reason = "seccomp(2) has no wrapper")]
fn load(filter: &[libc::sock_filter]) -> Outcome<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len())?,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: `program` describes `filter`, which outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, 1, 0, &raw const program) };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error().into())
    }
}
