//! From groups, table and policy to one program.

use doorward_protocol::operation::TABLE;

use super::classes::{Classes, Outcome, Test, low, masked, whole};
use super::{Arch, Filter, FilterError, FilterRequest};
use crate::groups;
use crate::policy::CodeMap;

/// The `CLONE_NEW*` bits of clone(2).
pub(super) const NEW_NAMESPACES: u64 = 0x7e02_0000;
/// A child that is given to the caller's parent, which would reap what it did not start.
const PARENT: u64 = 0x8000;
/// A thread of the caller's process.
const THREAD: u64 = 0x1_0000;
/// Calls that make a process whatever their arguments.
const FORKS: &[&str] = &["fork", "vfork"];
/// Calls that can make memory executable: which argument says so, by which bit.
const EXECUTABLE: &[(&str, u8, u64)] = &[
    ("mmap", 2, 4),
    ("mprotect", 2, 4),
    ("pkey_mprotect", 2, 4),
    ("shmat", 2, SHM_EXEC),
];
/// Memory that is written under one address and run under another, which MDWE does not see.
const SHARED_EXECUTABLE: &[(&str, u8, u64)] = &[("shmat", 2, SHM_EXEC)];
const SHM_EXEC: u64 = 0o100_000;
const FAST_OPEN: u64 = 0x2000_0000;

/// Calls by which a zygote locks down what it forks.
const PREPARING: &[&str] = &[
    "seccomp",
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
];
/// So does setsockopt(2) with this option of `SOL_SOCKET`: whoever sends descriptors is refused.
const PASS_RIGHTS: u64 = 83;

/// What a worker loads behind the filter of its zygote.
pub(super) fn behind_zygote(arch: Arch) -> Result<Filter, FilterError> {
    let mut classes = Classes::new(arch);
    classes.allow("clone", &[masked(0, THREAD, THREAD)]);
    for name in PREPARING.iter().chain(FORKS).chain(&["clone"]) {
        classes.add(Outcome::Errno(1), name, &[]);
    }
    let option = [low(1, 1), low(2, PASS_RIGHTS)];
    classes.add(Outcome::Errno(92), "setsockopt", &option);
    classes.link(Outcome::Allow)
}

struct Draft<'a> {
    request: &'a FilterRequest<'a>,
    classes: Classes,
}

pub(super) fn assemble(request: &FilterRequest<'_>) -> Result<Filter, FilterError> {
    let mut draft = Draft {
        request,
        classes: Classes::new(request.arch),
    };
    draft.policy()?;
    draft.preparing();
    draft.allowed();
    draft.by_argument();
    draft.notified();
    draft.refused();
    // The last word is ENOSYS, so that libc can fall back.
    draft.classes.link(Outcome::Errno(38))
}

