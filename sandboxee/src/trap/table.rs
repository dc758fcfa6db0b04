//! The slots of a process: each claimed by one operation at a time, without a lock.
//!
//! The table lies in memory that a fork wipes, and all zero is an empty one. An operation that
//! is interrupted by a signal keeps its slot; what the signal's handler asks takes another.
//! A slot is marked with the thread that has it, since a fork keeps one thread alone.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, Ordering};

use super::{
    control::{Promise, holds},
    slot::Slot,
};

/// Operations of a process that may be under way at a time without making what they need anew.
pub(super) const SLOTS: usize = 64;
/// The same for processes that share its memory.
pub(super) const GUESTS: usize = 16;

/// Whose the slots are. Free is 0, as in a table that was wiped.
#[derive(Debug)]
pub(super) struct Claims<const N: usize>([AtomicU32; N]);

impl<const N: usize> Claims<N> {
    #[cfg(any(test, loom))]
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }

    /// Claims a free one for a thread; its place, or none where all are taken.
    pub(super) fn claim(&self, thread: u32) -> Option<usize> {
        if !holds(Promise::OwnSlot) {
            return Some(0);
        }
        (0..N).find(|place| self.claim_this(*place, thread))
    }

    /// Claims this one, if it is free.
    pub(super) fn claim_this(&self, place: usize, thread: u32) -> bool {
        self.take_over(place, 0, thread)
    }

    /// Those that a thread has, a bit each.
    pub(super) fn taken(&self, thread: u32) -> u64 {
        let bits = self.0.iter().zip(0_u32..);
        bits.filter(|(claim, _)| claim.load(Ordering::Relaxed) == thread)
            .fold(0, |taken, (_, place)| taken | 1_u64.unbounded_shl(place))
    }

    /// Takes those again that the thread had that forked this process.
    pub(super) fn retake(&self, taken: u64, thread: u32) {
        for (claim, place) in self.0.iter().zip(0_u32..) {
            if taken & 1_u64.unbounded_shl(place) != 0 {
                claim.store(thread, Ordering::Relaxed);
            }
        }
    }

    /// Who has each; 0 for nobody.
    pub(super) fn holders(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|claim| claim.load(Ordering::Relaxed))
    }

    /// Takes one over from somebody who will not touch it again.
    pub(super) fn take_over(&self, place: usize, from: u32, to: u32) -> bool {
        self.0.get(place).is_some_and(|claim| {
            claim
                .compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        })
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
    /// Whose the further slots are: processes to which the table does not belong.
    pub(super) guests: Claims<GUESTS>,
    pub(super) guest_slots: [Slot; GUESTS],
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Claims;

    #[test]
    fn claims_are_exclusive_until_they_are_released() {
        let claims = Claims::<2>::new();
        assert_eq!(claims.claim(7), Some(0));
        assert_eq!(claims.claim(7), Some(1));
        assert_eq!(claims.claim(8), None);
        claims.release(0);
        assert_eq!(claims.claim(8), Some(0));
    }

    #[test]
    fn one_alone_takes_over_what_another_has() {
        let claims = Claims::<2>::new();
        assert_eq!(claims.claim(7), Some(0));
        assert!(!claims.take_over(0, 9, 8));
        assert!(claims.take_over(0, 7, 8));
        assert!(!claims.take_over(0, 7, 9));
        assert_eq!(claims.holders().collect::<Vec<_>>(), [8, 0]);
    }

    #[test]
    fn what_a_thread_had_at_a_fork_is_taken_in_the_child_and_nothing_else() {
        let parent = Claims::<4>::new();
        assert_eq!(parent.taken(7), 0);
        for thread in [7, 7, 7, 8] {
            parent.claim(thread).unwrap();
        }
        parent.release(1);
        assert_eq!(parent.taken(7), 0b101);
        assert_eq!(parent.taken(8), 0b1000);
        let wiped = Claims::<4>::new();
        wiped.retake(parent.taken(7), 9);
        assert_eq!(wiped.taken(9), 0b101);
        assert_eq!(wiped.claim(9), Some(1));
        wiped.release(0);
        assert_eq!(wiped.claim(9), Some(0));
    }
}

/// Every order in which threads may claim and release: `.ci/loom`.
#[cfg(all(test, loom))]
mod orders {
    use loom::{cell::UnsafeCell, sync::Arc, thread};

