//! What an attacker needs that no wrapper of a system call gives: calls by number, a fork,
//! and memory that is run as code.

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::case::refused;

/// A system call by its number: its result, or the negative errno.
///
/// Pointers are the caller's risk: those of this module pass addresses of values that outlive
/// the call, in a process made for one attempt.
pub(super) fn call(number: libc::c_long, arguments: &[u64]) -> i64 {
    let [a, b, c, d, e, f] = std::array::from_fn(|at| arguments.get(at).copied().unwrap_or(0));
    // SAFETY: see above; the kernel checks every address that it is given.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result >= 0 {
        return result;
    }
    let errno = std::io::Error::last_os_error().raw_os_error();
    errno.map_or(-1, |errno| refused(Errno::from_raw_os_error(errno)))
}

/// A descriptor that a call by number has just made.
pub(super) fn descriptor(number: i64) -> Option<OwnedFd> {
    let number = i32::try_from(number).ok().filter(|number| *number > 2)?;
    // SAFETY: the caller has just got it from the kernel and keeps no other copy.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Does `act` in a child and gives the raw wait status.
pub(super) fn in_a_child(act: impl FnOnce() -> i32) -> Option<i32> {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            let status = act();
            // SAFETY: _exit takes a number and does not come back.
            unsafe { libc::_exit(status) }
        }
        child @ 1.. => {
            let mut status = 0;
            loop {
                // SAFETY: `status` outlives the call.
                let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
                if waited == child {
                    return Some(status);
                }
                if std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
                    return None;
                }
            }
        }
        _ => None,
    }
}

/// Writes `code` to memory of this process.
pub(super) fn write_code(address: u64, code: &[u8]) {
    let Ok(address) = usize::try_from(address) else {
        return;
    };
    let target = std::ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: the caller has just mapped a writable page there, longer than any code here.
    unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), target, code.len()) };
}

/// Runs the code at an address: a function that returns a number.
pub(super) fn run_code(address: u64) -> i64 {
    let Ok(address) = usize::try_from(address) else {
        return -1;
    };
    let code = std::ptr::with_exposed_provenance::<()>(address);
    // SAFETY: the caller has mapped a page there that holds a function of this signature. Where
    // the page is not executable the process made for the attempt ends.
    let function = unsafe { std::mem::transmute::<*const (), extern "C" fn() -> i32>(code) };
    i64::from(function())
}

/// getpid(2) by the entry that 32-bit programs use.
#[cfg(target_arch = "x86_64")]
pub(super) fn by_the_old_entry() -> i64 {
    const GETPID: i32 = 20;
    let mut register = GETPID;
    // SAFETY: getpid takes nothing and touches no memory; the kernel keeps other registers but
    // r8 to r11.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inout("eax") register,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    i64::from(register)
}

/// There is none on this architecture.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn by_the_old_entry() -> i64 {
    refused(Errno::NOSYS)
}
