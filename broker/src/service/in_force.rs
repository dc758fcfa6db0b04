//! What one session may do at present: the restrictions made in it, and the requests that are
//! being decided and done by what stands.
//!
//! A restriction is added only while none of those is under way, and while it waits for them no
//! other begins. So whatever is done after it was answered was decided with it. A request that
//! waits for something steps aside, and is judged anew if there is a restriction more when it
//! comes back.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use doorward_policy::{Restriction, RestrictionError, Restrictions};

use crate::control::{self, Defence};

/// How long a restriction waits for requests that are under way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a session was not narrowed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum NarrowError {
    /// The restriction cannot be made.
    #[error(transparent)]
    Restriction(#[from] RestrictionError),
    /// A request holds it up, for longer than a disk takes.
    #[error("a request of the session is not done within 5 s; end the sandbox, or try again")]
    Busy,
}

/// The restrictions of one session and its requests under way.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    restrictions: Arc<Restrictions>,
    gate: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Gate {
    /// Requests under way.
    running: usize,
    /// Whether a restriction waits for those to end.
    narrowing: bool,
    /// Restrictions made.
    made: usize,
}

impl InForce {
    /// The restrictions, for those that decide.
    pub(crate) fn restrictions(&self) -> &Arc<Restrictions> {
        &self.restrictions
    }

    /// Begins a request, after the restriction that is being made, if one is.
    pub(crate) fn enter(&self) -> Lease<'_> {
        let mut gate = self.open();
        gate.running = gate.running.saturating_add(1);
        Lease {
            in_force: self,
            made: gate.made,
        }
    }

    /// Narrows the session; the restriction's number. Not to be called by who holds a [`Lease`] of it.
    pub(crate) fn narrow(&self, document: &[u8]) -> Result<usize, NarrowError> {
        if !self.restrictions.has_room() {
            return Err(RestrictionError::Many.into());
        }
        let restriction = Restriction::parse(document)?;
        let mut gate = self.open();
        gate.narrowing = true;
        let waited = self
            .changed
            .wait_timeout_while(gate, PATIENCE, |gate| {
                gate.running > 0 && !control::is_off(Defence::Drained)
            })
            .unwrap_or_else(PoisonError::into_inner);
        gate = waited.0;
        let result = match waited.1.timed_out() {
            true => Err(NarrowError::Busy),
            false => self.restrictions.add(restriction).map_err(Into::into),
        };
        gate.narrowing = false;
        if let Ok(number) = result {
            gate.made = number;
        }
        drop(gate);
        self.changed.notify_all();
        result
    }

    /// The gate, when no restriction is being made.
    fn open(&self) -> MutexGuard<'_, Gate> {
        self.changed
            .wait_while(self.gate(), |gate| gate.narrowing)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request under way.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    in_force: &'a InForce,
    made: usize,
}

impl<'a> Lease<'a> {
    /// Lets restrictions be made; how to come back.
    pub(crate) fn step_aside(self) -> Aside<'a> {
        Aside {
            in_force: self.in_force,
            made: self.made,
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut gate = self.in_force.gate();
        gate.running = gate.running.saturating_sub(1);
        let awaited = gate.narrowing;
        drop(gate);
        if awaited {
            self.in_force.changed.notify_all();
        }
    }
}

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Aside<'a> {
    in_force: &'a InForce,
    made: usize,
}

impl<'a> Aside<'a> {
    /// Goes on; none if what was decided may no longer hold.
    pub(crate) fn come_back(self) -> Option<Lease<'a>> {
        let lease = self.in_force.enter();
        (lease.made == self.made || control::is_off(Defence::Rejudged)).then_some(lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc::channel, thread, time::Instant};

    const NOTHING: &[u8] = b"version = 1";

    /// Whether what was decided before a restriction was done before it was answered.
    fn is_done_first(in_force: &InForce) -> bool {
        let (decided, begun) = channel();
        thread::scope(|scope| {
            let acting = scope.spawn(move || {
                let _lease = in_force.enter();
                decided.send(()).unwrap();
                thread::sleep(Duration::from_millis(200));
                Instant::now()
            });
            begun.recv().unwrap();
            in_force.narrow(NOTHING).unwrap();
            let answered = Instant::now();
            acting.join().unwrap() <= answered
        })
    }

    #[test]
    fn what_was_decided_is_done_before_a_restriction_is_answered() {
        assert!(is_done_first(&InForce::default()));
        let mut first = true;
        control::without(Defence::Drained, || {
            first = is_done_first(&InForce::default())
        });
        assert!(!first, "the control did not show it");
    }

    #[test]
    fn who_waits_holds_nothing_up_and_is_judged_anew() {
        let in_force = InForce::default();
        let aside = in_force.enter().step_aside();
        assert_eq!(in_force.narrow(NOTHING).unwrap(), 1);
        assert!(aside.come_back().is_none());
        let aside = in_force.enter().step_aside();
        in_force.narrow(NOTHING).unwrap();
        control::without(Defence::Rejudged, || assert!(aside.come_back().is_some()));
        let aside = in_force.enter().step_aside();
        assert!(aside.come_back().is_some());
        assert_eq!(in_force.gate().running, 0);
    }

    #[test]
    fn a_session_has_so_many_restrictions() {
        let in_force = InForce::default();
        for number in 1..=doorward_policy::restriction::MOST {
            assert_eq!(in_force.narrow(NOTHING).unwrap(), number);
        }
        let error = in_force.narrow(NOTHING).unwrap_err();
        assert!(matches!(
            error,
            NarrowError::Restriction(RestrictionError::Many)
        ));
    }

    #[test]
    fn a_request_that_hangs_leaves_the_session_as_it_was() {
        let in_force = InForce::default();
        let lease = in_force.enter();
        assert!(matches!(in_force.narrow(NOTHING), Err(NarrowError::Busy)));
        assert!(lease.step_aside().come_back().is_some());
        assert_eq!(in_force.narrow(NOTHING).unwrap(), 1);
    }
}
