//! The ways by which operations reach the broker. A front turns what arrives into
//! a [`doorward_protocol::Request`] and an [`crate::service::Asker`], and delivers the answer.

pub mod api;
pub mod notify;
mod process;
mod workers;

use std::{
    os::fd::BorrowedFd,
    sync::{Arc, Mutex, PoisonError},
};

use doorward_policy::AbsName;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{audit::Log, service::Services};

/// What the fronts of one sandbox share.
#[derive(Debug, Clone)]
pub struct Context {
    /// Decides and performs.
    pub services: Arc<Services>,
    /// Where each decision is recorded.
    pub audit: Arc<Log>,
    /// The program that a typed spawn is about to start, in the front that serves it.
    pub starting: Option<Arc<Starting>>,
    /// Whether the first lane is one that many processes share to get theirs, as for `trap`.
    pub rendezvous: bool,
}

impl Context {
    /// The same for a worker, which has restrictions of its own.
    pub(crate) fn of_worker(&self) -> Self {
        let services = self.services.of_worker();
        let audit = Log::clone(&self.audit).naming(Arc::clone(services.restrictions()));
        Self {
            services: Arc::new(services),
            audit: Arc::new(audit),
            ..self.clone()
        }
    }

    /// Takes one request of the sandbox's rate, and waits for its turn, or until `stop` is
    /// readable or hung up; whether it is.
    fn paced(&self, stop: BorrowedFd<'_>) -> Result<bool, Errno> {
        let pause = self.services.pause();
        if pause.is_zero() {
            return Ok(false);
        }
        let timeout = Timespec::try_from(pause).ok();
        let mut ready = [PollFd::from_borrowed_fd(stop, PollFlags::IN)];
        match poll(&mut ready, timeout.as_ref()) {
            Err(Errno::INTR) => Ok(false),
            other => other.map(|count| count > 0),
        }
    }
}

/// The name that the first exec of a spawned program asks for. It was judged together with
/// its arguments, so that one exec is not judged again; Landlock holds it to the object.
#[derive(Debug)]
pub struct Starting(Mutex<Option<AbsName>>);

impl Starting {
    /// Of this program.
    pub fn new(program: AbsName) -> Self {
        Self(Mutex::new(Some(program)))
    }

    /// Whether this exec is that one; true at most once, and only for the first exec.
    pub fn take(&self, program: &AbsName) -> bool {
        let mut name = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        name.take().as_ref() == Some(program)
    }
}
