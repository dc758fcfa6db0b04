//! The fronts that ask on lanes (docs/PROTOCOL.md): api by typed requests, trap by the requests
//! that a process makes of its own system calls.
//!
//! It trusts nothing that comes on a lane. That is safe because a record is received once,
//! without room for descriptors, and judged by the session before anything is done; only
//! ends of lanes that the broker made are watched; and the broker never waits for a client,
//! neither to read nor to write.

mod asker;
mod caller;
mod lane;
mod lanes;
mod report;
mod serve;

pub use lane::pair;
pub use report::ApiReport;
pub use serve::{ApiError, serve};
