//! The slots of a process: each claimed by one operation at a time, without a lock.
//!
//! The table lies in memory that a fork wipes, and all zero is an empty one. An operation that
//! is interrupted by a signal keeps its slot; what the signal's handler asks takes another.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, Ordering};

use super::slot::Slot;

/// Operations of a process that may be under way at a time without making what they need anew.
pub(super) const SLOTS: usize = 64;

/// Whose the slots are. Free is 0, as in a table that was wiped.
#[derive(Debug)]
pub(super) struct Claims<const N: usize>([AtomicU32; N]);

impl<const N: usize> Claims<N> {
    #[cfg(any(test, loom))]
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }

    /// Claims a free one; its place, or none where all are taken.
    pub(super) fn claim(&self) -> Option<usize> {
        self.0.iter().position(|claim| {
            claim
                .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        })
    }

    /// Those that are taken, a bit each.
    pub(super) fn taken(&self) -> u64 {
        let bits = self.0.iter().zip(0_u32..);
        bits.filter(|(claim, _)| claim.load(Ordering::Relaxed) != 0)
            .fold(0, |taken, (_, place)| taken | 1_u64.unbounded_shl(place))
    }

    /// Takes those again that were taken when this process was forked.
    pub(super) fn retake(&self, taken: u64) {
        for (claim, place) in self.0.iter().zip(0_u32..) {
            if taken & 1_u64.unbounded_shl(place) != 0 {
                claim.store(1, Ordering::Relaxed);
            }
        }
    }

    /// Gives back a claimed one: who claims it next sees all that was done to it.
    pub(super) fn release(&self, place: usize) {
        if let Some(claim) = self.0.get(place) {
            claim.store(0, Ordering::Release);
        }
    }
}

/// The table of a process.
#[derive(Debug)]
pub(super) struct Table {
    /// The process that it belongs to; 0 in a child that has not taken it yet.
    pub(super) process: AtomicU32,
    pub(super) claims: Claims<SLOTS>,
    pub(super) slots: [Slot; SLOTS],
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Claims;

    #[test]
    fn claims_are_exclusive_until_they_are_released() {
        let claims = Claims::<2>::new();
        assert_eq!(claims.claim(), Some(0));
        assert_eq!(claims.claim(), Some(1));
        assert_eq!(claims.claim(), None);
        claims.release(0);
        assert_eq!(claims.claim(), Some(0));
    }

    #[test]
    fn what_was_taken_at_a_fork_is_taken_in_the_child() {
        let parent = Claims::<4>::new();
        assert_eq!(parent.taken(), 0);
        for _ in 0..3 {
            parent.claim().unwrap();
        }
        parent.release(1);
        assert_eq!(parent.taken(), 0b101);
        let wiped = Claims::<4>::new();
        wiped.retake(parent.taken());
        assert_eq!(wiped.claim(), Some(1));
        wiped.release(0);
        assert_eq!(wiped.claim(), Some(0));
    }
}
