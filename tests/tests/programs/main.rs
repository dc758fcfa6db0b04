//! Real, unmodified programs of the distribution, each under its own policy of
//! `tests/policies/`: the same output, status and files as without doorward.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod binaries;
mod canaries;
mod documents;
mod fidelity;
mod preload;
mod scripts;
mod sharing;
mod tools;
