//! Policies as the command line names them.

use std::path::Path;

use doorward_policy::{Expansion, Loaded, Policy, PolicyErrors};

/// The values of `${CWD}`, `${HOME}` and `${UID}` here.
pub(crate) fn expansion() -> Expansion {
    Expansion::of_process(rustix::process::getuid().as_raw())
}

/// A policy by `builtin:NAME` or as a file.
pub(crate) fn load(policy: &str) -> Result<Loaded, PolicyErrors> {
    match policy.strip_prefix("builtin:") {
        Some(_) => Policy::builtin(policy, &expansion()),
        None => Policy::load(Path::new(policy), &expansion()),
    }
}
