//! The notify front: seccomp notifications of unmodified programs.
//!
//! It trusts the kernel's notification (number, registers, thread) and nothing that
//! those registers point to. That is safe because memory is copied once (`memory`),
//! the id is validated before the copy is used, the answer is a result or a fresh
//! descriptor, and only rows of the operation table marked so are ever continued.

mod asker;
mod memory;
mod responder;
mod seat;
mod serve;
mod written;

pub use serve::{NotifyError, NotifyReport, serve};
