//! Processes: what the launcher needs that has no wrapper, and descriptors of others.

use std::os::{
    fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    unix::net::UnixStream,
};
use std::time::Duration;

use doorward_policy::filter::Instruction;
use passfd::FdPassingExt;
use rustix::io::Errno;

use crate::limits::Waited;

fn errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Opens a pidfd of one thread (`PIDFD_THREAD`, Linux 6.9).
pub(crate) fn pidfd_of_thread(thread: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: pidfd_open takes two numbers.
    let number = unsafe { libc::syscall(libc::SYS_pidfd_open, thread, libc::O_EXCL) };
    let number = i32::try_from(number).map_err(|_| Errno::IO)?;
    if number < 0 {
        return Err(errno());
    }
    // SAFETY: the kernel just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Forks. The child must have been single-threaded; `None` in the child.
///
/// # Errors
/// What fork(2) meets.
pub(crate) fn fork() -> Result<Option<nix::unistd::Pid>, Errno> {
    // SAFETY: called while this process has one thread, so the child may do anything.
    match unsafe { nix::unistd::fork() } {
        Ok(nix::unistd::ForkResult::Parent { child }) => Ok(Some(child)),
        Ok(nix::unistd::ForkResult::Child) => Ok(None),
        Err(error) => Err(Errno::from_raw_os_error(error as i32)),
    }
}

/// Whether this process has one thread; `false` if that cannot be known.
pub(crate) fn has_one_thread() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// Lets a forked child forget what its parent was started with: descriptors but `kept` and
/// standard error, environment and arguments, which `title` takes the place of. To be called
/// in a process with one thread, which never runs destructors of its parent's.
///
/// # Errors
/// What a step of it meets, or `EIO` when /proc does not tell where they lie.
pub(crate) fn forget_host(title: &str, kept: BorrowedFd<'_>) -> Result<(), Errno> {
    close_all_but(&[kept])?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let null = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    // SAFETY: this process has one thread, so nobody reads the environment meanwhile.
    if unsafe { libc::clearenv() } != 0 {
        return Err(Errno::NOMEM);
    }
    let status = std::fs::read_to_string("/proc/self/stat").map_err(|_| Errno::IO)?;
    let (_, fields) = status.rsplit_once(')').ok_or(Errno::IO)?;
    // Fields 48 to 51 of proc_pid_stat(5), the first behind the name being the third.
    let mut places = fields.split_ascii_whitespace().skip(45);
    let mut place = || -> Result<usize, Errno> {
        let text = places.next().ok_or(Errno::IO)?;
        text.parse().ok().filter(|&at| at > 0).ok_or(Errno::IO)
    };
    let (arguments, environment) = ((place()?, place()?), (place()?, place()?));
    let text = title.as_bytes();
    for ((from, to), text) in [(arguments, text), (environment, &[][..])] {
        let length = to.checked_sub(from).ok_or(Errno::IO)?;
        let memory: *mut u8 = std::ptr::with_exposed_provenance_mut(from);
        // SAFETY: the kernel put the process's first strings there, on the stack above all
        // frames; the environment no longer refers to them, and arguments are copied when asked for.
        unsafe { memory.write_bytes(0, length) };
        let shown = text.len().min(length.saturating_sub(1));
        // SAFETY: `shown` bytes lie within the memory just written, apart from `title`.
        unsafe { memory.copy_from_nonoverlapping(text.as_ptr(), shown) };
    }
    Ok(())
}

/// Waits for a child that has ended, if there is one; `None` if all run.
///
/// # Errors
/// What wait4(2) meets: `ECHILD` when there is no child.
pub(crate) fn reap() -> Result<Option<(nix::unistd::Pid, Waited)>, Errno> {
    let mut raw = 0;
    let mut used = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to values of ours that outlive the call.
    let process = unsafe { libc::wait4(-1, &raw mut raw, libc::WNOHANG, used.as_mut_ptr()) };
    match process {
        ..0 => return Err(errno()),
        0 => return Ok(None),
        _ => {}
    }
    // SAFETY: it was all zeros, a valid value, and the kernel wrote over it.
    let used = unsafe { used.assume_init() };
    let time = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let rest = u64::try_from(time.tv_usec).unwrap_or_default();
        Duration::from_secs(seconds).saturating_add(Duration::from_micros(rest))
    };
    let kilobytes = u64::try_from(used.ru_maxrss).unwrap_or_default();
    let waited = Waited {
        raw,
        processor: time(used.ru_utime).saturating_add(time(used.ru_stime)),
        memory: kilobytes.saturating_mul(1024),
    };
    Ok(Some((nix::unistd::Pid::from_raw(process), waited)))
}

