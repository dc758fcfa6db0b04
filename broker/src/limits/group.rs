//! The control group of one sandbox: a directory in each hierarchy that holds one of its limits.
//!
//! What must be reached later is opened here, while paths of the control-group file
//! system can still be opened: the launcher and the broker are confined afterwards.

use std::{
    fs::{DirBuilder, File},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::DirBuilderExt,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use super::{
    hierarchy::{self, Hierarchy},
    janitor, label,
};

/// Groups above its own in which a group is tried to be made.
const LEVELS: usize = 16;
/// The period by which processor shares are given, in microseconds.
const PERIOD: u64 = 100_000;
/// Longest file of a group that is read.
const LONGEST: usize = 4096;

/// What a group is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    /// Bytes of memory.
    pub(super) memory: Option<u64>,
    /// Processes and threads.
    pub(super) processes: Option<u64>,
    /// Percent of one processor.
    pub(super) cpu_share: Option<u32>,
    /// Counting processor time.
    pub(super) cpu: bool,
    /// Killing all of it at once.
    pub(super) kill: bool,
}

impl Wanted {
    fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// By which version of control groups a limit is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// The hierarchy of one controller.
    V1,
    /// The unified hierarchy.
    V2,
}

/// Which version holds what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Controllers {
    /// Memory.
    pub(crate) memory: Option<Version>,
    /// Processes and threads.
    pub(crate) processes: Option<Version>,
    /// The share of processor time.
    pub(crate) cpu_share: Option<Version>,
    /// The count of processor time.
    pub(crate) cpu: Option<Version>,
    /// Killing the group at once.
    pub(crate) kill: Option<Version>,
}

/// A directory of the group in one hierarchy.
#[derive(Debug)]
pub(super) struct Part {
    /// The directory it was made in, and its name there.
    pub(super) parent: OwnedFd,
    /// Its name.
    pub(super) name: String,
    /// Taking part: a process that writes "0" here joins.
    pub(super) processes: File,
}

/// The group. [`janitor::remove`] removes it.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) parts: Vec<Part>,
    kill: Option<File>,
    held: Controllers,
    kills: Option<File>,
    time: Option<(File, Version)>,
    /// The most memory there ever was.
    peak: Option<File>,
    /// Members that were refused.
    refusals: Option<File>,
}

impl Group {
    /// Makes it, with what can be had of what is wanted; `None` if that is nothing.
    pub(super) fn make(mut wanted: Wanted) -> Result<Option<Self>, Errno> {
        if wanted.is_nothing() {
            return Ok(None);
        }
        let (all, name) = (hierarchy::all(), label::new()?);
        let mut group = Self::default();
        for unified in [true, false] {
            for one in all.iter().filter(|one| one.is_unified() == unified) {
                group.extend(one, &name, &mut wanted);
            }
        }
        Ok((!group.parts.is_empty()).then_some(group))
    }

    /// What it holds.
    pub(super) fn held(&self) -> Controllers {
        self.held
    }

    /// Its name in each hierarchy.
    pub(super) fn name(&self) -> &str {
        self.parts.first().map_or("", |part| &part.name)
    }

    /// Kills all members at once, where the kernel can.
    pub(super) fn kill(&self) {
        if let Some(kill) = &self.kill {
            let _killed = rustix::io::write(kill, b"1");
        }
    }

    /// Makes this process a member. For the launcher's child, before it runs anything untrusted.
    pub(super) fn join(&self) -> Result<(), Errno> {
        for part in &self.parts {
            rustix::io::write(&part.processes, b"0")?;
        }
        Ok(())
    }

    /// What [`Group::join`] needs to stay open.
    pub(super) fn entrances(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.parts.iter().map(|part| part.processes.as_fd())
    }

    /// How many members were killed because the group had no memory left.
    pub(super) fn killed_for_memory(&self) -> u64 {
        let text = self.kills.as_ref().and_then(|file| content(file.as_fd()));
        text.and_then(|text| field(&text, "oom_kill")).unwrap_or(0)
    }

