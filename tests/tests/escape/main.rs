//! Ways out of the sandbox that were open once. Each is tried natively first, where it leads
//! out, and has beside it what remains allowed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod directory;
mod neighbours;
