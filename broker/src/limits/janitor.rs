//! Removes control groups: a sandbox's own at its end, and those that doorward processes
//! killed in mid-life have left behind.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags},
    io::Errno,
};

use super::{
    group::{Group, Part, content},
    label,
};

/// Entries looked at, and groups removed, at one start.
const LOOKED_AT: usize = 4096;
const REMOVED: usize = 64;
/// How long removing a group is tried, and the pauses between.
const LONGEST: Duration = Duration::from_secs(10);
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Removes groups in `directory` whose maker is known to be dead. Members that it left
/// behind are killed where the kernel can do that for a group; the directory then goes
/// with a later start.
pub(super) fn remove_stale(directory: impl AsFd) {
    let directory = directory.as_fd();
    let stale: Vec<String> = entries(directory)
        .into_iter()
        .filter(|name| label::is_stale(name))
        .take(REMOVED)
        .collect();
    for name in stale {
        if rustix::fs::unlinkat(directory, &name, AtFlags::REMOVEDIR) == Err(Errno::BUSY) {
            let kill = rustix::fs::openat(
                directory,
                format!("{name}/cgroup.kill"),
                OFlags::WRONLY | OFlags::CLOEXEC,
                Mode::empty(),
            );
            let _killed = kill.and_then(|kill| rustix::io::write(kill, b"1"));
            let _later = rustix::fs::unlinkat(directory, &name, AtFlags::REMOVEDIR);
        }
    }
}

/// Ends what is left of a group and removes its directories, waiting a bounded time for
/// members to die.
pub(super) fn remove(group: &Group) {
    let started = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    let gone = |part: &Part| {
        let removed = rustix::fs::unlinkat(&part.parent, &part.name, AtFlags::REMOVEDIR);
        matches!(removed, Ok(()) | Err(Errno::NOENT))
    };
    let mut left: Vec<&Part> = group.parts.iter().collect();
    loop {
        left.retain(|part| !gone(part));
        if left.is_empty() {
            return;
        }
        if started.elapsed() > LONGEST {
            tracing::warn!(
                group = group.name(),
                "a control group is left behind: a process in it does not die"
            );
            return;
        }
        group.kill();
        left.iter().for_each(|part| kill_members(part));
        std::thread::sleep(pause);
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// Kills by number: members a moment ago of a group that doorward made for nobody else.
fn kill_members(part: &Part) {
    let members = content(part.processes.as_fd()).unwrap_or_default();
    let numbers = members.lines().filter_map(|line| line.parse::<i32>().ok());
    for number in numbers.filter(|&number| number > 1) {
        let _gone = kill(Pid::from_raw(number), Signal::SIGKILL);
    }
}

fn entries(directory: BorrowedFd<'_>) -> Vec<String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(opened) = rustix::fs::openat(directory, ".", flags, Mode::empty()) else {
        return Vec::new();
    };
    let Ok(read) = Dir::read_from(opened) else {
        return Vec::new();
    };
    read.take(LOOKED_AT)
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_dead_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let own = label::new().unwrap();
        let mut parts: Vec<&str> = own.split('-').collect();
        parts[2] = "4000000000";
        let dead = parts.join("-");
        for name in [own.as_str(), &dead, "other"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        remove_stale(std::fs::File::open(directory.path()).unwrap());
        assert!(directory.path().join(&own).exists());
        assert!(directory.path().join("other").exists());
        assert!(!directory.path().join(&dead).exists());
    }
}
