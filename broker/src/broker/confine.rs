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
    Policy,
    filter::{Arch, Filter, Needs},
    policy::HullRoot,
};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
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

/// The most ports of a policy that are ruled one by one.
const PORTS: usize = 64;

/// The domain to be entered: the directory hull of the allow rules, the scratch directory and
/// /proc.
///
/// What a literal read rule names is granted itself, so what takes its place later is out
/// of reach; for what may be created, removed or replaced it is the directory. TCP reaches
/// the ports of the policies, if they are few.
pub(super) fn domain<'a>(
    policies: impl Iterator<Item = &'a Policy> + Clone,
    hull: &[HullRoot],
    scratch: Option<&Path>,
) -> Result<RulesetCreated, RulesetError> {
    let ports: Option<Vec<_>> = policies
        .clone()
        .map(|policy| policy.tcp_ports(PORTS))
        .collect();
    let mut scopes = BitFlags::from(Scope::Signal);
    if !policies.clone().any(Policy::has_abstract) {
        scopes |= Scope::AbstractUnixSocket;
    }
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))?
        .handle_access(AccessNet::BindTcp)?
        .scope(scopes)?;
    if ports.is_some() {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut ruleset = ruleset.create()?;
    for port in ports.iter().flatten().flatten() {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
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
pub(super) fn filter<'a>(
    policies: impl Iterator<Item = &'a Policy> + Clone,
) -> Result<Filter, (&'static str, Errno)> {
    let needs = Needs {
        tcp: policies.clone().any(Policy::has_tcp),
        unix: policies.clone().any(Policy::has_unix),
        changes: policies.clone().any(Policy::changes),
    };
    Filter::of_broker(Arch::native(), needs)
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
    if !control::is_off(Defence::BrokerCapabilities) {
        launcher::capabilities().map_err(|errno| ("dropping the broker's capabilities", errno))?;
    }
    let set = |option, value, step| process::prctl(option, value).map_err(|errno| (step, errno));
    set(
        libc::PR_SET_NO_NEW_PRIVS,
        1,
        "setting the broker's no_new_privs",
    )?;
    set(libc::PR_SET_DUMPABLE, 0, "hiding the broker's memory")?;
    if control::is_off(Defence::BrokerFilter) {
        return Ok(());
    }
    process::load_filter(filter.instructions(), false)
        .map(drop)
        .map_err(|errno| ("loading the broker's filter", errno))
}
