//! Trial of control groups: whether one can be made below our own, in which hierarchies.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::trial::errno;

/// The controllers whose groups can be made here: `v2: memory, pids; v1: cpu`.
pub(super) fn writable() -> Result<String, Errno> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(errno)?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").map_err(errno)?;
    let mut found = Vec::new();
    let mut refused = Errno::NOENT;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let Some(directory) = place(&mounts, controllers, path) else {
            continue;
        };
        match try_group(&directory) {
            Ok(()) => found.extend(named(controllers, &directory)),
            Err(errno) => refused = errno,
        }
    }
    if found.is_empty() {
        Err(refused)
    } else {
        Ok(found.join(", "))
    }
}

/// Those of use for limits, with the version of their hierarchy.
fn named(controllers: &str, directory: &Path) -> Vec<String> {
    const USED: [&str; 4] = ["memory", "pids", "cpu", "cpuacct"];
    if controllers.is_empty() {
        let offered = std::fs::read_to_string(directory.join("cgroup.controllers"));
        let offered = offered.unwrap_or_default();
        let used = offered
            .split_whitespace()
            .filter(|name| USED.contains(name));
        return std::iter::once("cgroup.kill")
            .filter(|_| directory.join("cgroup.kill").exists() || offered.contains("pids"))
            .chain(used)
            .map(|name| format!("v2 {name}"))
            .collect();
    }
    controllers
        .split(',')
        .filter(|name| USED.contains(name))
        .map(|name| format!("v1 {name}"))
        .collect()
}

/// Where our own group of a hierarchy is mounted.
fn place(mounts: &str, controllers: &str, path: &str) -> Option<PathBuf> {
    let mount = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut kind = right.split(' ');
        let (kind, options) = (kind.next()?, kind.nth(1)?);
        let fits = if controllers.is_empty() {
            kind == "cgroup2"
        } else {
            let mut options = options.split(',');
            kind == "cgroup"
                && controllers
                    .split(',')
                    .all(|one| options.any(|it| it == one))
        };
        let mut fields = left.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        fits.then(|| (root.to_owned(), point.to_owned()))
    })?;
    let below = path.strip_prefix(mount.0.trim_end_matches('/'))?;
    Some(Path::new(&mount.1).join(below.trim_start_matches('/')))
}

fn try_group(directory: &Path) -> Result<(), Errno> {
    let group = directory.join(format!("doorward-trial-{}", std::process::id()));
    std::fs::create_dir(&group).map_err(errno)?;
    std::fs::remove_dir(&group).map_err(errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 25 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:4 - cgroup2 cgroup2 rw
31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 /box /sys/fs/cgroup/memory rw shared:6 - cgroup cgroup rw,memory
";

    #[test]
    fn our_own_group_is_found_in_each_hierarchy() {
        let place = |controllers, path| place(MOUNTS, controllers, path);
        let some = |text: &str| Some(PathBuf::from(text));
        assert_eq!(place("", "/a/b"), some("/sys/fs/cgroup/unified/a/b"));
        assert_eq!(
            place("cpu,cpuacct", "/"),
            some("/sys/fs/cgroup/cpu,cpuacct/")
        );
        assert_eq!(place("memory", "/box/x"), some("/sys/fs/cgroup/memory/x"));
        assert_eq!(place("memory", "/elsewhere"), None);
        assert_eq!(place("pids", "/"), None);
    }
}
