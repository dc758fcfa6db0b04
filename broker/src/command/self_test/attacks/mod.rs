//! The attempts, by what they go for.

mod changes;
pub(super) mod code;
mod files;
mod kernel;
mod memory;
mod network;
mod processes;

pub(super) use changes::CHANGES;
pub(super) use files::FILES;
pub(super) use kernel::KERNEL;
pub(super) use memory::MEMORY;
pub(super) use network::NETWORK;
pub(super) use processes::PROCESSES;

use std::{ffi::CString, os::unix::ffi::OsStrExt, path::Path};

/// As a system call takes a path.
fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// The address of something, as a system call takes it.
fn address<T: ?Sized>(of: &T) -> u64 {
    std::ptr::from_ref(of).cast::<u8>().expose_provenance() as u64
}

/// The working directory for calls that take a directory.
const HERE: u64 = libc::AT_FDCWD as u64;

/// A number of libc as a system call takes it.
#[expect(clippy::cast_sign_loss, reason = "the kernel looks at the same bits")]
const fn bits(number: i32) -> u64 {
    number as i64 as u64
}

/// The address of something that a system call writes to.
fn room<T: ?Sized>(of: &mut T) -> u64 {
    std::ptr::from_mut(of).cast::<u8>().expose_provenance() as u64
}
