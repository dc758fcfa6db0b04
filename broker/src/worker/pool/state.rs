//! The workers of a pool, and who gets which.

use std::time::{Duration, Instant};

use super::{
    super::{CallError, StartError, Worker, Zygote},
    Counters, Kept, Shared,
    backoff::Backoff,
    kept::Latest,
    reuse::Retired,
};

/// A worker that waits.
#[derive(Debug)]
struct Idle {
    worker: Worker,
    /// Whom it served; none if it is fresh.
    tenant: Option<u64>,
}

#[derive(Debug)]
pub(super) struct State {
    /// None while another is started.
    zygote: Option<Zygote>,
    /// Somebody starts one.
    starting: bool,
    idle: Vec<Idle>,
    /// Workers that somebody has or is about to have.
    leased: u32,
    pub(super) counters: Counters,
    pub(super) kept: Latest,
    /// By tenant.
    backoff: Backoff,
    /// Zygotes that died, all under one number.
    zygotes: Backoff,
}

/// What a lease does next.
enum Next {
    Have(Worker),
    Fork(Zygote),
    Start,
    Wait(Duration),
}

/// How long one wait for a worker lasts before it looks again.
const LOOK: Duration = Duration::from_millis(100);

impl State {
    pub(super) fn new(zygote: Zygote) -> Self {
        let mut counters = Counters::default();
        counters.started();
        Self {
            zygote: Some(zygote),
            starting: false,
            idle: Vec::new(),
            leased: 0,
            counters,
            kept: Latest::default(),
            backoff: Backoff::default(),
            zygotes: Backoff::default(),
        }
    }

    pub(super) fn counters(&self) -> Counters {
        Counters {
            idle: u64::try_from(self.idle.len()).unwrap_or(u64::MAX),
            leased: u64::from(self.leased),
            ..self.counters
        }
    }

    fn workers(&self) -> u32 {
        let idle = u32::try_from(self.idle.len()).unwrap_or(u32::MAX);
        self.leased.saturating_add(idle)
    }

    /// One that waits for this tenant: its own first, then a fresh one.
    fn waiting(&mut self, tenant: u64, per_tenant: bool) -> Option<Worker> {
        loop {
            let own = |idle: &Idle| idle.tenant == Some(tenant);
            let fresh = |idle: &Idle| idle.tenant.is_none() || !per_tenant;
            let found = self.idle.iter().position(own);
            let found = found.or_else(|| self.idle.iter().position(fresh))?;
            let mut idle = self.idle.swap_remove(found);
            if idle.worker.is_well() {
                return Some(idle.worker);
            }
            self.counters.retired(Retired::Idle);
        }
    }

    fn next(&mut self, tenant: u64, per_tenant: bool, places: u32) -> Next {
        if let Some(worker) = self.waiting(tenant, per_tenant) {
            self.leased = self.leased.saturating_add(1);
            self.counters.leased(true);
            return Next::Have(worker);
        }
        if self.starting {
            return Next::Wait(LOOK);
        }
        let Some(zygote) = &self.zygote else {
            let wait = self.zygotes.wait(0, Instant::now());
            if !wait.is_zero() {
                return Next::Wait(wait);
            }
            self.starting = true;
            return Next::Start;
        };
        let zygote = zygote.clone();
        if self.workers() >= places {
            // A worker that waits for another tenant makes place.
            if self.idle.pop().is_none() {
                return Next::Wait(LOOK);
            }
            self.counters.retired(Retired::Tenant);
        }
        self.leased = self.leased.saturating_add(1);
        Next::Fork(zygote)
    }
}

