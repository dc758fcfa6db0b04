//! Threads for requests that may block, and the line they stand in.
//!
//! How much a sandboxee can make wait is bounded: so many run at a time, so many more may
//! wait for something that only another request brings (the other end of a FIFO, a lock),
//! and so many stand in line. When the line is full nothing more is taken from the kernel,
//! which holds one request a thread: whoever floods delays itself and nobody else.

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, Scope},
    time::Duration,
};

/// Requests of one sandbox that run at a time.
const IN_FLIGHT: usize = 4;
/// Requests that may wait beside those for what another request brings.
const PARKED: usize = 256;
/// Each so many of them make all of them look more rarely, by so much.
const CROWD: usize = 8;
const PACE: Duration = Duration::from_millis(5);
/// Requests that may stand in line.
const LINE: usize = 1024;

#[derive(Debug)]
struct State<J> {
    line: VecDeque<J>,
    /// Threads that are not parked.
    serving: usize,
    /// Threads that wait for a request.
    idle: usize,
    parked: usize,
    closed: bool,
}

/// The line and the threads that serve it.
#[derive(Debug)]
pub(super) struct Workers<J> {
    state: Mutex<State<J>>,
    /// There is a request in line, or there will be no more.
    arrived: Condvar,
    /// The line is no longer full.
    room: Condvar,
}

/// The place of one request among the workers.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    park: &'a dyn Park,
    parked: Cell<bool>,
    signal: Cell<bool>,
}

/// Lets a thread wait without being in the way of others.
trait Park: std::fmt::Debug {
    /// Whether another thread takes its place.
    fn park(&self) -> bool;
    /// How many wait.
    fn parked(&self) -> usize;
}

impl Slot<'_> {
    /// To be called, before each look, by a request that waits for what another request
    /// brings. False when too many wait already.
    pub(super) fn waits(&self) -> bool {
        if self.parked.get() {
            let crowds = self.park.parked().checked_div(CROWD).unwrap_or_default();
            std::thread::sleep(PACE.saturating_mul(u32::try_from(crowds).unwrap_or(u32::MAX)));
            return true;
        }
        self.parked.set(self.park.park());
        self.parked.get()
    }

    /// Notes that a signal waits; whether one waited before.
    pub(super) fn has_seen_signal(&self) -> bool {
        self.signal.replace(true)
    }
}

/// One thread of the workers.
struct Worker<'scope, 'env, J> {
    workers: &'scope Workers<J>,
    scope: &'scope Scope<'scope, 'env>,
    work: &'scope (dyn Fn(J, &Slot<'_>) + Sync),
}

impl<J> Clone for Worker<'_, '_, J> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<J> Copy for Worker<'_, '_, J> {}

impl<J> std::fmt::Debug for Worker<'_, '_, J> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Worker")
    }
}

impl<J: Send> Workers<J> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                line: VecDeque::new(),
                serving: 0,
                idle: 0,
                parked: 0,
                closed: false,
            }),
            arrived: Condvar::new(),
            room: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the first thread, which starts others as they are needed; whether it could be.
    pub(super) fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        work: &'scope (dyn Fn(J, &Slot<'_>) + Sync),
    ) -> bool {
        let worker = Worker {
            workers: self,
            scope,
            work,
        };
        worker.spawn()
    }

    /// Puts a request in line; waits while the line is full.
    pub(super) fn push(&self, job: J) {
        let state = self.state();
        let mut state = self
            .room
            .wait_while(state, |state| state.line.len() >= LINE)
            .unwrap_or_else(PoisonError::into_inner);
        state.line.push_back(job);
        drop(state);
        self.arrived.notify_one();
    }

    /// Lets the threads end when the line is empty.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_all();
    }

    /// The next request in line; none when there will be no more.
    fn next(&self) -> Option<J> {
        let mut state = self.state();
        state.idle = state.idle.saturating_add(1);
        let mut state = self
            .arrived
            .wait_while(state, |state| state.line.is_empty() && !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.idle = state.idle.saturating_sub(1);
        let full = state.line.len() >= LINE;
        let job = state.line.pop_front();
        drop(state);
        if full {
            self.room.notify_one();
        }
        job
    }

    /// Whether a request that comes now would find nobody who may serve it.
    fn is_short(&self) -> bool {
        let state = self.state();
        state.idle == 0 && state.serving < IN_FLIGHT
    }

    fn count(&self, change: isize) {
        let mut state = self.state();
        state.serving = state.serving.saturating_add_signed(change);
    }

    /// Ends the wait of a thread; whether it is still needed.
    fn unpark(&self) -> bool {
        let mut state = self.state();
        state.parked = state.parked.saturating_sub(1);
        let needed = state.serving < IN_FLIGHT;
        if needed {
            state.serving = state.serving.saturating_add(1);
        }
        needed
    }
}

impl<J: Send> Worker<'_, '_, J> {
    fn spawn(self) -> bool {
        self.workers.count(1);
        let started = Builder::new()
            .name("doorward worker".into())
            .spawn_scoped(self.scope, move || self.run())
            .is_ok();
        if !started {
            self.workers.count(-1);
        }
        started
    }

    fn run(self) {
        while let Some(job) = self.workers.next() {
            if self.workers.is_short() {
                // Without another thread the rest go on with fewer.
                let _grown = self.spawn();
            }
            let slot = Slot {
                park: &self,
                parked: Cell::new(false),
                signal: Cell::new(false),
            };
            (self.work)(job, &slot);
            if slot.parked.get() && !self.workers.unpark() {
                return;
            }
        }
    }
}

impl<J: Send> Park for Worker<'_, '_, J> {
    fn park(&self) -> bool {
        let mut state = self.workers.state();
        if state.parked >= PARKED {
            return false;
        }
        state.parked = state.parked.saturating_add(1);
        state.serving = state.serving.saturating_sub(1);
        drop(state);
        // Without another thread the rest go on with fewer.
        let _replaced = self.spawn();
        true
    }

    fn parked(&self) -> usize {
        self.workers.state().parked
    }
}
