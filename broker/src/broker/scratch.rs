//! The private directory behind /tmp, /var/tmp and /dev/shm.

use std::{
    fs::{DirBuilder, DirEntry},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use doorward_policy::Policy;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use super::{BrokerError, remains};
use crate::{limits::label, tenant::Tenant};

/// Entries looked at, and directories removed, at one start.
const LOOKED_AT: usize = 4096;
const REMOVED: usize = 4;

/// Made for one sandbox, removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch(Option<PathBuf>);

impl Scratch {
    /// Makes it if the policy has one: below `directory`, for its owner alone, who is the tenant
    /// if there is one.
    pub(super) fn make(
        policy: &Policy,
        directory: &Path,
        tenant: Option<Tenant>,
    ) -> Result<Self, BrokerError> {
        if policy.scratch.is_none() {
            return Ok(Self(None));
        }
        let failed = |source| BrokerError::Scratch {
            directory: directory.to_owned(),
            source,
        };
        let name = label::new().map_err(|errno| failed(errno.into()))?;
        let directory = std::fs::canonicalize(directory).map_err(failed)?;
        let path = directory.join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        let made = Self(Some(path.clone()));
        tenant
            .map_or(Ok(()), |tenant| tenant.own(&path))
            .map_err(failed)?;
        Ok(made)
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// Removes what keepers of the same user that were killed have left beside it.
    pub(super) fn remove_stale(&self) {
        if let Some(directory) = self.path().and_then(Path::parent) {
            remove_stale(directory);
        }
    }

    /// Pins it for the services.
    pub(super) fn open(&self) -> Result<Option<OwnedFd>, BrokerError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.0
            .as_ref()
            .map(|path| rustix::fs::open(path, flags, Mode::empty()))
            .transpose()
            .map_err(|errno: Errno| BrokerError::System("open the scratch directory", errno))
    }
}

/// Removes what was left below `directory`. Its other users may make names that look so: only
/// directories of this user are touched, and by root those of tenants; nothing is removed through
/// a link.
fn remove_stale(directory: &Path) {
    let own = rustix::process::geteuid().as_raw();
    let is_own = |user| user == own || (own == 0 && Tenant::is_one(user));
    let is_stale = |entry: &DirEntry| {
        entry.file_name().to_str().is_some_and(label::is_stale)
            && std::fs::symlink_metadata(entry.path())
                .is_ok_and(|status| status.is_dir() && is_own(status.uid()))
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let stale = entries.take(LOOKED_AT).flatten().filter(is_stale);
    for entry in stale.take(REMOVED) {
        let _later = remains::remove(&entry.path());
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = remains::remove(path)
        {
            tracing::warn!(%error, path = %path.display(), "the scratch directory is left behind");
        }
    }
}
