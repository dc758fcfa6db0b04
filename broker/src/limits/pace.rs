//! `requests_per_second`: when the next request may be taken. No clock of its own.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// What may be taken at once after a rest: a tenth of a second's worth.
const BURST: Duration = Duration::from_millis(100);

/// The pace of one sandbox, shared by its fronts.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the requests taken so far are paid for.
    paid: Mutex<Option<Instant>>,
}

impl Pace {
    /// Takes one request of so many a second; how long to wait before it is served.
    pub(crate) fn take(&self, rate: u32, now: Instant) -> Duration {
        let interval = Duration::from_secs(1).checked_div(rate);
        let Ok(mut paid) = self.paid.lock() else {
            return Duration::ZERO;
        };
        let from = paid.map_or(now, |paid| paid.max(now));
        *paid = from.checked_add(interval.unwrap_or_default());
        from.saturating_duration_since(now).saturating_sub(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let pace = Pace::default();
        let start = Instant::now();
        let mut now = start;
        for _ in 0..300 {
            now += pace.take(100, now);
        }
        let taken = now - start;
        assert!(taken >= Duration::from_millis(2880), "{taken:?}");
        assert!(taken <= Duration::from_millis(3000), "{taken:?}");
    }

    #[test]
    fn rest_is_not_saved_beyond_the_burst() {
        let pace = Pace::default();
        let start = Instant::now();
        assert_eq!(pace.take(100, start), Duration::ZERO);
        let later = start + Duration::from_secs(60);
        let waited: Duration = (0..20).map(|_| pace.take(100, later)).max().unwrap();
        assert!(waited >= Duration::from_millis(80), "{waited:?}");
    }

    #[test]
    fn within_the_rate_nothing_waits() {
        let pace = Pace::default();
        let start = Instant::now();
        for step in 0..1000 {
            assert_eq!(
                pace.take(1000, start + Duration::from_millis(step)),
                Duration::ZERO
            );
        }
    }
}
