//! From start to end: streams, signals, terminals, and that nothing of a sandbox outlives
//! doorward, whichever of its processes is killed.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod death;
mod memory;
mod remains;
mod signals;
mod terminal;
