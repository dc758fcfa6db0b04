//! The notify front against programs that signal, race, pass odd arguments or attack.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod barrier;
mod bench;
mod calls;
mod control;
mod crowd;
mod exec;
mod hold;
mod memory;
mod own;
mod process;
mod signals;
