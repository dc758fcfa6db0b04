//! A pool: workers that wait, and what becomes of them after a call.
//!
//! A worker that died, broke the protocol, was late or was given up never comes back.

mod backoff;
mod counters;
mod kept;
mod lease;
mod reuse;
mod state;

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{Answer, Backend, CallError, Nest, Request, StartError, Tainted, Terms, Zygote};
use crate::host::Sandbox;
use state::State;

pub use counters::Counters;
pub use kept::Kept;
pub use lease::Lease;
pub use reuse::Reuse;

/// How a pool is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upkeep {
    /// Most workers at a time, and the size of their arenas.
    pub nest: Nest,
    /// Workers that are forked in advance and wait.
    pub spare: u32,
    /// When a worker is used again.
    pub reuse: Reuse,
    /// How often an idempotent call is made again when the worker ended in the middle of it.
    pub retries: u32,
    /// How many inputs that ended a worker are kept for [`Pool::kept`].
    pub keep: usize,
}

impl Default for Upkeep {
    /// A fresh worker for every call, two of eight in advance; one retry; nothing is kept.
    fn default() -> Self {
        Self {
            nest: Nest::default(),
            spare: 2,
            reuse: Reuse::NEVER,
            retries: 1,
            keep: 0,
        }
    }
}

/// Makes the sandbox of the next zygote, where the one before died.
type Make = dyn Fn() -> Sandbox + Send + Sync;

/// A pool of workers of one policy. Its copies are one and the same pool; any thread may call
/// over one. Each call leases a worker, and gives it back.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    make: Box<Make>,
    upkeep: Upkeep,
    state: Mutex<State>,
    /// A worker came back, or a zygote was started.
    changed: Condvar,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("upkeep", &self.0.upkeep)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Starts the zygote of the sandbox that `make` makes, whose program is an entry, and forks
    /// what is to wait. `make` is called again when a zygote has died.
    ///
    /// # Errors
    /// [`StartError`]; then nothing was started.
    pub fn start(
        make: impl Fn() -> Sandbox + Send + Sync + 'static,
        upkeep: Upkeep,
    ) -> Result<Self, StartError> {
        let zygote = Zygote::start(make(), upkeep.nest)?;
        let pool = Self(Arc::new(Shared {
            make: Box::new(make),
            upkeep,
            state: Mutex::new(State::new(zygote)),
            changed: Condvar::new(),
        }));
        pool.0.top_up();
        Ok(pool)
    }

    /// A worker for several calls of one tenant, within this time.
    ///
    /// # Errors
    /// [`CallError::Start`] or [`CallError::Busy`].
    pub fn lease(&self, tenant: u64, within: Duration) -> Result<Lease, CallError> {
        let now = Instant::now();
        let until = now.checked_add(within).unwrap_or(now);
        self.0.lease(tenant, until).map(|worker| Lease {
            pool: Arc::clone(&self.0),
            tenant,
            worker: Some(worker),
        })
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.state().counters()
    }

    /// The inputs that ended workers, the latest last, as many as are kept; they are then
    /// no longer kept.
    #[must_use]
    pub fn kept(&self) -> Vec<Kept> {
        self.0.state().kept.take()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Pool {
    fn call<A: Serialize, R: DeserializeOwned>(
        &mut self,
        request: &Request<'_, A>,
        terms: &mut Terms<'_>,
    ) -> Result<Tainted<Answer<R>>, CallError> {
        let (until, whole) = (terms.until(), terms.deadline);
        let mut retries = 0;
        let result = loop {
            let left = until.saturating_duration_since(Instant::now());
            terms.deadline = left;
            let result = self.lease(terms.tenant, left).and_then(|mut lease| {
                // What is left now that there is a worker.
                terms.deadline = until.saturating_duration_since(Instant::now());
                lease.call(request, terms)
            });
            let again = request.idempotent && retries < self.0.upkeep.retries;
            if !again || !matches!(result, Err(CallError::Died(_))) {
                break result;
            }
            retries = retries.saturating_add(1);
            self.0.state().counters.retried();
        };
        terms.deadline = whole;
        result
    }
}
