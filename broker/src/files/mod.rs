//! The path engine and the file services.
//!
//! What comes in is untrusted: path bytes, flags, modes, descriptor numbers, all
//! already copied into the broker. Rules are names, so everything here turns names
//! into pinned objects whose names were then read back from the kernel and judged:
//! [`Filesystem`] is the file system (the kernel's or a model), `find` turns
//! a path into a pinned, canonically named object and `entry` into a pinned
//! directory and one checked component. Services act on pins alone.

mod attributes;
mod course;
mod descriptor;
mod directory;
mod entries;
mod entry;
mod fifo;
mod filesystem;
mod find;
mod kernel;
#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it then fails"
)]
mod kernel_calls;
#[cfg(any(test, fuzzing))]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic: it then fails"
)]
#[cfg_attr(
    fuzzing,
    allow(dead_code, reason = "the fuzz target wanders, the tests explore")
)]
pub(crate) mod model;
mod mount;
mod open;
mod own;
mod own_services;
mod path;
mod rename;
mod roots;
mod rules;
mod status;
#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it then fails"
)]
mod tests;
#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it then fails"
)]
pub(crate) mod trial;
mod walk;

use std::{sync::Arc, time::Duration};

use doorward_policy::{AbsName, Rights};
use rustix::io::Errno;

pub(crate) use course::{Attempt, Course, Fault};
pub(crate) use descriptor::meant;
pub(crate) use filesystem::{Detail, Filesystem, Kind};
pub(crate) use find::Manner;
pub(crate) use kernel::Kernel;
pub(crate) use open::{Grant, Wanted};
pub(crate) use own::Own;
pub(crate) use rename::Turn;
pub(crate) use roots::Roots;
pub(crate) use rules::Rules;

use crate::limits::Budget;

/// Between two tries of what cannot be waited for in the kernel.
const PAUSE: Duration = Duration::from_millis(5);

/// The path engine of one sandbox over one file system.
#[derive(Debug)]
pub(crate) struct Files<F: Filesystem> {
    /// The file system.
    pub(crate) filesystem: Arc<F>,
    /// Where walks begin.
    pub(crate) roots: Arc<Roots<F::Pin>>,
    /// What is decided by.
    pub(crate) policy: Arc<dyn Rules>,
    /// Whether the sandboxee lives in a view: then ancestors of rules are stand-ins
    /// there, whose identity says nothing.
    pub(crate) view: bool,
    /// What /proc/self/exe leads to in the view: the program that the sandbox began with.
    pub(crate) program: Option<AbsName>,
    /// The one user and group that exist for the sandboxee, where others show as 65534.
    pub(crate) only_ids: Option<(u32, u32)>,
    /// What the scratch directory may hold.
    pub(crate) budget: Option<Arc<Budget>>,
    /// Lets renames happen one at a time.
    pub(crate) turn: Arc<Turn>,
}

impl<F: Filesystem> Files<F> {
    /// The same files, judged by other rules.
    pub(crate) fn judged_by(&self, policy: Arc<dyn Rules>) -> Self {
        Self {
            filesystem: Arc::clone(&self.filesystem),
            roots: Arc::clone(&self.roots),
            policy,
            view: self.view,
            program: self.program.clone(),
            only_ids: self.only_ids,
            budget: self.budget.clone(),
            turn: Arc::clone(&self.turn),
        }
    }

    /// Whether more may be put where these rights are: `ENOSPC` in a full scratch directory.
    fn has_room(&self, course: &Course<'_>, rights: &Rights) -> Attempt<()> {
        let Some(budget) = self.budget.as_ref().filter(|_| rights.scratch) else {
            return Ok(());
        };
        match budget.takes(course.cached()) {
            Some(true) => Ok(()),
            Some(false) => Err(Fault::Failed(Errno::NOSPC)),
            None => Err(Fault::WouldBlock),
        }
    }
}
