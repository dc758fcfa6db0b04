//! The only `unsafe`: raw system calls that rustix and nix do not have.

pub(crate) mod files;
pub(crate) mod interruption;
pub(crate) mod landlock;
#[cfg(not(fuzzing))]
pub(crate) mod memory;
#[cfg(not(fuzzing))]
pub(crate) mod notify;
pub(crate) mod process;
pub(crate) mod socket;
#[cfg(doorward_control = "taken-over")]
pub(crate) mod taken_over;

#[cfg(fuzzing)]
pub(crate) use crate::fuzzing::kernel::{memory, notify};
