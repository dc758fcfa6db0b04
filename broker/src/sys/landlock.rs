//! Which Landlock the kernel has; the rest of it is the landlock crate's.

use rustix::io::Errno;

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const VERSION: libc::c_uint = 1;

/// The ABI version of the kernel.
///
/// # Errors
/// `ENOSYS` without Landlock, `EOPNOTSUPP` when it was not enabled at boot, or what an
/// outer filter says.
pub(crate) fn abi() -> Result<u32, Errno> {
    // SAFETY: with this flag the kernel wants no attributes and only returns a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            VERSION,
        )
    };
    u32::try_from(version)
        .map_err(|_| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}
