//! What the system holds on behalf of this process: counted before and after.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use doorward_tests::{Tree, below, called};
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
    /// Of the network namespace that this test is in, listening, connected or neither.
    sockets: usize,
    /// System V objects of the namespace that this test is in.
    objects: usize,
}

impl Ledger {
    /// As it is now, with what lies in the tree's temporary directory.
    pub(crate) fn of(tree: &Tree) -> Self {
        set_child_subreaper(true).unwrap();
        let own = std::process::id().cast_signed();
        let processes = below(own)
            .into_iter()
            .map(|pid| format!("{} {pid}", called(pid)));
        let mut groups = 0;
        count(Path::new("/sys/fs/cgroup"), &mut groups);
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

    /// Waits until all is as before; what differs after the deadline.
    pub(crate) fn settles(&self, tree: &Tree) -> Result<(), String> {
        self.settles_within(DEADLINE, tree)
    }

    /// As [`Self::settles`], after this time.
    pub(crate) fn settles_within(&self, limit: Duration, tree: &Tree) -> Result<(), String> {
        let end = Instant::now() + limit;
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

fn lines(file: &str) -> usize {
    fs::read_to_string(file).unwrap().lines().count()
}

fn count(directory: &Path, found: &mut usize) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            *found += usize::from(entry.file_name().to_string_lossy().contains("doorward"));
            count(&entry.path(), found);
        }
    }
}
