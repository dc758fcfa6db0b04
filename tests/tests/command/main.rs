//! The `doorward` command from outside: messages, exit statuses, audit records. Each test
//! runs the release build at every level.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod audit;
mod canaries;
mod doctor;
mod lane;
mod place;
mod policies;
mod run;
mod trace;
