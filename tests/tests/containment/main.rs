//! What must be contained, judged from outside: canaries that stay untouched, processes that
//! get no signal, `/proc` as others see it. Each has a control in which the attempt succeeds.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod attempts;
mod bench;
mod confined;
mod handed;
mod knock_out;
mod names;
mod overlay;
mod rules;
mod signals;
mod started;
mod streams;
mod surface;
mod table;
mod workers;
