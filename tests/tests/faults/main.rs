//! Faults: a hostile neighbour, too few descriptors, too little memory, a full disk, processes stopped and continued all the time. After each,
//! nothing is left, and the host tells of it in one sentence within a deadline.
//!
//! CLOCK_REALTIME is not moved: no namespace has one of its own, and a test that sets it sets
//! it for the whole machine. doorward waits by the monotonic clock alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod host;
mod ledger;
mod neighbours;
mod scarce;
mod stopped;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The ledger counts what belongs to this process, so that one test runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
