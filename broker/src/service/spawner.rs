//! Who starts programs for typed spawns: the launcher's side of the broker.

use std::{os::fd::OwnedFd, time::Duration};

use doorward_policy::AbsName;
use rustix::io::Errno;

/// Starts programs that the policy allowed, under the same lock-down as the sandboxee.
pub trait Spawner {
    /// Starts `program`, which is pinned, with these arguments after its name, under the
    /// policy of this name if that is another than the asker's. The number it answers with is
    /// the sandboxee's word for the process, not a process id.
    ///
    /// # Errors
    /// `EAGAIN` when the policy's limit of processes is reached, or what starting it met.
    fn start(
        &self,
        program: &AbsName,
        pin: OwnedFd,
        arguments: &[&[u8]],
        policy: Option<&str>,
    ) -> Result<u32, Errno>;

    /// Waits for a started program to end, at most `limit`: its wait status once it has.
    ///
    /// # Errors
    /// `ECHILD` for a number that [`Spawner::start`] did not give.
    fn wait(&self, process: u32, limit: Duration) -> Result<Option<i32>, Errno>;
}
