//! What the system holds on behalf of this process: counted before and after.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use doorward_tests::Tree;
use nix::sys::{
    prctl::set_child_subreaper,
    wait::{WaitPidFlag, WaitStatus, waitpid},
};

/// How long after an end something may still be there.
const DEADLINE: Duration = Duration::from_secs(5);

/// All of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Processes below this one, zombies too: what loses its parent comes here.
    processes: Vec<String>,
    descriptors: usize,
    mounts: usize,
    groups: usize,
    files: Vec<PathBuf>,
}

impl Ledger {
    /// As it is now, with what lies in the tree's temporary directory.
    pub(crate) fn of(tree: &Tree) -> Self {
        set_child_subreaper(true).unwrap();
        let own = std::process::id().cast_signed();
        let processes = below(own)
            .into_iter()
            .map(|pid| format!("{} {pid}", name(pid)));
        let mut groups = 0;
        count(Path::new("/sys/fs/cgroup"), &mut groups);
        let left = fs::read_dir(tree.name("../temporary")).unwrap();
        Self {
            processes: processes.collect(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            mounts: fs::read_to_string("/proc/self/mountinfo")
                .unwrap()
                .lines()
                .count(),
            groups,
            files: left.map(|entry| entry.unwrap().path()).collect(),
        }
    }

    /// Waits until all is as before; what differs after the deadline.
    pub(crate) fn settles(&self, tree: &Tree) -> Result<(), String> {
        let end = Instant::now() + DEADLINE;
        loop {
            reap();
            let now = Self::of(tree);
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

fn count(directory: &Path, found: &mut usize) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            *found += usize::from(entry.file_name().to_string_lossy().contains("doorward"));
            count(&entry.path(), found);
        }
    }
}

/// All processes below one.
pub(crate) fn below(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    for thread in threads.into_iter().flatten().flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|text| text.parse().ok())
        {
            found.push(child);
            found.extend(below(child));
        }
    }
    found
}

/// What a process is called.
pub(crate) fn name(pid: i32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    text.trim_end().to_owned()
}
