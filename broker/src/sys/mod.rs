//! The only `unsafe`: raw system calls that rustix and nix do not have.

pub(crate) mod files;
pub(crate) mod interruption;
pub(crate) mod landlock;
pub(crate) mod memory;
pub(crate) mod notify;
pub(crate) mod process;
pub(crate) mod socket;
