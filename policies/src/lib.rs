//! Policy documents, the decisions they make, and the filters that follow from them.
//!
//! Decisions are pure functions of a compiled [`Policy`]; the only I/O here is
//! reading a document.
#![forbid(unsafe_code)]

pub mod name;
pub mod policy;
pub mod rights;
pub mod verdict;

pub use name::{AbsName, Component, NameError};
pub use policy::Policy;
pub use rights::{Access, Rights};
pub use verdict::{Denial, Reason, Rule, RuleId, Verdict};
