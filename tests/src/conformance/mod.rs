//! The conformance suite: each row of the operation table, asked through `api` by the typed
//! client, and by plain system calls through `notify`, in one sandbox, and through `trap` in
//! another, on equal trees.
//!
//! The program `doorward-conformance` of this crate asks; `tests/tests/conformance` makes the
//! trees, and holds values, errnos, what is left on disk and audit records together.

mod ask;
mod by_call;
mod by_client;
mod case;
mod outcome;
mod single;

pub use ask::Ask;
pub use by_call::{after, by_call};
pub use by_client::{by_client, programs};
pub use case::{Case, cases, trees};
pub use outcome::{Asked, FRONTS, Setting, TREES};
pub use single::{SINGLE, Single};
