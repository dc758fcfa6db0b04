//! doorward: untrusted code runs with no file system, no network and a strict
//! system-call allowlist; a trusted broker performs what its policy allows.

#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::field_reassign_with_default,
        reason = "tests count"
    )
)]

pub mod audit;
mod broker;
mod control;
mod files;
pub mod front;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod host;
mod launcher;
pub mod layers;
mod limits;
mod net;
pub mod service;
pub mod session;
#[allow(unsafe_code, reason = "raw system calls live here alone")]
mod sys;
mod tenant;
pub mod trace;
pub mod worker;

pub use host::init;
pub use launcher::{Entry, Sandboxee};
