//! Workers: a dangerous part of a program behind the boundary, called like a library.
//!
//! An interface is written once ([`crate::interface!`]): it gives the host a stub and the worker
//! a trait to implement. The stub calls over a [`Backend`]: a [`Worker`] forked from a
//! [`Zygote`], a [`Pool`] of them, or [`Local`], which needs no sandbox and is for debuggers,
//! Miri and fuzzers. What comes back is [`Tainted`] until the host has verified it.
//!
//! A worker may be hostile. Safe, because every size it states is held to the caller's
//! [`Terms`] before anything is allocated; what it puts into shared memory is copied out once
//! before it is looked at; it can send no descriptors; and the first frame that does not fit
//! is a value of [`CallError`] that ends this worker and nothing else.

mod backend;
mod cancel;
mod connection;
mod error;
mod interface;
mod local;
mod pool;
mod tainted;
mod terms;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop at what they did not expect"
)]
mod tests;
mod zygote;

pub use doorward_protocol::codec::{decode, encode};
pub use doorward_sandboxee::worker::{AskError, Call, Dispatch, Host, OutputError, Refused};

pub use backend::{Answer, Backend, Request};
pub use cancel::Cancel;
pub use error::{Breach, CallError, Death};
pub use local::Local;
pub use pool::{Counters, Kept, Lease, Pool, Reuse, Upkeep};
pub use tainted::Tainted;
pub use terms::Terms;
pub use zygote::{Nest, StartError, Worker, Zygote};

pub(crate) use backend::Reply;
pub(crate) use connection::Connection;
