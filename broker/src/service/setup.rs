//! What the services of one sandbox are made of.

use std::{os::fd::OwnedFd, sync::Arc};

use doorward_policy::Policy;
use rustix::io::Errno;

use super::Spawner;

/// What [`super::Services::new`] needs.
pub struct Setup {
    /// What is decided by.
    pub policy: Arc<Policy>,
    /// The private directory behind the scratch names, if the policy has `fs.scratch`.
    pub scratch: Option<OwnedFd>,
    /// Whether the sandboxee lives in a view.
    pub view: bool,
    /// Whether the broker makes network sockets.
    pub network: bool,
    /// Whether only the broker's own user and group exist in the sandboxee's user
    /// namespace, so that others show as 65534 there.
    pub map_foreign_ids: bool,
    /// Who starts programs for typed spawns.
    pub spawn: Option<Box<dyn Spawner + Send + Sync>>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Setup")
            .field("policy", &self.policy.name)
            .field("scratch", &self.scratch)
            .field("view", &self.view)
            .field("network", &self.network)
            .field("map_foreign_ids", &self.map_foreign_ids)
            .field("spawn", &self.spawn.is_some())
            .finish()
    }
}

/// Why the services of a sandbox could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// /proc could not be opened.
    #[error(
        "cannot open /proc/self/fd, which the broker opens files through; mount procfs on /proc"
    )]
    Proc(#[source] Errno),
    /// The root directory could not be pinned.
    #[error("cannot pin the root directory")]
    Root(#[source] Errno),
    /// The scratch directory could not be pinned.
    #[error("cannot pin the scratch directory; give a directory opened for reading or with O_PATH")]
    Scratch(#[source] Errno),
}