impl Draft<'_> {
    fn add(&mut self, outcome: Outcome, name: &str, tests: &[Test]) {
        self.classes.add(outcome, name, tests);
    }

    fn allow(&mut self, name: &str, tests: &[Test]) {
        self.classes.allow(name, tests);
    }

    fn errno(&mut self, errno: u32, names: &[&str]) {
        for name in names {
            self.add(Outcome::Errno(errno), name, &[]);
        }
    }

    /// What the policy adds or overrides.
    fn policy(&mut self) -> Result<(), FilterError> {
        let calls = &self.request.policy.system_calls;
        let known = |name: &String| {
            Arch::X86_64
                .number(name)
                .or(Arch::Aarch64.number(name))
                .map(|_| ())
                .ok_or_else(|| FilterError::Unknown(name.clone()))
        };
        let tabled = |name: &str| {
            TABLE
                .iter()
                .flat_map(|row| row.calls)
                .any(|call| call.name == name)
        };
        for (name, errno) in &calls.errno {
            known(name)?;
            self.add(
                Outcome::Errno(u32::try_from(*errno).unwrap_or(1).clamp(1, 4095)),
                name,
                &[],
            );
        }
        for name in &calls.allow {
            known(name)?;
            if groups::HARD.contains(&name.as_str()) || tabled(name) {
                return Err(FilterError::Forbidden(name.clone()));
            }
            self.allow(name, &[]);
        }
        Ok(())
    }

    /// What a zygote does before its worker begins.
    fn preparing(&mut self) {
        if !self.request.zygote {
            return;
        }
        for name in PREPARING {
            self.allow(name, &[]);
        }
        self.allow("setsockopt", &[low(1, 1), low(2, PASS_RIGHTS)]);
    }

    /// Calls without argument rules come first, so that the kernel's bitmap serves them.
    fn allowed(&mut self) {
        let alone = self.request.network_namespace;
        for name in groups::ALLOWED.iter().flat_map(|(_, names)| *names) {
            let judged = self.executable().iter().any(|(call, ..)| call == name);
            let reaches = !alone && groups::OUTSIDE.contains(name);
            let forks = !self.request.processes && FORKS.contains(name);
            if !judged && !reaches && !forks {
                self.allow(name, &[]);
            }
        }
    }

    /// Without namespaces of its own: of what reaches other processes and the host's objects
    /// only what is said to mean the caller.
    fn outside(&mut self) {
        if self.request.network_namespace {
            return;
        }
        for call in groups::OUTSIDE
            .iter()
            .filter(|call| call.starts_with("sched_"))
        {
            self.allow(call, &[low(0, 0)]);
        }
        self.allow("setpriority", &[low(0, 0), low(1, 0)]);
        self.errno(1, groups::OUTSIDE);
    }

    /// Calls that may not make memory executable: with `code.map = "files"` what MDWE does not
    /// see, with `"never"` all.
    fn executable(&self) -> &'static [(&'static str, u8, u64)] {
        match self.request.policy.code {
            CodeMap::Never => EXECUTABLE,
            CodeMap::Files => SHARED_EXECUTABLE,
            CodeMap::Jit => &[],
        }
    }

    /// What [`Self::executable`] names, without the bit; nothing of it where it is closed anyway.
    fn code(&mut self) {
        let alone = self.request.network_namespace;
        for (call, index, executable) in self.executable() {
            if alone || !groups::OUTSIDE.contains(call) {
                self.allow(call, &[masked(*index, *executable, 0)]);
            }
            self.errno(13, &[call]);
        }
    }

    fn by_argument(&mut self) {
        self.code();
        self.filters();
        self.outside();
        self.processes();
        self.descriptors();
        self.sockets();
    }

    /// A filter on top, which can only narrow; without flags, of which one makes a listener.
    fn filters(&mut self) {
        const SET_MODE_FILTER: u64 = 1;
        if self.request.trap {
            self.allow("seccomp", &[low(0, SET_MODE_FILTER), low(1, 0)]);
        }
    }

    fn processes(&mut self) {
        let (mask, value) = if self.request.processes {
            (NEW_NAMESPACES | PARENT, 0)
        } else {
            (NEW_NAMESPACES | PARENT | THREAD, THREAD)
        };
        self.allow("clone", &[masked(0, mask, value)]);
        self.allow("prlimit64", &[low(0, 0)]);
        for persona in [0, 0xffff_ffff] {
            self.allow("personality", &[low(0, persona)]);
        }
        // A memory file is started by its name in /proc, which the kernel also finds from a
        // granted directory outside the view; so only what can never be made executable
        // (MFD_NOEXEC_SEAL) may be had.
        self.allow("memfd_create", &[masked(1, 0x8, 0x8)]);
        for option in [
            1,
            2,
            3,
            7,
            8,
            15,
            16,
            21,
            23,
            27,
            29,
            30,
            36,
            37,
            38,
            39,
            40,
            41,
            42,
            52,
            65,
            66,
            0x5356_4d41,
        ] {
            self.allow("prctl", &[low(0, option)]);
        }
        // A process that is not dumpable could not be served; the wish is harmless to grant in word.
        self.add(Outcome::Errno(0), "prctl", &[low(0, 4)]);
    }

    fn descriptors(&mut self) {
        for command in [
            0, 1, 2, 3, 4, 5, 9, 11, 36, 1027, 1030, 1031, 1032, 1033, 1034,
        ] {
            self.allow("fcntl", &[low(1, command)]);
        }
        for command in (0x5401..=0x5404).chain(0x5409..=0x5411).chain([
            0x5413,
            0x5414,
            0x541b,
            0x5421,
            0x5422,
            0x5429,
            0x5450,
            0x5451,
            0x5460,
            0x802c_542a,
            0x402c_542b,
            0x402c_542c,
            0x402c_542d,
            0x8004_5430,
        ]) {
            self.allow("ioctl", &[low(1, command)]);
        }
        if self.request.notify {
            for command in [6, 7, 37, 38] {
                self.add(Outcome::Notify, "fcntl", &[low(1, command)]);
            }
        }
        self.errno(25, &["ioctl"]);
    }

    fn sockets(&mut self) {
        let request = self.request;
        let asks = request.notify || request.trap;
        let brokered = request.policy.has_tcp() && asks;
        let local = request.policy.has_unix() && asks;
        // What traps is asked before this refuses it.
        let brokers = if request.notify {
            Outcome::Notify
        } else {
            Outcome::Errno(13)
        };
        if brokered {
            for (family, protocol) in [(2, 0), (2, 6), (10, 0), (10, 6)] {
                self.add(
                    brokers,
                    "socket",
                    &[low(0, family), masked(1, 0xf, 1), low(2, protocol)],
                );
            }
        }
        if local {
            for kind in [1, 5] {
                self.add(brokers, "socket", &[low(0, 1), masked(1, 0xf, kind)]);
            }
        }
        for kind in [1, 5] {
            self.allow("socketpair", &[low(0, 1), masked(1, 0xf, kind)]);
            if asks && !local {
                self.allow("socket", &[low(0, 1), masked(1, 0xf, kind)]);
            }
        }
        if request.network_namespace {
            self.allow("socket", &[low(0, 2)]);
            self.allow("socket", &[low(0, 10)]);
            self.allow("socket", &[low(0, 16), low(2, 0)]);
        }
        if request.network_namespace && !brokered {
            self.allow("sendto", &[masked(3, FAST_OPEN, 0)]);
        }
        self.allow("sendto", &[masked(3, FAST_OPEN, 0), whole(4, 0)]);
        self.allow("sendmsg", &[masked(2, FAST_OPEN, 0)]);
        self.allow("sendmmsg", &[masked(3, FAST_OPEN, 0)]);
        for call in ["setsockopt", "getsockopt"] {
            for (level, options) in OPTIONS {
                for option in *options {
                    self.allow(call, &[low(1, *level), low(2, *option)]);
                }
            }
        }
        for option in [3, 4, 17, 30, 38, 39, 57] {
            self.allow("getsockopt", &[low(1, 1), low(2, option)]);
        }
        self.allow("getsockopt", &[low(1, 6), low(2, 11)]);
        self.errno(92, &["setsockopt", "getsockopt"]);
        self.errno(97, &["socket", "socketpair"]);
    }

    fn notified(&mut self) {
        for call in TABLE.iter().flat_map(|row| row.calls) {
            match call.name {
                "fcntl" | "socket" => {}
                name if self.request.notify => self.add(Outcome::Notify, name, &[]),
                // The broker is asked first, by the process itself, which then does what was
                // allowed: the working directory is judged at each use.
                name if self.request.trap && call.continued && name != "execve" => {
                    self.allow(name, &[]);
                }
                name => self.errno(13, &[name]),
            }
        }
    }

    fn refused(&mut self) {
        self.errno(95, groups::UNSUPPORTED);
        self.errno(13, groups::UNREACHABLE);
        self.errno(1, groups::FORBIDDEN);
        if !self.request.processes {
            self.errno(1, FORKS);
        }
        for name in groups::DEADLY {
            self.add(Outcome::Kill, name, &[]);
        }
    }
}

/// Socket options that neither widen a socket nor tell of the host: level, options.
const OPTIONS: &[(u64, &[u64])] = &[
    (1, &[2, 6, 7, 8, 9, 10, 13, 16, 18, 20, 21, 66, 67]),
    (6, &[1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 18]),
    (0, &[1, 10, 11]),
    (41, &[26, 67]),
];
