//! The trap front: system calls of this process that a filter traps become requests on a lane.
//!
//! [`enter`] installs a handler of `SIGSYS` and then a filter of this process's own, under
//! which the calls of the operation table raise that signal. The handler copies what a call
//! points to, asks the broker, and puts the answer where the kernel would have put it.
//!
//! Nothing here holds a boundary: that is the filter below and the broker. What is promised is
//! that the handler may interrupt anything, malloc and other handlers among them. It allocates
//! nothing, takes no lock, formats nothing, and touches neither errno nor any other variable of
//! a thread; each operation owns a [`slot::Slot`] while it runs, which it claims by one
//! compare-and-swap; pointers of the program are read and written by system calls alone.

mod answer;
mod ask;
mod filter;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handler;
mod lanes;
mod mask;
mod memory;
mod reply;
mod slot;
#[allow(unsafe_code, reason = "the one module of the trap front that may")]
mod sys;
mod table;

use std::os::fd::{IntoRawFd, OwnedFd};

use rustix::io::Errno;

/// From now on the calls of the operation table are asked of the broker, by this thread, those
/// that it makes, and what they fork; others go on as they were. `lane` is one that no hello was said on yet; others are
/// got by it.
///
/// The handler of `SIGSYS` stays, that signal stays unblocked, and exec is refused from now on,
/// since the filter would outlive the handler.
///
/// # Errors
/// What the broker or the kernel says: `EPROTO` when the broker does not speak this version,
/// `EALREADY` when it was entered before.
pub fn enter(lane: OwnedFd) -> Result<(), Errno> {
    lanes::begin(lane.into_raw_fd())?;
    handler::install()?;
    filter::load()
}