    /// The most bytes of memory that its members had at a time; `None` if that is not counted.
    pub(super) fn most_memory(&self) -> Option<u64> {
        content(self.peak.as_ref()?.as_fd())?.trim().parse().ok()
    }

    /// How many processes and threads it did not take; `None` if that is not counted.
    pub(super) fn forks_refused(&self) -> Option<u64> {
        field(&content(self.refusals.as_ref()?.as_fd())?, "max")
    }

    /// The processor time used by its members; `None` if that is not counted.
    pub(super) fn time_used(&self) -> Option<Duration> {
        let (file, version) = self.time.as_ref()?;
        let text = content(file.as_fd())?;
        match version {
            Version::V1 => text.trim().parse().ok().map(Duration::from_nanos),
            Version::V2 => field(&text, "usage_usec").map(Duration::from_micros),
        }
    }

    fn extend(&mut self, hierarchy: &Hierarchy, name: &str, wanted: &mut Wanted) {
        let useful = hierarchy.is_unified()
            || (wanted.memory.is_some() && hierarchy.has("memory"))
            || (wanted.processes.is_some() && hierarchy.has("pids"))
            || (wanted.cpu_share.is_some() && hierarchy.has("cpu"))
            || (wanted.cpu && hierarchy.has("cpuacct"));
        if !useful || wanted.is_nothing() {
            return;
        }
        let Some(place) = place(hierarchy, name, *wanted) else {
            return;
        };
        janitor::remove_stale(&place.parent);
        let before = *wanted;
        if hierarchy.is_unified() {
            self.set_unified(&place.path, wanted);
        } else {
            self.set_separate(&place.path, hierarchy, wanted);
        }
        let part = Part::open(&place, name);
        match part {
            Some(part) if before != *wanted => self.parts.push(part),
            _ => {
                *wanted = before;
                let _left =
                    rustix::fs::unlinkat(&place.parent, name, rustix::fs::AtFlags::REMOVEDIR);
            }
        }
    }

    fn set_unified(&mut self, path: &Path, wanted: &mut Wanted) {
        let version = Some(Version::V2);
        let quota = |share: u32| format!("{} {PERIOD}", quota(share));
        if let Some(bytes) = wanted.memory
            && set(path, "memory.max", bytes)
            && let Ok(events) = File::open(path.join("memory.events"))
        {
            // What is swapped out would not count; where there is no swap there is no such file.
            let _no_swap = set(path, "memory.swap.max", 0);
            (self.kills, self.held.memory) = (Some(events), version);
            // Since Linux 5.19.
            self.peak = File::open(path.join("memory.peak")).ok();
            wanted.memory = None;
        }
        if wanted
            .processes
            .is_some_and(|most| set(path, "pids.max", most))
        {
            self.held.processes = version;
            self.refusals = File::open(path.join("pids.events")).ok();
            wanted.processes = None;
        }
        if wanted
            .cpu_share
            .is_some_and(|share| set(path, "cpu.max", quota(share)))
        {
            self.held.cpu_share = version;
            wanted.cpu_share = None;
        }
        if wanted.cpu
            && let Ok(statistics) = File::open(path.join("cpu.stat"))
        {
            self.time = Some((statistics, Version::V2));
            self.held.cpu = version;
            wanted.cpu = false;
        }
        if wanted.kill
            && let Some(kill) = open_to_write(&path.join("cgroup.kill"))
        {
            (self.kill, self.held.kill) = (Some(kill), version);
            wanted.kill = false;
        }
    }

