//! `[identity] user = "isolated"`: a kernel user and group of a sandbox's own.
//!
//! Numbers are given in turn, out of a range that nothing else uses. The keeper has a lock on the
//! one that it was given, which ends with it however it ends; who still runs with a number then is
//! seen by the kernel's count of a user's processes, and the number is passed over.

use std::{
    fs::{DirBuilder, File},
    io,
    ops::Range,
    os::unix::fs::{DirBuilderExt, FileExt},
    path::Path,
    time::{Duration, Instant},
};

use caps::{CapSet, Capability};
use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::wait::{WaitStatus, waitpid},
    unistd::{Gid, Uid, getresgid, getresuid, setgroups, setresgid, setresuid},
};
use rustix::{
    fs::{Mode, OFlags, fstat},
    io::Errno,
    process::{Resource, Rlimit, setrlimit},
};

use crate::{launcher, sys::process};

/// The numbers: above subordinate ids, containers, what systemd gives and what directories of
/// accounts map (docs/KERNEL.md).
const NUMBERS: Range<u32> = 2_100_000_000..2_116_777_216;
/// Where the next number is kept, and which are in use.
const RECORD: &str = "/run/doorward";
/// The byte of the record that is locked while a number is chosen.
const TURN: i64 = 0;
/// How long the choice of others is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Numbers that somebody runs with and that are passed over.
const PASSED_OVER: u32 = 64;
/// What it takes beside namespaces.
const NEEDED: [Capability; 7] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_KILL,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
];

/// Why a sandbox cannot have a user of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TenantError {
    /// doorward runs as somebody who cannot give any.
    #[error(
        "the policy says identity.user = \"isolated\", which needs root that may make namespaces \
         (level root, see `doorward doctor`); run doorward as root, or say \"same\""
    )]
    Level,
    /// Root lacks a capability.
    #[error("identity.user = \"isolated\" needs {0}, which root does not have here")]
    Capability(Capability),
    /// The policy of a typed spawn asks for what that of the sandbox does not.
    #[error(
        "the policy {0} of a typed spawn says identity.user = \"isolated\", but the sandbox has one user: \
         say it in the sandbox's own policy"
    )]
    Spawn(String),
    /// The record of numbers cannot be had.
    #[error(
        "identity.user = \"isolated\" keeps a record in {RECORD}, which has to be a directory of root's \
         that nobody else may write to"
    )]
    Record(#[source] io::Error),
    /// Others hold the record.
    #[error("the record of numbers in {RECORD} is held by another start that does not go on")]
    Busy,
    /// There is no number left.
    #[error(
        "no user number from {} to {} is free: see /etc/passwd, /etc/group, /etc/subuid and /etc/subgid",
        NUMBERS.start,
        NUMBERS.end - 1
    )]
    Exhausted,
    /// The kernel refused.
    #[error("identity.user = \"isolated\": {0} failed")]
    Refused(&'static str, #[source] Errno),
}

fn refused(what: &'static str) -> impl Fn(nix::errno::Errno) -> TenantError {
    move |error| TenantError::Refused(what, Errno::from_raw_os_error(error as i32))
}

/// A kernel user, and the group of the same number, that one sandbox has with its broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tenant(u32);

impl Tenant {
    /// Its number.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// Whether `user` is one that a sandbox has, or had.
    pub(crate) fn is_one(user: u32) -> bool {
        NUMBERS.contains(&user)
    }

