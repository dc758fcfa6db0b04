//! What the file rules say about one name.

use serde::{Deserialize, Serialize};

use crate::verdict::RuleId;

/// An access to a name, as rules grant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Access {
    /// Open for reading, list, readlink, follow a link.
    Read,
    /// Open for writing, truncate, times, mode bits.
    Write,
    /// Make a new entry.
    Create,
    /// Remove or rename away.
    Delete,
    /// Look at its status; ancestors of any rule allow it too.
    Stat,
    /// Start it as a program.
    Execute,
}

/// The rights under one name, each with the rule that gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// `fs.read`.
    pub read: Option<RuleId>,
    /// `fs.write`.
    pub write: Option<RuleId>,
    /// `fs.create`.
    pub create: Option<RuleId>,
    /// `fs.delete`.
    pub delete: Option<RuleId>,
    /// `fs.special`: it may be a device, FIFO or socket.
    pub special: Option<RuleId>,
    /// `exec.allow` or a `[[exec.program]]`.
    pub execute: Option<RuleId>,
    /// `fs.deny`.
    pub deny: Option<RuleId>,
    /// `fs.hide`.
    pub hide: Option<RuleId>,
    /// A rule below it, so that it may be looked at and walked through.
    pub ancestor: Option<RuleId>,
    /// The scratch directory backs this name (no other rule matches it); all but
    /// `special` and `execute` are then given by the scratch rule.
    pub scratch: bool,
}
