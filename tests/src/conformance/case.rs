//! The cases: every question on every kind of name.

use super::{Ask, ask::asks};

/// Names below a tree, each of another kind.
const NAMES: &[&str] = &[
    // Allowed, of each type.
    "rw/file",
    "rw/other",
    "rw/directory",
    "rw/full",
    "rw/fifo",
    "rw/socket",
    // Another operation than is allowed there.
    "in/file",
    // No rule.
    "out/file",
    "out/missing",
    "out",
    // Missing.
    "rw/new",
    "rw/missing/file",
    // Hidden, denied.
    "rw/hidden/file",
    "rw/secret/file",
    "rw/secret/missing",
    // Links that stay, leave, lead to what is denied, to nothing, to themselves.
    "rw/link-in",
    "rw/link-out",
    "rw/link-secret",
    "rw/link-missing",
    "rw/link-loop",
    "rw/link-absolute",
    "rw/link-directory/inner",
    "rw/link-up/out/file",
    // `..` that stays and that leaves.
    "rw/directory/../file",
    "rw/../out/file",
    "rw/../../../../outside",
    // Odd spellings.
    "rw//./file",
    "rw/file/",
    "rw/directory/",
    "rw/new/",
    "rw/link-in/",
    "rw/file/below",
    "rw/directory/.",
    "rw/directory/..",
    "",
];

/// One case.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What is asked.
    pub ask: Ask,
    /// Of which name, below the tree of the case.
    pub name: &'static str,
    /// The number of its tree: its own, but where it only looks.
    pub tree: usize,
}

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    const SOME: usize = 3;
    let mut cases = Vec::new();
    let mut trees = 0..;
    let mut next = || trees.next().unwrap_or_default();
    let shared = next();
    for ask in asks() {
        let names = if ask.named() { NAMES } else { &["rw/file"] };
        let step = if ask.variant() { SOME } else { 1 };
        for name in names.iter().step_by(step) {
            let tree = if ask.only_looks() { shared } else { next() };
            cases.push(Case { ask, name, tree });
        }
    }
    cases
}

/// How many trees there are.
#[must_use]
pub fn trees() -> usize {
    cases().iter().map(|case| case.tree + 1).max().unwrap_or(0)
}
