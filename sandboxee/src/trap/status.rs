//! The status of an open file, as fstat(2) tells it.

use super::sys::{self, call};

/// Bytes of `struct stat`.
const LENGTH: usize = 144;
/// Where the numbers of its user and its group begin.
const OWNERS: [usize; 2] = [28, 32];
const _: () = {
    assert!(LENGTH == size_of::<libc::stat>());
    assert!(OWNERS[0] == std::mem::offset_of!(libc::stat, st_uid));
    assert!(OWNERS[1] == std::mem::offset_of!(libc::stat, st_gid));
    assert!(INODE == std::mem::offset_of!(libc::stat, st_ino));
};
const INODE: usize = 8;
/// As whom the kernel shows who has no number in a user namespace.
const UNKNOWN: u32 = 65_534;

/// `struct stat`, in the kernel's layout.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Status([u8; LENGTH]);

impl Status {
    /// That of a descriptor; none where the kernel has none.
    pub(super) fn of(number: i32) -> Option<Self> {
        let mut status = Self([0; LENGTH]);
        let room = sys::address_mut(&mut status);
        let number = u64::from(number.cast_unsigned());
        call(libc::SYS_fstat, [number, room, 0, 0, 0, 0]).ok()?;
        Some(status)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether user and group are shown by their own numbers.
    pub(super) fn is_mapped(&self) -> bool {
        OWNERS
            .iter()
            .all(|at| self.part(*at).map(u32::from_ne_bytes) != Some(UNKNOWN))
    }

    pub(super) fn inode(&self) -> u64 {
        self.part(INODE).map(u64::from_ne_bytes).unwrap_or_default()
    }

    fn part<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk().copied()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at what they did not expect")]
mod tests {
    use std::{
        fs::File,
        os::{fd::AsRawFd, unix::fs::MetadataExt},
    };

    use super::*;

    #[test]
    fn it_is_that_of_the_file_and_knows_whom_the_kernel_does_not_show() {
        let file = File::open("/proc/self/exe").unwrap();
        let mut status = Status::of(file.as_raw_fd()).unwrap();
        let told = file.metadata().unwrap();
        assert_eq!(status.inode(), told.ino());
        let owners = OWNERS.map(|at| status.part(at).map(u32::from_ne_bytes));
        assert_eq!(owners, [Some(told.uid()), Some(told.gid())]);
        for at in OWNERS {
            status.0[at..][..4].copy_from_slice(&0_u32.to_ne_bytes());
        }
        assert!(status.is_mapped());
        for at in OWNERS {
            let mut other = status;
            other.0[at..][..4].copy_from_slice(&UNKNOWN.to_ne_bytes());
            assert!(!other.is_mapped());
        }
        assert!(Status::of(-1).is_none());
    }
}
