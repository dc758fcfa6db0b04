//! Whom a pool lets wait because workers keep dying.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Deaths one after the other for which nobody waits.
const FREE: u32 = 3;
/// The first wait; each further death doubles it.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);
/// Tenants that are remembered; beyond them the longest ago is forgotten.
const TENANTS: usize = 1024;

/// Deaths one after the other, by tenant. Reads no clock itself.
#[derive(Debug, Default)]
pub(super) struct Backoff(BTreeMap<u64, Row>);

#[derive(Debug, Clone, Copy)]
struct Row {
    deaths: u32,
    until: Instant,
}

impl Backoff {
    /// A worker died for this tenant.
    pub(super) fn died(&mut self, tenant: u64, now: Instant) {
        let row = self.0.entry(tenant).or_insert(Row {
            deaths: 0,
            until: now,
        });
        row.deaths = row.deaths.saturating_add(1);
        if let Some(beyond) = row.deaths.checked_sub(FREE) {
            let factor = 1_u32.checked_shl(beyond).unwrap_or(u32::MAX);
            let wait = FIRST.saturating_mul(factor).min(LONGEST);
            row.until = now.checked_add(wait).unwrap_or(now);
        }
        if self.0.len() > TENANTS {
            let oldest = self.0.iter().min_by_key(|(_, row)| row.until);
            if let Some(oldest) = oldest.map(|(tenant, _)| *tenant) {
                self.0.remove(&oldest);
            }
        }
    }

    /// A call of this tenant went well.
    pub(super) fn went_well(&mut self, tenant: u64) {
        self.0.remove(&tenant);
    }

    /// How long this tenant waits from now.
    pub(super) fn wait(&self, tenant: u64, now: Instant) -> Duration {
        let row = self.0.get(&tenant);
        row.map_or(Duration::ZERO, |row| {
            row.until.saturating_duration_since(now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_deaths_to_a_bound_and_end_with_a_success() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..64 {
            backoff.died(1, now);
            waits.push(backoff.wait(1, now));
        }
        assert_eq!(waits[..2], [Duration::ZERO; 2]);
        assert_eq!(waits[2..5], [1, 2, 4].map(|factor| FIRST * factor));
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&LONGEST));
        assert_eq!(backoff.wait(2, now), Duration::ZERO);
        backoff.went_well(1);
        assert_eq!(backoff.wait(1, now), Duration::ZERO);
    }

    #[test]
    fn a_crowd_of_tenants_is_not_remembered_for_ever() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for tenant in 0..10_000 {
            backoff.died(tenant, now);
        }
        assert_eq!(backoff.0.len(), TENANTS);
    }
}
