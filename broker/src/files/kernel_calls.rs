//! Each method of the kernel's [`super::Filesystem`] is exactly one system call: counted
//! by tracing a child that makes each between two marker calls.

use std::os::fd::OwnedFd;

use doorward_policy::Component;
use doorward_protocol::request::TimeArgument;
use nix::sys::{
    ptrace,
    signal::Signal,
    wait::{WaitStatus, waitpid},
};
use rustix::{fs::OFlags, io::Errno};

use super::{
    Kernel,
    filesystem::{Beneath, Detail, EntryOf, Filesystem, Pinning, Renaming},
    trial::name,
};

/// Each method once, between two markers; what it makes is closed after the second.
fn exercise(directory: &std::path::Path) -> Result<Vec<&'static str>, Errno> {
    let kernel = Kernel::open()?;
    let root = Kernel::root()?;
    let folder = name(directory.as_os_str().as_encoded_bytes());
    let rest = Beneath::of(&folder, &name("/")).ok_or(Errno::NOENT)?;
    let leaf = |text: &'static str| Component::new(text.as_bytes()).map_err(|_| Errno::INVAL);
    let how = Pinning::default();
    let link = Pinning { link: true, ..how };
    let writing = OFlags::WRONLY | OFlags::NONBLOCK;
    let parent = kernel.pin(&root, rest, how)?;
    let fifo = kernel.pin(&parent, leaf("fifo")?.into(), how)?;
    let fifo = kernel.reopen(&fifo, OFlags::RDONLY | OFlags::NONBLOCK, 0)?;
    let mount = kernel.status(&parent, Detail::Identity)?.mount;
    let mut buffer = Vec::with_capacity(8192);
    let mut done = Vec::with_capacity(64);
    let mut kept: Vec<OwnedFd> = Vec::with_capacity(64);
    macro_rules! once {
        ($what:literal, $call:expr) => {{
            let _ = rustix::process::getppid();
            let answer = $call;
            let _ = rustix::process::getppid();
            done.push($what);
            answer
        }};
    }
    let place = |leaf| EntryOf {
        parent: &parent,
        leaf,
    };
    kept.push(once!("pin", kernel.pin(&root, rest, how))?);
    kept.push(once!("cross", kernel.cross(&parent, leaf("a")?, false))?);
    let file = once!(
        "create",
        kernel.create(&parent, leaf("new")?, writing, 0o600)
    )?;
    let pin = kernel.pin(&parent, leaf("new")?.into(), how)?;
    once!("status", kernel.status(&pin, Detail::Whole))?;
    // Refused where the kernel is older; it is one call all the same.
    let _ = once!("mount_magic", kernel.mount_magic(mount));
    once!("file_system", kernel.file_system(&pin))?;
    once!("name", kernel.name(&pin, &mut buffer))?;
    kept.push(once!("reopen", kernel.reopen(&pin, writing, 0))?);
    once!("set_flags", kernel.set_flags(&file, OFlags::empty()))?;
    once!("resize", kernel.resize(&file, 3))?;
    once!("set_mode", kernel.set_mode(&pin, 0o644))?;
    once!("set_times", kernel.set_times(&pin, [TimeArgument::Now; 2]))?;
    once!("access", kernel.access(&pin, 4))?;
    once!("had_writer", kernel.had_writer(&fifo))?;
    once!("has_writer", kernel.has_writer(&fifo))?;
    let _ = once!("forget_copy", kernel.forget_copy());
    once!(
        "make_directory",
        kernel.make_directory(&parent, leaf("d")?, 0o700)
    )?;
    once!("symlink", kernel.symlink(b"a", place(leaf("l")?)))?;
    let pinned_link = kernel.pin(&parent, leaf("l")?.into(), link)?;
    buffer.clear();
    once!("target", kernel.target(&pinned_link, &mut buffer))?;
    once!("link", kernel.link(&pin, place(leaf("h")?)))?;
    let (old, new) = (place(leaf("h")?), place(leaf("i")?));
    once!("rename", kernel.rename(old, new, Renaming::Keep))?;
    once!("remove", kernel.remove(&parent, leaf("i")?, false))?;
    Ok(done)
}

/// How many system calls a stopped child makes between each pair of markers.
fn count(child: nix::unistd::Pid) -> Vec<usize> {
    let marker = libc::SYS_getppid.unsigned_abs();
    let mut counts = Vec::new();
    let mut open = None;
    waitpid(child, None).unwrap();
    ptrace::setoptions(child, ptrace::Options::PTRACE_O_TRACESYSGOOD).unwrap();
    loop {
        ptrace::syscall(child, None).unwrap();
        match waitpid(child, None).unwrap() {
            WaitStatus::PtraceSyscall(_) => {}
            WaitStatus::Exited(_, status) => {
                assert_eq!(status, 22, "methods exercised");
                return counts;
            }
            WaitStatus::Stopped(_, Signal::SIGSTOP) => continue,
            other => panic!("{other:?}"),
        }
        let info = ptrace::syscall_info(child).unwrap();
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            continue;
        }
        let number = crate::sys::files::entered_for_test(&info);
        match (number == marker, open) {
            (true, None) => open = Some(0),
            (true, Some(calls)) => {
                counts.push(calls);
                open = None;
            }
            (false, Some(calls)) => open = Some(calls + 1),
            (false, None) => {}
        }
    }
}

#[test]
fn every_method_is_one_system_call() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a"), "a").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        directory.path().join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let child = crate::sys::files::fork_for_test(|| {
        let traced = ptrace::traceme().and_then(|()| nix::sys::signal::raise(Signal::SIGSTOP));
        if traced.is_err() {
            return 101;
        }
        match exercise(directory.path()) {
            Ok(done) => i32::try_from(done.len()).unwrap_or(102),
            Err(errno) => {
                eprintln!("{errno}");
                103
            }
        }
    });
    assert_eq!(count(child), [1; 22]);
}
