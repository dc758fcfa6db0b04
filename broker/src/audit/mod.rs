//! The audit log: what was decided, for people and tools. One JSON object a line
//! (docs/AUDIT.md); a summary at the end.

mod address;
mod arguments;
mod asked;
mod line;
mod log;
mod record;
mod sink;
mod summary;
mod tally;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use doorward_protocol::Request;

pub use arguments::Arguments;
pub use log::Log;
pub use record::{
    Allowed, Denied, Event, HeldLimit, NamedRule, Record, Restricted, Start, Totals, Unread,
};
pub use summary::{DistinctDenial, Summary};
pub use text::Text;

use crate::service::Decision;

/// A name for a new sandbox in audit logs: random, 16 hexadecimal digits.
#[must_use]
pub fn session_name() -> String {
    let mut bytes = [0_u8; 8];
    let flags = rustix::rand::GetRandomFlags::empty();
    if rustix::rand::getrandom(&mut bytes, flags).is_err() {
        return format!("pid-{}", std::process::id());
    }
    format!("{:016x}", u64::from_ne_bytes(bytes))
}

/// One decided request, as a front hands it to the log.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// `api` or `notify`.
    pub front: &'static str,
    /// The process that asked, as the broker's pid namespace numbers it.
    pub process: u32,
    /// What was asked.
    pub request: &'a Request<'a>,
    /// What was decided and came of it.
    pub decision: &'a Decision,
    /// From receipt to answer.
    pub latency: Duration,
}
