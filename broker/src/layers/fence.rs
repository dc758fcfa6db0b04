//! Trials of Landlock and of refusing executable memory that was writable.

use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use rustix::io::Errno;

use super::trial::errno;
use crate::sys::process;

/// A domain without rules refuses to list the root directory.
pub(super) fn landlock() -> Result<(), Errno> {
    process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    let failed = |_: landlock::RulesetError| Errno::OPNOTSUPP;
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V3))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(failed)?;
    match std::fs::read_dir("/").map_err(errno) {
        Err(Errno::ACCESS) => Ok(()),
        _ => Err(Errno::IO),
    }
}

/// `PR_SET_MDWE` with `PR_MDWE_REFUSE_EXEC_GAIN`.
pub(super) fn memory() -> Result<(), Errno> {
    process::prctl(libc::PR_SET_MDWE, 1)
}
