//! Who doorward runs as.

use serde::{Deserialize, Serialize};

use crate::launcher::Namespaces;

/// Who doorward runs as, found by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Root, with namespaces.
    Root,
    /// An ordinary user who may make user namespaces.
    User,
    /// An ordinary user who may not.
    UserNoNs,
    /// Inside an outer filter or container that refuses namespaces even to root.
    Nested,
}

impl Level {
    /// The level at which these namespaces were found.
    #[must_use]
    pub(crate) fn of(namespaces: Namespaces) -> Self {
        let root = rustix::process::geteuid().is_root();
        match (namespaces.available, namespaces.user) {
            (true, false) => Self::Root,
            (true, true) if root => Self::Nested,
            (true, true) => Self::User,
            (false, _) if root || is_filtered() => Self::Nested,
            (false, _) => Self::UserNoNs,
        }
    }

    /// Its name in messages and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
            Self::UserNoNs => "user-no-ns",
            Self::Nested => "nested",
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Whether this process runs under a system-call filter of somebody else.
fn is_filtered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .filter_map(|line| line.strip_prefix("Seccomp:"))
        .any(|mode| mode.trim() == "2")
}
