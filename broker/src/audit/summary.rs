//! What a person is told when a sandbox has ended. It travels from the broker to the host
//! as JSON; its size is bounded.

use serde::{Deserialize, Serialize};

use super::{Text, Totals};

/// Denials that are told apart in a summary.
pub(super) const TOLD: usize = 32;
/// Longest name in a summary.
pub(super) const LONGEST: usize = 512;

/// The end of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Sums.
    pub totals: Totals,
    /// Distinct denials, first seen first; those of `hide` rules are not among them.
    pub denials: Vec<DistinctDenial>,
    /// Denials that are not among them, hidden ones left out.
    pub others: u64,
}

/// Denials of one operation on one object for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistinctDenial {
    /// The operation's name.
    pub operation: String,
    /// What it was about.
    pub object: Text,
    /// Why, in a sentence.
    pub reason: String,
    /// What would change the verdict, where the policy alone decided.
    pub change: Option<Text>,
    /// How often.
    pub count: u64,
}
