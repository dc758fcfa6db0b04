//! Where requests meet policy: what a front hands in, and what it gets back.

mod answer;
mod asker;
mod in_force;
#[cfg(test)]
mod restricting;
mod services;
mod setup;
mod spawner;
#[cfg(doorward_control = "taken-over")]
mod taken_over;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Decision, Outcome};
pub use asker::{Asker, FileIdentity, Patience, Place};
pub use in_force::NarrowError;
pub(crate) use in_force::{InForce, Lease};
pub use services::Services;
pub use setup::{Setup, SetupError};
pub use spawner::Spawner;
