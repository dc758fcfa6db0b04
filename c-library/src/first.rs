//! The lane that was left for this program, by which all others are got.

use std::{
    os::fd::OwnedFd,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use doorward_sandboxee::{Client, ClientError};
use rustix::io::Errno;

/// The process that took it; 0 before.
static OWNER: AtomicU32 = AtomicU32::new(0);
static FIRST: Mutex<Option<Client>> = Mutex::new(None);

/// A further lane.
///
/// # Errors
/// `ECHILD` in a process that was forked from the one that took the lane: what is answered on
/// it could be the other's. Else as [`Client::from_environment`] and [`Client::another_lane`].
pub(crate) fn another_lane() -> Result<OwnedFd, ClientError> {
    let own = std::process::id();
    let owner = OWNER.compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire);
    if owner.is_err_and(|owner| owner != own) {
        return Err(ClientError::Errno(Errno::CHILD));
    }
    let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *first {
        Some(client) => client.another_lane(),
        none => none.insert(Client::from_environment()?).another_lane(),
    }
}