    /// Gives it what lies at a path.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        std::os::unix::fs::chown(path, Some(self.0), Some(self.0))
    }

    /// Makes this process its, for good: it has no other group, and no way back once its
    /// capabilities are dropped, which it keeps until then. Root's rights over files end with them.
    pub(crate) fn take(self) -> Result<(), TenantError> {
        let (user, group) = (Uid::from_raw(self.0), Gid::from_raw(self.0));
        launcher::secure_bits().map_err(|errno| TenantError::Refused("securebits", errno))?;
        setgroups(&[]).map_err(refused("setgroups"))?;
        setresgid(group, group, group).map_err(refused("setresgid"))?;
        setresuid(user, user, user).map_err(refused("setresuid"))?;
        let users = getresuid().map_err(refused("getresuid"))?;
        let groups = getresgid().map_err(refused("getresgid"))?;
        let all = [users.real, users.effective, users.saved] == [user; 3]
            && [groups.real, groups.effective, groups.saved] == [group; 3];
        if all {
            Ok(())
        } else {
            Err(TenantError::Refused("changing the user", Errno::PERM))
        }
    }

    /// Whether nobody runs as it, in whichever pid namespace.
    fn is_unused(self) -> Result<bool, TenantError> {
        let failed = |errno| TenantError::Refused("forking", errno);
        match process::fork().map_err(failed)? {
            None => process::exit(i32::from(
                self.is_alone()
                    .map_or_else(code, |alone| if alone { 0 } else { NOT_ALONE }),
            )),
            Some(child) => match waitpid(child, None).map_err(refused("waiting"))? {
                WaitStatus::Exited(_, 0) => Ok(true),
                WaitStatus::Exited(_, status) if status == i32::from(NOT_ALONE) => Ok(false),
                WaitStatus::Exited(_, status) => Err(TenantError::Refused(
                    "taking a user of its own",
                    Errno::from_raw_os_error(status),
                )),
                _ => Err(TenantError::Refused(
                    "taking a user of its own",
                    Errno::CANCELED,
                )),
            },
        }
    }

    /// Becomes it, and asks the kernel for room for this process and one more.
    fn is_alone(self) -> Result<bool, TenantError> {
        let failed = |what| move |errno| TenantError::Refused(what, errno);
        self.take()?;
        launcher::capabilities().map_err(failed("dropping capabilities"))?;
        let two = Rlimit {
            current: Some(2),
            maximum: Some(2),
        };
        setrlimit(Resource::Nproc, two).map_err(failed("counting processes"))?;
        match process::fork() {
            Ok(None) => process::exit(0),
            Ok(Some(child)) => waitpid(child, None)
                .map(|_ended| true)
                .map_err(refused("waiting")),
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(TenantError::Refused("counting processes", errno)),
        }
    }
}

/// The status of a trial that met somebody.
const NOT_ALONE: u8 = 255;

/// An errno as an exit status.
fn code(error: TenantError) -> u8 {
    let errno = match error {
        TenantError::Refused(_, errno) => errno,
        _ => Errno::IO,
    };
    u8::try_from(errno.raw_os_error()).unwrap_or(NOT_ALONE - 1)
}

/// A number that this process, and no other, may give to a sandbox.
#[derive(Debug)]
pub(crate) struct Claim {
    tenant: Tenant,
    /// Its lock is the claim. No process of the tenant has it: it could lock other numbers.
    _record: File,
}

impl Claim {
    /// Claims one that nobody has. To be called while the process has one thread.
    ///
    /// # Errors
    /// [`TenantError`] where none can be had.
    pub(crate) fn new() -> Result<Self, TenantError> {
        permitted()?;
        let record = record(Path::new(RECORD)).map_err(TenantError::Record)?;
        let given = given();
        for _ in 0..PASSED_OVER {
            let tenant = next(&record, &given)?;
            if tenant.is_unused()? {
                return Ok(Self {
                    tenant,
                    _record: record,
                });
            }
        }
        Err(TenantError::Exhausted)
    }

    pub(crate) fn tenant(&self) -> Tenant {
        self.tenant
    }
}

/// For `doctor`: claims one and becomes it.
pub(crate) fn attempt(within: bool) -> Result<(), Errno> {
    if within {
        return Err(Errno::PERM);
    }
    let errno = |error| Errno::from_raw_os_error(i32::from(code(error)));
    let claim = Claim::new().map_err(errno)?;
    claim.tenant().take().map_err(errno)
}

