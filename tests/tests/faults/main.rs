//! Faults: kill -9 and failing calls at each step of a start, thousands of crashes of one host,
//! a hostile neighbour, too few descriptors, too little memory, a full disk, processes stopped
//! and continued all the time. After each, nothing is left, and the host tells of it in one
//! sentence within a deadline.
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

mod crashes;
mod host;
mod kill;
mod neighbours;
mod oracle;
mod refused;
mod scarce;
mod steps;
mod stopped;
