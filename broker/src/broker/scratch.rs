//! The private directory behind /tmp and /var/tmp.

use std::{
    fs::DirBuilder,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
};

use doorward_policy::Policy;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use super::BrokerError;

/// Made for one sandbox, removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch(Option<PathBuf>);

impl Scratch {
    /// Makes it if the policy has one: below `directory`, for its owner alone.
    pub(super) fn make(policy: &Policy, directory: &Path) -> Result<Self, BrokerError> {
        if policy.scratch.is_none() {
            return Ok(Self(None));
        }
        let mut bytes = [0_u8; 16];
        let failed = |source| BrokerError::Scratch {
            directory: directory.to_owned(),
            source,
        };
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
            .map_err(|errno| failed(errno.into()))?;
        let name = format!("doorward-{:032x}", u128::from_ne_bytes(bytes));
        let path = std::fs::canonicalize(directory).map_err(failed)?.join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        Ok(Self(Some(path)))
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.0.as_deref()
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

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = std::fs::remove_dir_all(path)
        {
            tracing::warn!(%error, path = %path.display(), "the scratch directory is left behind");
        }
    }
}