fn permitted() -> Result<(), TenantError> {
    if !rustix::process::geteuid().is_root() {
        return Err(TenantError::Level);
    }
    let has = |one| caps::has_cap(None, CapSet::Effective, one).unwrap_or(false);
    match NEEDED.into_iter().find(|one| !has(*one)) {
        Some(lacking) => Err(TenantError::Capability(lacking)),
        None => Ok(()),
    }
}

/// The file of numbers in a directory that only root may open, made if it is not there.
fn record(directory: &Path) -> io::Result<File> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pin = rustix::fs::open(directory, flags, Mode::empty())?;
    let status = fstat(&pin)?;
    if status.st_uid != 0 || status.st_mode & 0o022 != 0 {
        return Err(Errno::ACCESS.into());
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&pin, "users", flags, Mode::RUSR | Mode::WUSR)?;
    Ok(file.into())
}

/// The next number in turn that nobody has, locked.
fn next(record: &File, given: &[Range<u64>]) -> Result<Tenant, TenantError> {
    let _turn = Turn::of(record)?;
    let (first, count) = (u64::from(NUMBERS.start), NUMBERS.len() as u64);
    let mut turn = turn(record).map_err(TenantError::Record)?;
    for _ in 0..u16::MAX {
        let number = first.saturating_add(turn.checked_rem(count).unwrap_or(0));
        let taken = given.iter().find(|range| range.contains(&number));
        let step = taken.map_or(1, |range| range.end.saturating_sub(number));
        turn = turn.wrapping_add(step);
        let free = taken.is_none() && lock(record, i64::try_from(number).unwrap_or(TURN))?;
        if let Some(number) = u32::try_from(number).ok().filter(|_| free) {
            let kept = record.write_all_at(&turn.to_ne_bytes(), 0);
            kept.map_err(TenantError::Record)?;
            return Ok(Tenant(number));
        }
    }
    Err(TenantError::Exhausted)
}

/// Where the turn is: at random first, so that it is not the same after each start of the machine.
fn turn(record: &File) -> io::Result<u64> {
    let mut bytes = [0; 8];
    match record.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
        }
        Err(error) => return Err(error),
    }
    Ok(u64::from_ne_bytes(bytes))
}

/// The turn to choose, given back when dropped.
struct Turn<'a>(&'a File);

impl<'a> Turn<'a> {
    fn of(record: &'a File) -> Result<Self, TenantError> {
        let begun = Instant::now();
        while !lock(record, TURN)? {
            if begun.elapsed() > PATIENCE {
                return Err(TenantError::Busy);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self(record))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let _given_back = fcntl(self.0, FcntlArg::F_OFD_SETLK(&byte(TURN, libc::F_UNLCK)));
    }
}

/// Locks one byte for this open file; whether nobody else had.
fn lock(record: &File, at: i64) -> Result<bool, TenantError> {
    match fcntl(record, FcntlArg::F_OFD_SETLK(&byte(at, libc::F_WRLCK))) {
        Ok(_) => Ok(true),
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
        Err(error) => Err(refused("locking the record of numbers")(error)),
    }
}

fn byte(at: i64, kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: at,
        l_len: 1,
        l_pid: 0,
    }
}

/// What the machine's own files have given away of the numbers.
fn given() -> Vec<Range<u64>> {
    let read = |path: &str| std::fs::read(path).unwrap_or_default();
    let texts = [read("/etc/passwd"), read("/etc/group")];
    let accounts = texts.iter().flat_map(|text| accounts(text));
    let texts = [read("/etc/subuid"), read("/etc/subgid")];
    let subordinates = texts.iter().flat_map(|text| subordinates(text));
    let own = |range: &Range<u64>| {
        range.start < u64::from(NUMBERS.end) && range.end > u64::from(NUMBERS.start)
    };
    accounts.chain(subordinates).filter(own).collect()
}

