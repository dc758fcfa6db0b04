//! Black-box tests of doorward: what they share. The tests themselves are in `tests/tests/`.
//!
//! A test makes a [`Tree`] for a [`Level`], and in it a [`Run`] of a program, natively or
//! under a policy of `tests/policies/`. Everything here fails by panicking: it is called by tests.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a harness fails its test by panicking"
)]

pub mod adversary;
mod attempts;
mod broker;
pub mod catalogue;
pub mod conformance;
mod control;
mod ledger;
mod level;
mod processes;
mod run;
mod snapshot;
mod tenants;
mod tree;

pub use attempts::{attempts, longest};
pub use broker::Broker;
pub use control::{control, control_of};
pub use ledger::{Ledger, alone};
pub use level::{Level, built_beside};
pub use processes::{below, called};
pub use run::{Ended, Run, built, copied, doorward, policy_source};
pub use snapshot::{Entry, Snapshot};
pub use tenants::{is_tenant, next_tenant, tenant_is_claimed};
pub use tree::Tree;
