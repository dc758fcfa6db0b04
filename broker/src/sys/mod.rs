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

#[cfg(fuzzing)]
pub(crate) use crate::fuzzing::kernel::{memory, notify};
