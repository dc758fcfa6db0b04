//! The broker's own confinement, so that a broker that was taken over gets no more than
//! the union of its policy.
//!
//! Landlock comes before the launcher is forked, since it may look into the memory of
//! processes in its own or a nested domain only; capabilities and the filter come last.

use std::{
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use doorward_policy::{
    filter::{Arch, Filter},
    policy::HullRoot,
};
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use crate::{
    control::{self, Defence},
    launcher,
    sys::process,
};

/// The domain to be entered: the directory hull of the allow rules, the scratch directory and
/// /proc.
///
/// What a literal read rule names is granted itself, so what takes its place later is out
/// of reach; for what may be created, removed or replaced it is the directory.
pub(super) fn domain(
    hull: &[HullRoot],
    scratch: Option<&Path>,
) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))?
        .scope(Scope::Signal)?
        .create()?;
    let looked = AccessFs::ReadFile | AccessFs::ReadDir;
    ruleset = beneath(ruleset, Path::new("/proc"), looked)?;
    if let Some(scratch) = scratch {
        ruleset = beneath(ruleset, scratch, looked | changes())?;
    }
    for root in hull {
        ruleset = granted(ruleset, root)?;
    }
    Ok(ruleset)
}

/// Enters it. Whether Landlock holds here.
pub(super) fn enter(domain: RulesetCreated) -> Result<bool, RulesetError> {
    // Sandboxees inherit it, so that one alone cannot be left out.
    if control::is_off(Defence::Landlock) {
        return Ok(true);
    }
    let status = domain.restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// The filter for [`last`].
pub(super) fn filter(network: bool) -> Result<Filter, (&'static str, Errno)> {
    Filter::of_broker(Arch::native(), network)
        .map_err(|_| ("making the broker's filter", Errno::INVAL))
}

/// What changing files takes; never devices.
fn changes() -> BitFlags<AccessFs> {
    AccessFs::from_write(ABI::V6) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev)
        | AccessFs::Refer
}

fn granted(ruleset: RulesetCreated, root: &HullRoot) -> Result<RulesetCreated, RulesetError> {
    let path = Path::new(std::ffi::OsStr::from_bytes(root.name.as_bytes()));
    let mut rights = AccessFs::ReadFile | AccessFs::ReadDir;
    if root.executes {
        rights |= AccessFs::Execute;
    }
    let found = pin(path);
    let kind = found.as_ref().map(|(_, kind)| *kind);
    let ordinary = kind.is_none_or(|kind| {
        matches!(
            kind,
            FileType::RegularFile | FileType::Directory | FileType::Symlink
        )
    });
    if root.writes && ordinary {
        // A name that may be made or taken away is an entry of its directory.
        let entry = root.literal || found.is_none();
        let directory = if entry { existing_above(path) } else { path };
        return beneath(ruleset, directory, rights | changes());
    }
    if root.writes {
        rights |= AccessFs::WriteFile | AccessFs::IoctlDev;
    }
    match found {
        Some((pin, kind)) => add(ruleset, pin, kind, rights),
        None => Ok(ruleset),
    }
}

/// The nearest directory above a name that exists.
fn existing_above(path: &Path) -> &Path {
    path.ancestors()
        .skip(1)
        .find(|above| above.is_dir())
        .unwrap_or(Path::new("/"))
}

fn beneath(
    ruleset: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match pin(path) {
        Some((pin, kind)) => add(ruleset, pin, kind, rights),
        None => Ok(ruleset),
    }
}

fn add(
    ruleset: RulesetCreated,
    pin: OwnedFd,
    kind: FileType,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let rights = if kind == FileType::Directory {
        rights
    } else {
        rights & AccessFs::from_file(ABI::V6)
    };
    ruleset.add_rule(PathBeneath::new(pin, rights))
}

/// Names are canonical where they are judged, so a name that leads through a link
/// grants nothing.
fn pin(path: &Path) -> Option<(OwnedFd, FileType)> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let pin = rustix::fs::openat2(
        rustix::fs::CWD,
        path,
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )
    .ok()?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&pin).ok()?.st_mode);
    Some((pin, kind))
}

/// The last step, before threads are made: no capabilities, not dumpable, and the filter
/// of the operation table.
pub(super) fn last(filter: &Filter) -> Result<(), (&'static str, Errno)> {
    launcher::capabilities().map_err(|errno| ("dropping the broker's capabilities", errno))?;
    let set = |option, value, step| process::prctl(option, value).map_err(|errno| (step, errno));
    set(
        libc::PR_SET_NO_NEW_PRIVS,
        1,
        "setting the broker's no_new_privs",
    )?;
    set(libc::PR_SET_DUMPABLE, 0, "hiding the broker's memory")?;
    process::load_filter(filter.instructions(), false)
        .map(drop)
        .map_err(|errno| ("loading the broker's filter", errno))
}