/// Numbers of passwd(5) and group(5).
fn accounts(text: &[u8]) -> impl Iterator<Item = Range<u64>> {
    lines(text).filter_map(|fields| {
        let number: u64 = fields.get(2)?.parse().ok()?;
        Some(number..number.saturating_add(1))
    })
}

/// Ranges of subuid(5).
fn subordinates(text: &[u8]) -> impl Iterator<Item = Range<u64>> {
    lines(text).filter_map(|fields| {
        let first: u64 = fields.get(1)?.parse().ok()?;
        let count: u64 = fields.get(2)?.parse().ok()?;
        Some(first..first.saturating_add(count))
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = Vec<String>> {
    text.split(|byte| *byte == b'\n').map(|line| {
        let fields = line.split(|byte| *byte == b':');
        fields
            .map(|field| String::from_utf8_lossy(field).trim().to_owned())
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(directory: &Path) -> File {
        record(&directory.join("record")).unwrap()
    }

    #[test]
    fn numbers_are_given_in_turn_and_once_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (opened(directory.path()), opened(directory.path()));
        let first = next(&one, &[]).unwrap();
        assert!(Tenant::is_one(first.0));
        let second = next(&other, &[]).unwrap();
        assert_ne!(first, second);
        // The turn is set back, as nobody does: what is locked is passed over.
        one.write_all_at(&u64::from(first.0 - NUMBERS.start).to_ne_bytes(), 0)
            .unwrap();
        let third = opened(directory.path());
        let given = next(&third, &[]).unwrap();
        assert!(![first, second].contains(&given));
        // What was given back does not come again before its turn.
        drop((one, third));
        let fourth = next(&opened(directory.path()), &[]).unwrap();
        assert!(![first, second, given].contains(&fourth));
    }

    #[test]
    fn what_others_were_given_is_passed_over_and_the_turn_goes_round() {
        let directory = tempfile::tempdir().unwrap();
        let file = opened(directory.path());
        let last = NUMBERS.len() as u64 - 1;
        file.write_all_at(&last.to_ne_bytes(), 0).unwrap();
        let (first, end) = (u64::from(NUMBERS.start), u64::from(NUMBERS.end));
        let given = [end - 1..end + 5, first..first + 10];
        assert_eq!(next(&file, &given).unwrap().0, NUMBERS.start + 10);
        let all = [first - 1..first + 3, first + 3..end];
        assert!(matches!(next(&file, &all), Err(TenantError::Exhausted)));
    }

    #[test]
    fn a_choice_that_does_not_end_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let (held, other) = (opened(directory.path()), opened(directory.path()));
        let turn = Turn::of(&held).unwrap();
        assert!(matches!(next(&other, &[]), Err(TenantError::Busy)));
        drop(turn);
        next(&other, &[]).unwrap();
    }

    #[test]
    fn a_record_that_others_may_write_is_none() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        opened(directory.path());
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(directory.path().join("record"), open).unwrap();
        assert!(record(&directory.path().join("record")).is_err());
        std::os::unix::fs::symlink("record", directory.path().join("link")).unwrap();
        assert!(record(&directory.path().join("link")).is_err());
    }

    #[test]
    fn files_of_accounts_are_read() {
        let text = b"root:x:0:0:root:/root:/bin/sh\n\nx:y\nlate:x:2100000007:1::/:\n";
        let ends = |range: Range<u64>| (range.start, range.end);
        let found: Vec<_> = accounts(text).map(ends).collect();
        assert_eq!(found, [(0, 1), (2_100_000_007, 2_100_000_008)]);
        let text = b"a:100000:65536\nb:5\nc:x:1\n";
        let found: Vec<_> = subordinates(text).map(ends).collect();
        assert_eq!(found, [(100_000, 165_536)]);
    }
}
