//! An asker whose working directory is an entry of the model.

use std::os::fd::OwnedFd;

use doorward_protocol::Base;
use rustix::io::Errno;

use super::{Model, ModelPin};
use crate::service::{Asker, FileIdentity, Place};

/// An asker in a directory of the model.
pub(crate) struct ModelAsker<'a> {
    /// The file system.
    pub(super) model: &'a Model,
    /// Where it works.
    pub(super) directory: ModelPin,
}

impl Asker for ModelAsker<'_> {
    fn place(&self, _: Base) -> Result<Place, Errno> {
        let ModelPin { node, mount, .. } = self.directory;
        self.model.look(
            |tree| tree.told(node, mount),
            |state, name| {
                Ok(Place {
                    name,
                    identity: FileIdentity {
                        major: 0,
                        minor: 0,
                        inode: state.tree.inodes[node] as u64,
                    },
                })
            },
        )
    }

    fn umask(&self) -> Result<u32, Errno> {
        Ok(0o022)
    }

    fn process(&self) -> Result<u32, Errno> {
        Ok(2)
    }

    fn thread(&self) -> Result<u32, Errno> {
        Ok(2)
    }

    fn proc_directory(&self) -> Result<Option<OwnedFd>, Errno> {
        Ok(None)
    }

    fn descriptor(&self, _: i32) -> Result<OwnedFd, Errno> {
        Err(Errno::BADF)
    }

    fn credentials(&self) -> Result<(u32, u32), Errno> {
        Ok((0, 0))
    }

    fn interrupted(&self) -> Option<Errno> {
        Some(Errno::INTR)
    }
}
