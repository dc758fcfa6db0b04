//! `identity.user = "isolated"`: each sandbox has a kernel user of its own, with its broker.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod apart;
mod numbers;
mod own;
mod tenant;
