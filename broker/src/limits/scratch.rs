//! What the scratch directory holds, counted by the broker.
//!
//! What lies there is the sandboxee's: names, links, modes and depth are hostile. Safe,
//! because the count goes through descriptors of directories alone, opened beneath the
//! pinned one and never through a link, and entries, depth and time are bounded. What
//! cannot be counted is taken to be too much.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
};

/// Entries and nested directories that are counted.
const ENTRIES: u32 = 1 << 18;
const DEPTH: usize = 128;
/// How long a count is believed, and how much longer than it took.
const BELIEVED: Duration = Duration::from_millis(100);
const TIMES: u32 = 10;
/// One that says that nothing fits any more is looked at again sooner.
const BELIEVED_FULL: Duration = Duration::from_millis(5);
/// What open descriptors may have written beyond it before the sandbox is ended: an eighth
/// and this.
const MARGIN: u64 = 1 << 20;
/// What stat(2) counts in.
const BLOCK: u64 = 512;

/// The size of a scratch directory, and what it holds.
#[derive(Debug)]
pub(crate) struct Budget {
    directory: OwnedFd,
    most: u64,
    last: Mutex<Option<Count>>,
    refused: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    bytes: u64,
    /// Whether everything could be looked at.
    whole: bool,
    at: Instant,
    took: Duration,
}

impl Budget {
    /// Of the pinned directory.
    pub(crate) fn new(directory: impl AsFd, most: u64) -> Result<Self, Errno> {
        Ok(Self {
            directory: opened(directory, c".")?,
            most,
            last: Mutex::new(None),
            refused: AtomicU64::new(0),
        })
    }

    /// Whether more may be put there; none if that must be counted first and `cached` says
    /// that there is no time for it.
    fn has_room(&self, cached: bool) -> Option<bool> {
        let full = |count: &Count| !count.whole || count.bytes >= self.most;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.filter(|count| count.holds(full(count)));
        let count = match known {
            Some(count) => count,
            None if cached => return None,
            None => *last.insert(self.count()),
        };
        Some(!full(&count))
    }

    /// Whether more may be put there, as [`Self::has_room`]; counts what is refused.
    pub(crate) fn takes(&self, cached: bool) -> Option<bool> {
        let takes = self.has_room(cached)?;
        if !takes {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Some(takes)
    }

    /// How often [`Self::takes`] refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Its size.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// Whether it holds so much more than it may that the sandbox is to be ended.
    pub(super) fn outgrown(&self) -> bool {
        let _counted = self.has_room(false);
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let eighth = self.most.checked_div(8).unwrap_or_default();
        let most = self.most.saturating_add(eighth).saturating_add(MARGIN);
        last.is_some_and(|count| count.bytes > most)
    }

    fn count(&self) -> Count {
        let at = Instant::now();
        let mut count = Count {
            bytes: 0,
            whole: true,
            at,
            took: Duration::ZERO,
        };
        let top = opened(&self.directory, c".").and_then(Dir::read_from);
        match top {
            Ok(top) => count.add(top),
            Err(_) => count.whole = false,
        }
        count.took = at.elapsed();
        count
    }
}

impl Count {
    fn holds(&self, full: bool) -> bool {
        let least = if full { BELIEVED_FULL } else { BELIEVED };
        let believed = self.took.saturating_mul(TIMES).max(least);
        self.at.elapsed() < believed
    }

    /// Adds what a directory holds, and all below it.
    fn add(&mut self, top: Dir) {
        let mut open = vec![top];
        let mut left = ENTRIES;
        while let Some(directory) = open.last_mut() {
            let entry = match directory.read() {
                None => {
                    open.pop();
                    continue;
                }
                Some(Ok(entry)) => entry,
                Some(Err(_)) => {
                    self.whole = false;
                    open.pop();
                    continue;
                }
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Some(fewer) = left.checked_sub(1) else {
                self.whole = false;
                return;
            };
            left = fewer;
            let below = directory
                .fd()
                .and_then(|directory| self.add_entry(directory, name));
            match below {
                Ok(Some(below)) if open.len() < DEPTH => open.push(below),
                Ok(None) | Err(Errno::NOENT) => {}
                _ => self.whole = false,
            }
        }
    }

    /// Adds one entry; a directory to be looked through, if it is one.
    fn add_entry(
        &mut self,
        directory: impl AsFd,
        name: &std::ffi::CStr,
    ) -> Result<Option<Dir>, Errno> {
        let status = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let bytes = u64::try_from(status.st_blocks)
            .unwrap_or_default()
            .saturating_mul(BLOCK);
        if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
            self.bytes = self.bytes.saturating_add(bytes);
            return opened(&directory, name).and_then(Dir::read_from).map(Some);
        }
        // A file of several names is met under each.
        #[allow(
            clippy::useless_conversion,
            reason = "its width differs between machines"
        )]
        let names = u64::from(status.st_nlink).max(1);
        self.bytes = self.bytes.saturating_add(bytes.div_ceil(names));
        Ok(None)
    }
}

fn opened(directory: impl AsFd, name: &std::ffi::CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(directory: &std::path::Path, most: u64) -> Budget {
        Budget::new(std::fs::File::open(directory).unwrap(), most).unwrap()
    }

    #[test]
    fn what_lies_there_counts_and_what_links_lead_to_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("large"), vec![1; 4 << 20]).unwrap();
        let own = directory.path();
        std::os::unix::fs::symlink(outside.path(), own.join("link")).unwrap();
        std::fs::create_dir_all(own.join("a/b")).unwrap();
        std::fs::write(own.join("a/b/file"), vec![1; 1 << 20]).unwrap();
        std::fs::hard_link(own.join("a/b/file"), own.join("again")).unwrap();
        let count = budget(own, 1).count();
        assert!(count.whole);
        assert!((1 << 20..2 << 20).contains(&count.bytes), "{count:?}");
    }

    #[test]
    fn a_full_one_has_no_room_until_it_is_emptied() {
        let directory = tempfile::tempdir().unwrap();
        let budget = budget(directory.path(), 1 << 20);
        assert_eq!(budget.has_room(true), None);
        assert_eq!(budget.has_room(false), Some(true));
        let file = directory.path().join("file");
        std::fs::write(&file, vec![1; 3 << 20]).unwrap();
        std::thread::sleep(BELIEVED * 2);
        assert_eq!(budget.has_room(false), Some(false));
        assert!(budget.outgrown());
        std::fs::remove_file(file).unwrap();
        std::thread::sleep(BELIEVED);
        assert_eq!(budget.has_room(false), Some(true));
        assert!(!budget.outgrown());
    }

    #[test]
    fn what_lies_too_deep_is_too_much() {
        let directory = tempfile::tempdir().unwrap();
        let deep: std::path::PathBuf = std::iter::repeat_n("d", DEPTH + 2).collect();
        std::fs::create_dir_all(directory.path().join(deep)).unwrap();
        assert_eq!(
            budget(directory.path(), 1 << 30).has_room(false),
            Some(false)
        );
    }
}
