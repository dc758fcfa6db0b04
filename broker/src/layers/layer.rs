//! One layer, as it was found.

use serde::{Deserialize, Serialize};

/// One layer: whether it holds, and what follows where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name, as in `[require] layers` where it can be required.
    pub name: String,
    /// Whether it holds (or, in `doctor`, can be had).
    pub held: bool,
    /// What was found: a version, or what the kernel said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What it needs, where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// What is lost without it, where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}
