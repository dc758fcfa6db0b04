//! What a row of the operation table says.

use crate::{hello::LaneFront, operation::Operation};

/// When a row is legal in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// After the hello.
    Open,
}

/// A system call that the notify front turns into an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The kernel's name of the call.
    pub name: &'static str,
    /// Whether an allowed call is continued in the kernel (exec, chdir, fchdir alone).
    pub continued: bool,
}

/// Which fronts a row can be asked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fronts {
    /// `api`, `trap` and `notify`.
    All,
    /// Typed calls only.
    Api,
    /// System calls, by `trap` and `notify`: it needs the asker's own descriptor or process.
    Calls,
    /// Notifications only: what asks would not outlive it.
    Notify,
}

/// What a reply on a lane holds when the operation was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// A number.
    Value,
    /// A descriptor beside it, and perhaps a handle.
    Descriptor,
    /// Bytes.
    Bytes,
    /// A status.
    Stat,
    /// A file-system status.
    FileSystem,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The operation.
    pub operation: Operation,
    /// Its name in policies, messages and audit records.
    pub name: &'static str,
    /// How many descriptors a reply may carry. A request carries none, whatever its row.
    pub descriptors_out: u8,
    /// What a reply on a lane holds when it was done.
    pub reply: ReplyKind,
    /// Largest encoded request in bytes.
    pub request_limit: usize,
    /// Largest encoded reply in bytes.
    pub reply_limit: usize,
    /// When it is legal.
    pub phase: Phase,
    /// Through which fronts it can be asked.
    pub fronts: Fronts,
    /// The system calls the notify front maps to it.
    pub calls: &'static [Call],
    /// What the broker itself needs of the kernel to perform it.
    pub broker_calls: &'static [&'static str],
    /// Whether it may block for long and belongs on a worker thread.
    pub may_block: bool,
}

impl Row {
    /// Whether a lane of this front may ask it.
    pub fn is_asked_by(&self, front: LaneFront) -> bool {
        match self.fronts {
            Fronts::All => true,
            Fronts::Api => front == LaneFront::Api,
            Fronts::Calls => front == LaneFront::Trap,
            Fronts::Notify => false,
        }
    }

    /// What its reply holds on a lane of this front: a connect by `trap` is of the asker's own
    /// socket, where `api` is granted one.
    pub fn reply_by(&self, front: LaneFront) -> ReplyKind {
        match (front, self.operation) {
            (LaneFront::Trap, Operation::Connect) => ReplyKind::Value,
            _ => self.reply,
        }
    }
}
