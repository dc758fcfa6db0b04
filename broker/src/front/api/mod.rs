//! The api front: typed requests on lanes (docs/PROTOCOL.md).
//!
//! It trusts nothing that comes on a lane. That is safe because a record is received once,
//! without room for descriptors, and judged by the session before anything is done; only
//! ends of lanes that the broker made are watched; and the broker never waits for a client,
//! neither to read nor to write.

mod asker;
mod lane;
mod serve;

pub use lane::pair;
pub use serve::{ApiError, ApiReport, serve};