impl Shared {
    /// A worker for this tenant, at the latest then.
    pub(super) fn lease(&self, tenant: u64, until: Instant) -> Result<Worker, CallError> {
        self.throttle(tenant, until)?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.state().counters.went_without();
                return Err(CallError::Busy);
            }
            let (reuse, places) = (self.upkeep.reuse, self.upkeep.nest.places);
            let next = self.state().next(tenant, reuse.per_tenant, places);
            match next {
                Next::Have(worker) => return Ok(worker),
                Next::Fork(zygote) => {
                    if let Some(worker) = self.fork(&zygote) {
                        self.state().counters.leased(false);
                        return Ok(worker);
                    }
                }
                Next::Start => self.restart()?,
                Next::Wait(most) => {
                    let _woken = self.changed.wait_timeout(self.state(), left.min(most));
                }
            }
        }
    }

    /// Lets a tenant wait whose workers keep dying.
    fn throttle(&self, tenant: u64, until: Instant) -> Result<(), CallError> {
        let now = Instant::now();
        let mut state = self.state();
        let wait = state.backoff.wait(tenant, now);
        if wait.is_zero() {
            return Ok(());
        }
        state.counters.throttled();
        drop(state);
        if wait > until.saturating_duration_since(now) {
            return Err(CallError::CrashLoop(wait));
        }
        std::thread::sleep(wait);
        Ok(())
    }

    /// Forks a worker for one that is counted already; none where the zygote is gone.
    fn fork(&self, zygote: &Zygote) -> Option<Worker> {
        let forked = zygote.fork();
        let mut state = self.state();
        match forked {
            Ok(worker) => {
                state.counters.forked();
                Some(worker)
            }
            Err(error) => {
                state.leased = state.leased.saturating_sub(1);
                if let StartError::Gone(_) = error {
                    state.zygote = None;
                    state.idle.clear();
                    state.zygotes.died(0, Instant::now());
                }
                tracing::warn!(%error, "no worker can be forked");
                None
            }
        }
    }

    fn restart(&self) -> Result<(), CallError> {
        let started = Zygote::start((self.make)(), self.upkeep.nest);
        let mut state = self.state();
        state.starting = false;
        self.changed.notify_all();
        match started {
            Ok(zygote) => {
                state.zygote = Some(zygote);
                state.counters.started();
                Ok(())
            }
            Err(error) => {
                state.zygotes.died(0, Instant::now());
                Err(CallError::Start(crate::host::told(&error)))
            }
        }
    }

    /// Counts a call, and keeps what ended a worker.
    pub(super) fn called(&self, tenant: u64, error: Option<&CallError>, kept: Option<Kept>) {
        let mut state = self.state();
        state.counters.called(error);
        match error {
            None => {
                state.backoff.went_well(tenant);
                state.zygotes.went_well(0);
            }
            Some(error) if error.blames_the_worker() => {
                state.backoff.died(tenant, Instant::now());
            }
            Some(_) => {}
        }
        if let Some(kept) = kept {
            state.kept.keep(kept, self.upkeep.keep);
        }
    }

    /// Takes a worker back that is as it should be; ends any other.
    pub(super) fn give_back(&self, tenant: u64, mut worker: Worker) {
        let ended = match worker.is_over() {
            true => None,
            false if worker.is_well() => self.upkeep.reuse.ends(&worker),
            false => Some(Retired::Idle),
        };
        let mut state = self.state();
        state.leased = state.leased.saturating_sub(1);
        match ended {
            Some(by) => state.counters.retired(by),
            None if worker.is_over() => {}
            None => {
                let tenant = Some(tenant);
                state.idle.push(Idle { worker, tenant });
                drop(state);
                self.changed.notify_one();
                return;
            }
        }
        drop(state);
        drop(worker);
        self.changed.notify_one();
        self.top_up();
    }

    /// Forks what is to wait.
    pub(super) fn top_up(&self) {
        let places = self.upkeep.nest.places;
        let spare = usize::try_from(self.upkeep.spare).unwrap_or(usize::MAX);
        loop {
            let mut state = self.state();
            let fresh = state.idle.iter().filter(|idle| idle.tenant.is_none());
            if fresh.count() >= spare || state.workers() >= places {
                return;
            }
            let Some(zygote) = state.zygote.clone() else {
                return;
            };
            state.leased = state.leased.saturating_add(1);
            drop(state);
            let Some(worker) = self.fork(&zygote) else {
                return;
            };
            let mut state = self.state();
            state.leased = state.leased.saturating_sub(1);
            let idle = Idle {
                worker,
                tenant: None,
            };
            state.idle.push(idle);
            drop(state);
            self.changed.notify_one();
        }
    }
}
