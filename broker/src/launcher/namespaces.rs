//! Which namespaces a sandboxee has, or could have.

use super::View;

/// Namespaces found by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Namespaces {
    /// All of mount, pid, ipc, uts, network and cgroup can be had.
    pub(crate) available: bool,
    /// Only with a user namespace around them.
    pub(crate) user: bool,
}

impl Namespaces {
    /// Those of a view that was made, or not.
    pub(crate) fn of(view: Option<&View>) -> Self {
        Self {
            available: view.is_some(),
            user: view.is_none_or(View::has_user_namespace),
        }
    }
}
