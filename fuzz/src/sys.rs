//! The allocator, which counts; and descriptors that are known by number.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Counts the bytes that are in use, and the most that ever were.
struct Counting;

fn took(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Begins to look for the most again; the bytes in use now.
pub(crate) fn begin() -> usize {
    let live = LIVE.load(Relaxed);
    PEAK.store(live, Relaxed);
    live
}

/// The most bytes in use since [`begin`].
pub(crate) fn peak() -> usize {
    PEAK.load(Relaxed)
}

/// Closes a descriptor that was granted by its number; whether exec would have closed it.
pub fn take(number: RawFd) -> bool {
    // SAFETY: nothing else in this process knows of it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    let flags = rustix::io::fcntl_getfd(&descriptor).unwrap();
    flags.contains(rustix::io::FdFlags::CLOEXEC)
}