    use super::{AtomicU32, Claims, Ordering};

    /// What a claim guards; loom sees whoever touches it beside another.
    struct Slots<C, const N: usize> {
        claims: C,
        kept: [UnsafeCell<u32>; N],
    }

    fn slots<C, const N: usize>(claims: C) -> Arc<Slots<C, N>> {
        let kept = std::array::from_fn(|_| UnsafeCell::new(0));
        Arc::new(Slots { claims, kept })
    }

    /// Uses a slot as an operation does: that nobody else does so meanwhile is what loom checks.
    fn touch(kept: &UnsafeCell<u32>) {
        kept.with_mut(|_| ());
    }

    /// An operation, whether it found a slot, and in its midst one of a signal's handler.
    fn operate<const N: usize>(slots: &Slots<Claims<N>, N>, thread: u32) -> u32 {
        let Some(place) = slots.claims.claim(thread) else {
            return 0;
        };
        touch(&slots.kept[place]);
        let nested = slots.claims.claim(thread).map_or(0, |inner| {
            assert_ne!(inner, place);
            touch(&slots.kept[inner]);
            slots.claims.release(inner);
            1
        });
        touch(&slots.kept[place]);
        slots.claims.release(place);
        nested + 1
    }

    #[test]
    fn no_slot_has_two_owners() {
        loom::model(|| {
            let slots = slots(Claims::<2>::new());
            let other = Arc::clone(&slots);
            let thread = thread::spawn(move || operate(&other, 2));
            let done = operate(&slots, 1) + thread.join().unwrap();
            // All may find the slots taken but one.
            assert!((1..=4).contains(&done));
            assert_eq!(slots.claims.taken(1) | slots.claims.taken(2), 0);
        });
    }

    #[test]
    fn three_threads_and_one_slot() {
        loom::model(|| {
            let slots = slots(Claims::<1>::new());
            let threads = [2, 3].map(|number| {
                let slots = Arc::clone(&slots);
                thread::spawn(move || operate(&slots, number))
            });
            let own = operate(&slots, 1);
            let others: u32 = threads.map(|thread| thread.join().unwrap()).iter().sum();
            assert!(own + others >= 1);
            assert_eq!(slots.claims.claim(1), Some(0));
        });
    }

    /// A thread that looks what it has, to fork, sees that and nothing of others.
    #[test]
    fn what_is_taken_is_a_threads_own() {
        loom::model(|| {
            let slots = slots(Claims::<2>::new());
            let other = Arc::clone(&slots);
            let thread = thread::spawn(move || operate(&other, 2));
            if let Some(place) = slots.claims.claim(1) {
                assert_eq!(slots.claims.taken(1), 1 << place);
                slots.claims.release(place);
            }
            assert_eq!(slots.claims.taken(1), 0);
            thread.join().unwrap();
        });
    }

    /// The control: claims that are looked at and then taken have two owners in some order.
    #[test]
    #[should_panic(expected = "Causality violation")]
    fn control_a_slot_that_is_looked_at_first_has_two_owners() {
        loom::model(|| {
            let slots = slots::<_, 1>(AtomicU32::new(0));
            let other = Arc::clone(&slots);
            let operate = |slots: &Slots<AtomicU32, 1>| {
                if slots.claims.load(Ordering::Acquire) == 0 {
                    slots.claims.store(1, Ordering::Release);
                    touch(&slots.kept[0]);
                    slots.claims.store(0, Ordering::Release);
                }
            };
            let thread = thread::spawn(move || operate(&other));
            operate(&slots);
            thread.join().unwrap();
        });
    }

    /// The control: a slot given back without an order has two owners in some.
    #[test]
    #[should_panic(expected = "Causality violation")]
    fn control_a_slot_that_is_given_back_out_of_order_has_two_owners() {
        loom::model(|| {
            let slots = slots::<_, 1>(Claims::<1>::new());
            let other = Arc::clone(&slots);
            let operate = |slots: &Slots<Claims<1>, 1>, thread| {
                if slots.claims.claim(thread).is_some() {
                    touch(&slots.kept[0]);
                    slots.claims.0[0].store(0, Ordering::Relaxed);
                }
            };
            let thread = thread::spawn(move || operate(&other, 2));
            operate(&slots, 1);
            thread.join().unwrap();
        });
    }
}
