//! What a pool counts.

use super::{super::CallError, reuse::Retired};

/// What happened in a pool since it was made; `idle` and `leased` are how it is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Workers that wait to be called.
    pub idle: u64,
    /// Workers that somebody has.
    pub leased: u64,
    /// Zygotes started: more than one says that one died.
    pub zygotes: u64,
    /// Workers forked.
    pub forks: u64,
    /// Leases of a worker that waited.
    pub warm: u64,
    /// Leases of a worker that had to be forked first.
    pub cold: u64,
    /// Calls made, those made again among them.
    pub calls: u64,
    /// Calls that gave a result.
    pub done: u64,
    /// Calls in which the worker ended.
    pub died: u64,
    /// Calls in which it broke the protocol.
    pub breaches: u64,
    /// Calls without a reply in time.
    pub late: u64,
    /// Calls that the host gave up.
    pub cancelled: u64,
    /// Calls that could not be made as they were asked; the worker was spared.
    pub refused: u64,
    /// Calls made again with another worker.
    pub retries: u64,
    /// Workers retired after as many calls as they may do.
    pub retired_by_calls: u64,
    /// Workers retired for their age.
    pub retired_by_age: u64,
    /// Workers retired for their memory.
    pub retired_by_memory: u64,
    /// Workers retired to make place for another tenant's.
    pub retired_by_tenant: u64,
    /// Workers that ended, or said something, while nobody called them.
    pub ended_idle: u64,
    /// Leases that waited because workers of that tenant, or zygotes, kept dying.
    pub throttled: u64,
    /// Leases that got no worker in time.
    pub without: u64,
}

fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}

impl Counters {
    pub(super) fn called(&mut self, error: Option<&CallError>) {
        add(&mut self.calls);
        add(match error {
            None => &mut self.done,
            Some(CallError::Died(_)) => &mut self.died,
            Some(CallError::Breach(_)) => &mut self.breaches,
            Some(CallError::Late) => &mut self.late,
            Some(CallError::Cancelled) => &mut self.cancelled,
            Some(_) => &mut self.refused,
        });
    }

    pub(super) fn retired(&mut self, by: Retired) {
        add(match by {
            Retired::Calls => &mut self.retired_by_calls,
            Retired::Age => &mut self.retired_by_age,
            Retired::Memory => &mut self.retired_by_memory,
            Retired::Tenant => &mut self.retired_by_tenant,
            Retired::Idle => &mut self.ended_idle,
        });
    }

    pub(super) fn leased(&mut self, warm: bool) {
        add(if warm { &mut self.warm } else { &mut self.cold });
    }

    pub(super) fn forked(&mut self) {
        add(&mut self.forks);
    }

    pub(super) fn started(&mut self) {
        add(&mut self.zygotes);
    }

    pub(super) fn retried(&mut self) {
        add(&mut self.retries);
    }

    pub(super) fn throttled(&mut self) {
        add(&mut self.throttled);
    }

    pub(super) fn went_without(&mut self) {
        add(&mut self.without);
    }
}
