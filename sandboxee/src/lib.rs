//! The sandboxee's side of doorward: a lane to the broker, and the operations on it as
//! typed calls, one round trip each.
//!
//! ```no_run
//! # fn main() -> Result<(), doorward_sandboxee::ClientError> {
//! # let lane = std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
//! use doorward_sandboxee::{Client, Mode, OFlags};
//!
//! let mut client = Client::from_fd(lane)?;
//! let picture = client.open("/srv/in/a.png", OFlags::RDONLY, Mode::empty())?;
//! let fonts = client.directory("/usr/share/fonts")?;
//! let font = client.open(fonts.at("dejavu.ttf"), OFlags::RDONLY, Mode::empty())?;
//! # Ok(())
//! # }
//! ```
//!
//! The broker is held to the protocol: one that lies or dies gives an error.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "tests count"))]

mod address;
mod changes;
mod client;
mod error;
mod listing;
mod looks;
mod place;
mod programs;
mod restrict;
#[allow(unsafe_code, reason = "descriptors known by number live here alone")]
mod sys;
#[cfg(target_arch = "x86_64")]
pub mod trap;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_trap.rs"]
pub mod trap;
pub mod worker;

pub use client::{Client, LANE};
pub use doorward_protocol::{FileStat, FileSystemStat, request::TimeArgument};
pub use error::{Broken, ClientError};
pub use listing::Entry;
pub use place::{At, Directory, Links};
pub use programs::Program;
pub use rustix::{
    fs::{Access, FileType, Mode, OFlags, RenameFlags},
    io::Errno,
};
