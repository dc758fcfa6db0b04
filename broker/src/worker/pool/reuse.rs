//! When a worker is used again.

use std::time::Duration;

use super::super::Worker;

/// What becomes of a worker that did its call well. One that died, broke the protocol, was late
/// or was given up is never used again, whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reuse {
    /// Calls that one worker does; 1 is a fresh worker for every call.
    pub calls: u64,
    /// How old it may become.
    pub age: Option<Duration>,
    /// How many bytes of memory it may have resident after a call.
    pub memory: Option<u64>,
    /// Whether it serves calls of one tenant alone ([`Terms::tenant`](super::super::Terms::tenant)).
    pub per_tenant: bool,
}

impl Reuse {
    /// A fresh worker for every call: what one call did to it reaches no other.
    pub const NEVER: Self = Self {
        calls: 1,
        age: None,
        memory: None,
        per_tenant: false,
    };

    /// So many calls of one tenant.
    #[must_use]
    pub const fn calls(calls: u64) -> Self {
        Self {
            calls,
            per_tenant: true,
            ..Self::NEVER
        }
    }

    /// Why a worker is not used again; none if it is.
    pub(super) fn ends(&self, worker: &Worker) -> Option<Retired> {
        if worker.calls() >= self.calls {
            return Some(Retired::Calls);
        }
        if self.age.is_some_and(|age| worker.age() >= age) {
            return Some(Retired::Age);
        }
        // One whose memory cannot be told is not kept.
        let large = |most: u64| worker.memory().is_none_or(|bytes| bytes > most);
        self.memory.is_some_and(large).then_some(Retired::Memory)
    }
}

/// By what a worker that is well was retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retired {
    Calls,
    Age,
    Memory,
    /// Its place was needed for another tenant.
    Tenant,
    /// It died, or said something, while nobody called it.
    Idle,
}