/// Loads a filter on this thread; with `listener` it returns the notification descriptor.
pub(crate) fn load_filter(
    program: &[Instruction],
    listener: bool,
) -> Result<Option<OwnedFd>, Errno> {
    let header = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::INVAL)?,
        filter: program.as_ptr().cast_mut().cast(),
    };
    let flags = if listener {
        libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    } else {
        0
    };
    // SAFETY: `header` describes `program`, whose elements are laid out as `struct sock_filter`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const header,
        )
    };
    let number = i32::try_from(result).map_err(|_| Errno::IO)?;
    match number {
        ..0 => Err(errno()),
        0 if !listener => Ok(None),
        // SAFETY: with NEW_LISTENER the kernel returns a descriptor made for us alone.
        _ => Ok(Some(unsafe { OwnedFd::from_raw_fd(number) })),
    }
}

/// prctl(2) with numbers.
pub(crate) fn prctl(option: libc::c_int, argument: libc::c_ulong) -> Result<(), Errno> {
    // SAFETY: only options that take numbers are passed by the callers of this crate.
    let result = unsafe { libc::prctl(option, argument, 0, 0, 0) };
    if result >= 0 { Ok(()) } else { Err(errno()) }
}

/// Joins a new session keyring, with nothing in it.
pub(crate) fn new_session_keyring() -> Result<(), Errno> {
    const JOIN_SESSION_KEYRING: libc::c_ulong = 1;
    let no_name = std::ptr::null::<libc::c_char>();
    // SAFETY: keyctl takes an operation, and a null pointer to no name.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, no_name) };
    if result >= 0 { Ok(()) } else { Err(errno()) }
}

/// Undoes what the Rust runtime and the launcher did to signals: SIGPIPE ends a program that
/// does not handle it, and nothing is blocked.
pub(crate) fn default_signals() -> Result<(), Errno> {
    use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
    let failed = |error: nix::errno::Errno| Errno::from_raw_os_error(error as i32);
    // SAFETY: no handler is installed, only the default set back.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.map_err(failed)?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(failed)
}

/// Names this thread, as people see it in lists of processes.
pub(crate) fn name(name: &std::ffi::CStr) {
    let _unnamed = rustix::thread::set_name(name);
}

/// Ends a forked child at once: no destructors, no buffers of the parent flushed twice.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: _exit takes a number and does not come back.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from 3 on but these (close_range(2), Linux 5.9). To be called
/// in a process that ends or executes without running destructors of what is closed.
pub(crate) fn close_all_but(kept: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut numbers: Vec<libc::c_uint> = kept
        .iter()
        .filter_map(|one| libc::c_uint::try_from(one.as_raw_fd()).ok())
        .filter(|&number| number > 2)
        .collect();
    numbers.sort_unstable();
    let mut first = 3;
    for number in numbers {
        if number > first {
            close_range(first, number.saturating_sub(1))?;
        }
        first = number.saturating_add(1);
    }
    close_range(first, libc::c_uint::MAX)
}

fn close_range(first: libc::c_uint, last: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: close_range takes three numbers; the caller's process uses none of what it closes again.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == 0 { Ok(()) } else { Err(errno()) }
}

/// Receives one descriptor from a trusted process.
pub(crate) fn received(socket: &UnixStream) -> std::io::Result<OwnedFd> {
    let number = socket.recv_fd()?;
    // SAFETY: passfd has just received this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sends a signal to the process group of a process (`PIDFD_SIGNAL_PROCESS_GROUP`, Linux
/// 6.9), before that to the process alone.
pub(crate) fn signal_group(process: BorrowedFd<'_>, signal: libc::c_int) -> Result<(), Errno> {
    const PROCESS_GROUP: libc::c_uint = 4;
    let send = |flags: libc::c_uint| {
        // SAFETY: pidfd_send_signal takes numbers and a null pointer to no siginfo.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                process.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                flags,
            )
        };
        if result == 0 { Ok(()) } else { Err(errno()) }
    };
    match send(PROCESS_GROUP) {
        Err(Errno::INVAL) => send(0),
        other => other,
    }
}

/// Makes the mount at `path` (and those below it) read-only, without devices and set-id
/// programs (mount_setattr(2), Linux 5.12).
pub(crate) fn make_read_only(path: &std::ffi::CStr, below: bool) -> Result<(), Errno> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let flags = if below { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: both pointers are to values of ours that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(errno()) }
}
