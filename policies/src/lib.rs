//! Policy documents, the decisions they make, and the filters that follow from them.
//!
//! Decisions are pure functions of a compiled [`Policy`]; the only I/O here is
//! reading a document.
#![forbid(unsafe_code)]

mod address;
mod compile;
mod decide;
mod document;
mod expand;
pub mod filter;
mod groups;
mod hull;
mod lint;
mod load;
mod matcher;
pub mod name;
mod network;
pub mod policy;
pub mod profile;
mod question;
pub mod restriction;
pub mod rights;
pub mod verdict;

pub use address::AddressClass;
pub use document::Expect;
pub use document::diagnostic::{Diagnostic, PolicyErrors, Severity};
pub use expand::Expansion;
pub use load::Loaded;
pub use name::{AbsName, Component, NameError};
pub use policy::Policy;
pub use question::{Explanation, PolicyTest, Question, TestOutcome};
pub use restriction::{Narrowed, Restriction, RestrictionError, Restrictions};
pub use rights::{Access, Rights};
pub use verdict::{Denial, Reason, Rule, RuleId, Verdict};
