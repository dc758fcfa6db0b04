//! System calls that ask: from registers and memory to a [`crate::Request`], and from the
//! answer to what the kernel would have written. Shared by the fronts that are asked so.

mod copied;
mod decode;
pub mod layout;

pub use copied::{Copied, Memory, PATH_BYTES, string};
pub use decode::decode;
