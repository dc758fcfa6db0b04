//! The C library of doorward: what `doorward-sandboxee` does, by the conventions of C
//! (docs/C.md).
//!
//! It is a crate of its own, so that Rust programs do not export these names. Its header is
//! `include/doorward.h`, made of what `sys` exports.

mod errors;
mod first;
#[allow(unsafe_code, reason = "what C calls, and what C passes, is here alone")]
pub mod sys;