    fn set_separate(&mut self, path: &Path, hierarchy: &Hierarchy, wanted: &mut Wanted) {
        let version = Some(Version::V1);
        if hierarchy.has("memory")
            && let Some(bytes) = wanted.memory
            && set(path, "memory.limit_in_bytes", bytes)
            && let Ok(events) = File::open(path.join("memory.oom_control"))
        {
            let _no_swap = set(path, "memory.memsw.limit_in_bytes", bytes);
            (self.kills, self.held.memory) = (Some(events), version);
            self.peak = File::open(path.join("memory.max_usage_in_bytes")).ok();
            wanted.memory = None;
        }
        if hierarchy.has("pids")
            && wanted
                .processes
                .is_some_and(|most| set(path, "pids.max", most))
        {
            self.held.processes = version;
            self.refusals = File::open(path.join("pids.events")).ok();
            wanted.processes = None;
        }
        if hierarchy.has("cpu")
            && let Some(share) = wanted.cpu_share
            && set(path, "cpu.cfs_period_us", PERIOD)
            && set(path, "cpu.cfs_quota_us", quota(share))
        {
            self.held.cpu_share = version;
            wanted.cpu_share = None;
        }
        if hierarchy.has("cpuacct")
            && wanted.cpu
            && let Ok(usage) = File::open(path.join("cpuacct.usage"))
        {
            self.time = Some((usage, Version::V1));
            self.held.cpu = version;
            wanted.cpu = false;
        }
    }
}

/// Microseconds of each period; the kernel gives no less than a thousand.
fn quota(share: u32) -> u64 {
    u64::from(share).saturating_mul(PERIOD / 100).max(1000)
}

/// A directory that was just made.
struct Place {
    parent: OwnedFd,
    path: PathBuf,
}

/// Makes the directory: in version 1 in the own group; in version 2 in the nearest group
/// above that gives its children the controllers wanted, else in the nearest that lets it.
fn place(hierarchy: &Hierarchy, name: &str, wanted: Wanted) -> Option<Place> {
    let levels = if hierarchy.is_unified() { LEVELS } else { 1 };
    let above: Vec<&Path> = hierarchy
        .own
        .ancestors()
        .take_while(|path| path.starts_with(&hierarchy.mount))
        .take(levels)
        .collect();
    let gives = |path: &Path| {
        let text = std::fs::read_to_string(path.join("cgroup.subtree_control")).unwrap_or_default();
        let has = |controller| text.split_whitespace().any(|one| one == controller);
        (wanted.memory.is_none() || has("memory"))
            && (wanted.processes.is_none() || has("pids"))
            && (wanted.cpu_share.is_none() || has("cpu"))
    };
    let (full, partial): (Vec<&Path>, Vec<&Path>) = above
        .into_iter()
        .partition(|path| hierarchy.is_unified() && gives(path));
    full.into_iter().chain(partial).find_map(|parent| {
        let path = parent.join(name);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let pin = rustix::fs::open(parent, flags, Mode::empty()).ok()?;
        DirBuilder::new().mode(0o755).create(&path).ok()?;
        Some(Place { parent: pin, path })
    })
}

impl Part {
    fn open(place: &Place, name: &str) -> Option<Self> {
        Some(Self {
            parent: place.parent.try_clone().ok()?,
            name: name.to_owned(),
            processes: open_to_write(&place.path.join("cgroup.procs"))?,
        })
    }
}

fn open_to_write(path: &Path) -> Option<File> {
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .or_else(|_| File::options().write(true).open(path))
        .ok()
}

fn set(path: &Path, file: &str, value: impl ToString) -> bool {
    std::fs::write(path.join(file), value.to_string()).is_ok()
}

/// The whole of a small file of the kernel's.
pub(super) fn content(file: BorrowedFd<'_>) -> Option<String> {
    let mut bytes = vec![0_u8; LONGEST];
    let count = rustix::io::pread(file, &mut bytes, 0).ok()?;
    bytes.truncate(count);
    String::from_utf8(bytes).ok()
}

/// The number behind a word of a flat-keyed file.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
        .and_then(|value| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_word() {
        let text = "oom 3\noom_kill 2\noom_group_kill 0\n";
        assert_eq!(field(text, "oom_kill"), Some(2));
        assert_eq!(field(text, "oom"), Some(3));
        assert_eq!(field(text, "kill"), None);
        assert_eq!(field("oom_kill x", "oom_kill"), None);
    }

    #[test]
    fn shares_become_quotas() {
        assert_eq!(quota(50), 50_000);
        assert_eq!(quota(150), 150_000);
        assert_eq!(quota(0), 1000);
    }
}
