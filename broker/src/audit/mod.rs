//! The audit log: what was decided, for people and tools.

use std::time::Duration;

use doorward_protocol::Request;

use crate::service::Decision;

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

/// The log of one sandbox. Recording never blocks the broker and never fails a request.
#[derive(Debug, Default)]
pub struct Log {}

impl Log {
    /// Records one decided request.
    pub fn record(&self, _entry: &Entry<'_>) {}
}
