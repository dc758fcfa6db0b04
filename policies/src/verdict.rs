//! What a decision says.

use serde::{Deserialize, Serialize};

/// Names one rule of a compiled policy; see [`crate::Policy::rule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleId(pub u32);

impl RuleId {
    /// No rule of a document: what every sandboxee may do with what is its own,
    /// such as its own /proc entry, descriptors and working directory.
    pub const OWN: Self = Self(u32::MAX);
}

/// Where a rule was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its key in the document, such as `fs.read`.
    pub key: String,
    /// Its text, such as `/srv/in/**`.
    pub text: String,
    /// The document, as it was named (`builtin:runtime`, or a path).
    pub document: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
}

/// Why something is denied. The texts are for people; each says what would change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// No rule names it.
    NoRule,
    /// A `deny` rule names it.
    Denied,
    /// A `hide` rule names it.
    Hidden,
    /// A rule names it, but not for this access.
    Access,
    /// It is a device, FIFO or socket and no `special` rule names it.
    Special,
    /// Its file system or mount is not one a rule reaches.
    Mount,
    /// A link on the way is not covered by a `read` rule.
    Link,
    /// The flags asked for are not known or not granted.
    Flags,
    /// The rights under the new name are not within those under the old.
    Widening,
    /// An address class that needs a rule naming the address.
    AddressClass,
    /// Names, listening and UDP are not brokered yet.
    NotYet,
    /// The program has a rule with `args`: only a typed spawn may start it.
    SpawnOnly,
    /// The arguments do not match the rule.
    Arguments,
    /// A bound or quota is reached.
    Quota,
    /// This operation cannot be asked this way.
    Front,
    /// What was asked for is another process's or the broker's own.
    Foreign,
    /// The request itself is not well-formed.
    Malformed,
}

/// A denial: a value, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The rule that decided, if one did.
    pub rule: Option<RuleId>,
    /// Why.
    pub reason: Reason,
    /// The positive errno the asker gets.
    pub errno: i32,
}

/// Allow or deny; there is no default.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Allowed by this rule.
    Allow(RuleId),
    /// Denied.
    Deny(Denial),
}

impl Verdict {
    /// Whether it allows.
    pub fn is_allow(self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

impl Reason {
    /// A sentence for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoRule => "no rule of the policy names it",
            Self::Denied => "a deny rule names it",
            Self::Hidden => "a hide rule names it",
            Self::Access => "a rule names it, but not for this access",
            Self::Special => "it is a device, FIFO or socket, and no fs.special rule names it",
            Self::Mount => "it lies on a mount or file system that no rule reaches",
            Self::Link => "a symbolic link on the way is not covered by an fs.read rule",
            Self::Flags => "the flags asked for are unknown or not granted",
            Self::Widening => "the rights under the new name go beyond those under the old",
            Self::AddressClass => "this class of addresses needs a rule that names the address",
            Self::NotYet => "names, listening and UDP are not brokered yet",
            Self::SpawnOnly => "the program's rule has args: only a typed spawn may start it",
            Self::Arguments => "the arguments do not match the program's rule",
            Self::Quota => "a bound or quota is reached",
            Self::Front => "this front cannot ask for it",
            Self::Foreign => "it belongs to another process or to the broker",
            Self::Malformed => "the request is not well-formed",
        }
    }
}
