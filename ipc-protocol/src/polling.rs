//! Whether a side that expects a record looks for it without sleeping.
//!
//! Waking a sleeper on an idle processor can cost several times what a request does. So a
//! side looks again and again for about as long as a waking costs, and only then sleeps.
//! Where that does not pay, since the other side takes longer or somebody else wants the
//! processor, the next waits sleep at once: twice as many after each look in vain. So what
//! is lost to looking stays small whatever the other side does. It reads no clock itself.

use std::time::Duration;

/// How long one wait looks before it sleeps.
pub const BOUND: Duration = Duration::from_micros(50);
/// Time between two looks that tells of somebody else on the processor.
const TAKEN: Duration = Duration::from_micros(100);
/// Most waits that sleep at once before another one looks.
const LONGEST_REST: u32 = 1024;
/// The least of them after the processor was taken.
const REST_WHEN_TAKEN: u32 = 64;

/// What one side of a lane has learned about looking.
#[derive(Debug, Clone, Default)]
pub struct Polling {
    /// How many waits sleep after the next look in vain.
    rest: u32,
    /// How many of them are left.
    left: u32,
}

impl Polling {
    /// Looks with `look` until that gives something, for at most [`BOUND`] on `clock`, which tells
    /// the time since whenever. None: the caller is to sleep.
    pub fn seek<T>(
        &mut self,
        mut clock: impl FnMut() -> Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return None;
        }
        let begun = clock();
        let mut last = begun;
        loop {
            let found = look();
            let now = clock();
            let taken = now.saturating_sub(last) > TAKEN;
            if taken {
                self.in_vain(REST_WHEN_TAKEN);
            } else if found.is_some() {
                self.rest = 0;
            } else if now.saturating_sub(begun) > BOUND {
                self.in_vain(1);
            } else {
                last = now;
                std::hint::spin_loop();
                continue;
            }
            return found;
        }
    }

    fn in_vain(&mut self, least: u32) {
        self.rest = self.rest.saturating_mul(2).clamp(least, LONGEST_REST);
        self.left = self.rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that a look moves on, and the looks it saw.
    struct World {
        now: Duration,
        looks: u32,
    }

    impl World {
        fn new() -> Self {
            Self {
                now: Duration::ZERO,
                looks: 0,
            }
        }

        /// A wait in which each look takes `pace` and the one after `after` finds something;
        /// whether it did, and how many looks there were.
        fn wait(&mut self, polling: &mut Polling, pace: Duration, after: u32) -> (bool, u32) {
            let now = std::cell::Cell::new(self.now);
            let mut looks = 0u32;
            let found = polling.seek(
                || now.get(),
                || {
                    now.set(now.get().checked_add(pace)?);
                    looks = looks.saturating_add(1);
                    (looks > after).then_some(())
                },
            );
            self.now = now.get();
            self.looks = self.looks.saturating_add(looks);
            (found.is_some(), looks)
        }
    }

    const PACE: Duration = Duration::from_micros(1);
    const NEVER: u32 = u32::MAX;

    #[test]
    fn what_comes_in_time_is_found_without_sleeping_each_time() {
        let (mut world, mut polling) = (World::new(), Polling::default());
        for _ in 0..1000 {
            assert_eq!(world.wait(&mut polling, PACE, 10), (true, 11));
        }
    }

    #[test]
    fn one_wait_looks_for_no_longer_than_the_bound() {
        let (mut world, mut polling) = (World::new(), Polling::default());
        let begun = world.now;
        assert!(!world.wait(&mut polling, PACE, NEVER).0);
        let took = world.now.saturating_sub(begun);
        assert!(
            took >= BOUND && took <= BOUND.saturating_add(PACE),
            "{took:?}"
        );
    }

    #[test]
    fn looking_in_vain_becomes_rare() {
        let (mut world, mut polling) = (World::new(), Polling::default());
        let waits = 100_000u32;
        for _ in 0..waits {
            assert!(!world.wait(&mut polling, PACE, NEVER).0);
        }
        // 1 + 2 + 4 ... + 1024, then one in 1025.
        let a_wait = 51;
        assert!(world.looks / a_wait <= 11 + waits / 1025, "{}", world.looks);
        assert!(world.looks / a_wait >= waits / 1025, "{}", world.looks);
    }

    #[test]
    fn it_looks_again_once_that_pays() {
        let (mut world, mut polling) = (World::new(), Polling::default());
        for _ in 0..10 {
            let _vain = world.wait(&mut polling, PACE, NEVER);
        }
        let first = (0..=LONGEST_REST).position(|_| world.wait(&mut polling, PACE, 0).0);
        assert!(first.is_some());
        assert_eq!(world.wait(&mut polling, PACE, 0), (true, 1));
    }

    #[test]
    fn a_processor_that_somebody_else_took_is_left_to_him() {
        let (mut world, mut polling) = (World::new(), Polling::default());
        // What was found is not lost, and yet the next waits sleep at once.
        assert_eq!(
            world.wait(&mut polling, Duration::from_millis(3), 0),
            (true, 1)
        );
        for _ in 0..REST_WHEN_TAKEN {
            assert_eq!(world.wait(&mut polling, PACE, 0), (false, 0));
        }
        assert_eq!(world.wait(&mut polling, PACE, 0), (true, 1));
    }
}
