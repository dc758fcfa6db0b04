//! What was served on lanes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::session::Violation;

/// Violations that are said one by one: their cause is the sandboxee, and it has 512 lanes.
const SAID: u64 = 3;

/// What was served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiReport {
    /// Requests received.
    pub served: u64,
    /// Lanes that there were.
    pub lanes: u64,
    /// Lanes ended for a violation, by its name.
    pub violations: BTreeMap<String, u64>,
}

impl ApiReport {
    /// Counts a violation, and says it if it is one of the first.
    pub(super) fn tell(&mut self, violation: &Violation) {
        if self.violated() < SAID {
            tracing::warn!(%violation, "a lane was ended");
        }
        let count = self
            .violations
            .entry(violation.name().to_owned())
            .or_default();
        *count = count.saturating_add(1);
    }

    /// How many lanes were ended for a violation.
    fn violated(&self) -> u64 {
        let counts = self.violations.values();
        counts.fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Says how many violations were counted, and not said one by one.
    pub(super) fn tell_rest(&self) {
        let rest = self.violated().saturating_sub(SAID);
        if rest > 0 {
            tracing::warn!(count = rest, "further lanes were ended");
        }
    }

    /// Adds what was served elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        self.served = self.served.saturating_add(other.served);
        self.lanes = self.lanes.saturating_add(other.lanes);
        for (violation, count) in other.violations {
            let sum = self.violations.entry(violation).or_default();
            *sum = sum.saturating_add(count);
        }
    }
}
