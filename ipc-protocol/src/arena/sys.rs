//! The mapping of an arena: the only unsafe code of this crate.

use std::{
    ops::Deref,
    os::fd::BorrowedFd,
    ptr::{NonNull, null_mut},
    sync::atomic::AtomicU64,
};

use rustix::{
    io::Errno,
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

/// Words that two processes see. Atomic, since the other side may change them at any time.
#[derive(Debug)]
pub(super) struct Mapping {
    begin: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the mapping belongs to this value alone, and atomics may be used by any thread.
unsafe impl Send for Mapping {}
// SAFETY: shared use is of atomics only.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps so many words of a file that can neither shrink nor be shorter.
    pub(super) fn new(file: BorrowedFd<'_>, words: usize) -> Result<Self, Errno> {
        let length = words.checked_mul(8).ok_or(Errno::INVAL)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a mapping at a place that the kernel chooses overlays nothing of this process.
        let begin = unsafe { mmap(null_mut(), length, protection, MapFlags::SHARED, file, 0) }?;
        let begin = NonNull::new(begin.cast()).ok_or(Errno::FAULT)?;
        Ok(Self { begin, words })
    }
}

impl Deref for Mapping {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: so many words are mapped, page-aligned, until this value is dropped; the file
        // is sealed, so none of them can go away, and atomics need no exclusive access.
        unsafe { std::slice::from_raw_parts(self.begin.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let length = self.words.saturating_mul(8);
        // SAFETY: it was mapped with this length, and no reference to it outlives this value.
        let _gone = unsafe { munmap(self.begin.as_ptr().cast(), length) };
    }
}
