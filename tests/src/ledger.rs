//! What the system holds on behalf of this process: counted before and after.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nix::{
    sched::{CloneFlags, unshare},
    sys::{
        prctl::set_child_subreaper,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
};

use crate::{Tree, below, called};

/// How long after an end something may still be there.
const DEADLINE: Duration = Duration::from_secs(5);

/// The ledger counts what belongs to this process, so that one test runs at a time, in
/// namespaces where nobody else makes sockets and System V objects.
///
/// # Panics
/// When there are no namespaces to be had.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC).unwrap();
    guard
}

/// All of it. What a broker holds while it lives is [`crate::Broker`]'s.
#[derive(Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Processes below this one, zombies too: what loses its parent comes here.
    processes: Vec<String>,
    descriptors: usize,
    mounts: usize,
    /// Control groups. Those that were left before may be removed meanwhile.
    groups: BTreeSet<PathBuf>,
    files: Vec<PathBuf>,
    /// Of the network namespace that this test is in, listening, connected or neither.
    sockets: usize,
    /// System V objects of the namespace that this test is in.
    objects: usize,
}

impl Ledger {
    /// As it is now, with what lies in the tree's temporary directory.
    ///
    /// # Panics
    /// When the tree has none, or /proc cannot be read.
    #[must_use]
    pub fn of(tree: &Tree) -> Self {
        set_child_subreaper(true).unwrap();
        let own = std::process::id().cast_signed();
        let processes = below(own)
            .into_iter()
            .map(|pid| format!("{} {pid}", called(pid)));
        let mut groups = BTreeSet::new();
        find(Path::new("/sys/fs/cgroup"), &mut groups);
        let left = fs::read_dir(tree.name("../temporary")).unwrap();
        Self {
            processes: processes.collect(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            mounts: lines("/proc/self/mountinfo"),
            groups,
            files: left.map(|entry| entry.unwrap().path()).collect(),
            sockets: lines("/proc/thread-self/net/unix"),
            objects: ["shm", "sem", "msg"]
                .map(|kind| lines(&format!("/proc/sysvipc/{kind}")))
                .iter()
                .sum(),
        }
    }

    /// Waits until all is as before.
    ///
    /// # Errors
    /// What differs after the deadline.
    pub fn settles(&self, tree: &Tree) -> Result<(), String> {
        self.settles_within(DEADLINE, tree)
    }

    /// As [`Self::settles`], after this time.
    ///
    /// # Errors
    /// What differs after it.
    pub fn settles_within(&self, limit: Duration, tree: &Tree) -> Result<(), String> {
        let end = Instant::now() + limit;
        loop {
            reap();
            let mut now = Self::of(tree);
            now.groups.extend(self.groups.iter().cloned());
            if now == *self {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("before: {self:?}\nafter: {now:?}"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Takes the ends of what came here. To be called when all own children have been waited for.
fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}

fn lines(file: &str) -> usize {
    fs::read_to_string(file).unwrap().lines().count()
}

fn find(directory: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name().to_string_lossy().contains("doorward") {
                found.insert(entry.path());
            }
            find(&entry.path(), found);
        }
    }
}
