//! Live races: what a call uses changes while it is used. Nothing is ever won under doorward,
//! seen by canaries from outside; the same against a naive way wins.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod bench;
mod held;
mod memory;
mod names;
mod processes;
mod reused;
