//! What the two sides of doorward say to each other: the operation table, the
//! typed requests and replies, their bounded codec and the lanes they travel on.
//!
//! No policy lives here. Everything that a hostile peer can send is bounded
//! before anything is allocated, and a received descriptor is owned at once.

pub mod arena;
pub mod call;
pub mod codec;
pub mod frame;
pub mod hello;
pub mod lane;
pub mod operation;
pub mod polling;
pub mod reply;
pub mod request;
pub mod row;
mod steps;
pub mod syscall;

pub use operation::{Operation, Row};
pub use reply::{FileStat, FileSystemStat, Reply};
pub use request::{Base, Request};
