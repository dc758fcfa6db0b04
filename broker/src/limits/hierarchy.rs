//! Which control-group hierarchies there are, and where this process is in each.

use std::path::{Path, PathBuf};

/// A hierarchy that is mounted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where it is mounted.
    pub(super) mount: PathBuf,
    /// The directory of this process's own group.
    pub(super) own: PathBuf,
    /// The controllers of a version 1 hierarchy; `None` for version 2.
    pub(super) controllers: Option<Vec<String>>,
}

impl Hierarchy {
    /// Whether it is the unified one.
    pub(super) fn is_unified(&self) -> bool {
        self.controllers.is_none()
    }

    /// Whether it is a version 1 hierarchy with this controller.
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers
            .as_ref()
            .is_some_and(|all| all.iter().any(|one| one == controller))
    }
}

/// The hierarchies as the kernel tells them now; none where /proc does not.
pub(super) fn all() -> Vec<Hierarchy> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    parse(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
}

/// Of the texts of /proc/self/mountinfo and /proc/self/cgroup.
fn parse(mounts: &str, groups: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let mut before = before.split(' ').skip(3);
        let (Some(root), Some(mount)) = (before.next(), before.next()) else {
            continue;
        };
        let mut after = after.split(' ');
        let (kind, options) = (after.next(), after.nth(1).unwrap_or_default());
        let unified = match kind {
            Some("cgroup2") => true,
            Some("cgroup") => false,
            _ => continue,
        };
        // Names with blanks are escaped; nobody mounts hierarchies there.
        if mount.contains('\\') {
            continue;
        }
        let Some((controllers, path)) = group(groups, unified, options) else {
            continue;
        };
        let mount = PathBuf::from(mount);
        let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
        let own = mount.join(below.strip_prefix("/").unwrap_or(below));
        let one = Hierarchy {
            mount,
            own,
            controllers: (!unified).then_some(controllers),
        };
        if !found
            .iter()
            .any(|other| other.controllers == one.controllers)
        {
            found.push(one);
        }
    }
    found
}

/// The controllers and the path of this process's group in the hierarchy with these mount options.
fn group<'a>(groups: &'a str, unified: bool, options: &str) -> Option<(Vec<String>, &'a str)> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, names, path) = (parts.next()?, parts.next()?, parts.next()?);
        let this = if unified {
            number == "0" && names.is_empty()
        } else {
            let given = |name| options.split(',').any(|one| one == name);
            !names.is_empty() && names.split(',').all(given)
        };
        // A group outside this process's cgroup namespace has no name here.
        let named = path.starts_with('/') && !path.split('/').any(|part| part == "..");
        (this && named).then(|| (names.split(',').map(str::to_owned).collect(), path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_beside_each_other() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
             35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
             36 31 0:33 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let groups = "4:memory:/a/b\n2:cpu,cpuacct:/\n0::/user.slice/x\n";
        let all = parse(mounts, groups);
        let own: Vec<_> = all
            .iter()
            .map(|one| one.own.to_str().unwrap().trim_end_matches('/'))
            .collect();
        assert_eq!(
            own,
            [
                "/sys/fs/cgroup/memory/a/b",
                "/sys/fs/cgroup/cpu",
                "/sys/fs/cgroup/unified/user.slice/x"
            ]
        );
        assert!(all[0].has("memory") && !all[0].has("pids"));
        assert!(all[1].has("cpu") && all[1].has("cpuacct"));
        assert!(all[2].is_unified() && !all[2].has("memory"));
    }

    #[test]
    fn a_container_sees_its_part_of_the_tree() {
        let mounts = "9 8 0:1 /docker/c /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let own = |groups| parse(mounts, groups).first().map(|one| one.own.clone());
        assert_eq!(own("0::/docker/c/in"), Some("/sys/fs/cgroup/in".into()));
        assert_eq!(own("0::/docker/c"), Some("/sys/fs/cgroup".into()));
        assert_eq!(own("0::/../elsewhere"), None);
        assert_eq!(own(""), None);
    }

    #[test]
    fn what_makes_no_sense_is_no_hierarchy() {
        assert_eq!(parse("", ""), []);
        assert_eq!(parse("1 2 - \n - cgroup\nx", "::\n0:"), []);
    }
}
