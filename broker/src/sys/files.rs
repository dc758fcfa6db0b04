//! File system calls without a wrapper: statmount and faccessat2 on a descriptor.

use std::{
    mem::{MaybeUninit, size_of},
    os::fd::{AsRawFd, BorrowedFd},
};

use rustix::io::Errno;

/// Number of statmount(2), the same on every architecture (Linux 6.8).
const STATMOUNT: libc::c_long = 457;
/// Ask for device, magic and flags of the file system.
const SB_BASIC: u64 = 1;

/// `struct mnt_id_req`, first version.
#[repr(C)]
struct MountRequest {
    size: u32,
    spare: u32,
    mount: u64,
    parameter: u64,
}

/// `struct statmount` as far as it is used; the kernel wants the whole 512 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
struct MountStatus {
    size: u32,
    options: u32,
    mask: u64,
    device_major: u32,
    device_minor: u32,
    magic: u64,
    rest: [u64; 60],
}

fn errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// The file-system magic of the mount with this unique id. It never waits for a
/// file-system server.
pub(crate) fn mount_magic(mount: u64) -> Result<u64, Errno> {
    let request = MountRequest {
        size: u32::try_from(size_of::<MountRequest>()).map_err(|_| Errno::INVAL)?,
        spare: 0,
        mount,
        parameter: SB_BASIC,
    };
    let mut status = MaybeUninit::<MountStatus>::zeroed();
    // SAFETY: both pointers are valid for the sizes given, the kernel writes at
    // most `size_of::<MountStatus>()` bytes and keeps neither.
    let result = unsafe {
        libc::syscall(
            STATMOUNT,
            &raw const request,
            status.as_mut_ptr(),
            size_of::<MountStatus>(),
            0u32,
        )
    };
    if result != 0 {
        return Err(errno());
    }
    // SAFETY: it was zeroed before the kernel wrote into it, and all its fields are integers.
    let status = unsafe { status.assume_init() };
    if status.mask & SB_BASIC == 0 {
        return Err(Errno::NOSYS);
    }
    Ok(status.magic)
}

/// `faccessat2(descriptor, "", mode, AT_EMPTY_PATH | AT_EACCESS)`.
pub(crate) fn access(descriptor: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    // SAFETY: the path is a NUL-terminated constant and the descriptor is borrowed for the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            descriptor.as_raw_fd(),
            c"".as_ptr(),
            mode,
            libc::AT_EMPTY_PATH | libc::AT_EACCESS,
        )
    };
    if result == 0 { Ok(()) } else { Err(errno()) }
}

/// Lends a descriptor of this process, known by its number alone, to a test.
#[cfg(test)]
pub(crate) fn borrow_for_test<T>(number: i32, lend: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
    // SAFETY: the caller has just seen it open, and no test closes it meanwhile.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    lend(descriptor)
}

/// Takes a lease of an open file: whoever opens it then has to wait until it is closed.
#[cfg(test)]
pub(crate) fn lease_for_test(file: &std::fs::File) -> std::io::Result<()> {
    /// fcntl(2): which signal tells of a lease that is to end.
    const F_SETSIG: i32 = 10;
    let number = file.as_raw_fd();
    // Being told of it by SIGIO would end the process.
    // SAFETY: no memory is passed, and the descriptor is open.
    let told = unsafe { libc::fcntl(number, F_SETSIG, libc::SIGURG) };
    // SAFETY: as above.
    let taken = unsafe { libc::fcntl(number, libc::F_SETLEASE, libc::F_WRLCK) };
    match (told, taken) {
        (0, 0) => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Runs `child` in a child process, which then ends with its answer as exit status.
#[cfg(test)]
pub(crate) fn fork_for_test(child: impl FnOnce() -> i32) -> nix::unistd::Pid {
    // SAFETY: the child calls nothing but `child`, whose needs of the C library (its
    // allocator) are met after a fork, and never returns.
    match unsafe { nix::unistd::fork() } {
        Ok(nix::unistd::ForkResult::Parent { child }) => child,
        Ok(nix::unistd::ForkResult::Child) => {
            let status = child();
            // SAFETY: it ends the process and touches nothing.
            unsafe { libc::_exit(status) }
        }
        Err(errno) => panic!("fork: {errno}"),
    }
}

/// The number of the system call that a traced child is about to make.
#[cfg(test)]
pub(crate) fn entered_for_test(info: &libc::ptrace_syscall_info) -> u64 {
    assert_eq!(info.op, libc::PTRACE_SYSCALL_INFO_ENTRY);
    // SAFETY: `op` says that this member of the union is the one that was written.
    unsafe { info.u.entry.nr }
}
