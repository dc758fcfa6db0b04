//! A compiled policy: what one sandboxee may do.

use serde::{Deserialize, Serialize};

use crate::compile::{Compiled, PathRule};
use crate::matcher::{Kind, Pattern};
use crate::{AbsName, Rule, RuleId};

/// Which front carries a sandbox's operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Front {
    /// Typed calls over a lane.
    Api,
    /// The SIGSYS shim.
    Trap,
    /// Seccomp user notification.
    Notify,
    /// `notify` where it works.
    #[default]
    Auto,
}

/// Executable memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeMap {
    /// None may be mapped after start.
    Never,
    /// Of files, never writable (MDWE).
    #[default]
    Files,
    /// Anything: just-in-time compilers.
    Jit,
}

/// What a sandboxee calls its scratch directory. The last is where memory shared by name lies.
pub const SCRATCH_NAMES: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// `[identity] user`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityUser {
    /// The host user.
    #[default]
    Same,
    /// A kernel uid of its own.
    Isolated,
}

/// `[limits]`; `None` is no limit of the policy's own.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processor time.
    pub cpu: Option<std::time::Duration>,
    /// Percent of one processor.
    pub cpu_share: Option<u32>,
    /// Time on the clock.
    pub wall: Option<std::time::Duration>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Descriptors of each process.
    pub open_files: Option<u64>,
    /// Bytes of any file written.
    pub file_size: Option<u64>,
    /// Bytes written to the standard streams.
    pub output: Option<u64>,
    /// Requests a second; more are delayed.
    pub requests_per_second: Option<u32>,
}

/// `[require]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Require {
    /// Layers that must hold: `seccomp`, `landlock`, `namespaces` (user, mount, pid …), `network`, `cgroup`.
    pub layers: Vec<String>,
    /// `limits = "exact"`: each limit must be held exactly.
    pub exact_limits: bool,
}

/// `[env]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Environment {
    /// Names or globs with `*` of variables passed on.
    pub pass: Vec<String>,
    /// Variables set.
    pub set: std::collections::BTreeMap<String, String>,
}

/// `[syscalls]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SystemCalls {
    /// Calls beyond the groups, by name.
    pub allow: Vec<String>,
    /// Calls answered with an errno: name to positive errno.
    pub errno: std::collections::BTreeMap<String, i32>,
}

/// A literal directory or file below which some allow rule of the policy lies:
/// what the broker pins, binds into the view and grants itself in its own Landlock domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HullRoot {
    /// The longest literal prefix of the rule, or the whole name of a rule without globs.
    pub name: AbsName,
    /// Whether a rule below it allows write, create or delete.
    pub writes: bool,
    /// Whether an exec rule lies below it.
    pub executes: bool,
    /// Whether it is a whole name without globs.
    pub literal: bool,
}

/// An exec rule, as the launcher hands it to Landlock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecRule {
    /// The rule.
    pub rule: RuleId,
    /// The literal prefix.
    pub prefix: AbsName,
    /// The pattern below the prefix, if the rule has globs (`**` alone: the whole directory).
    pub pattern: Option<String>,
}

/// A destination of connect, as checked by the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A TCP address, as asked (embedded forms are unfolded by the decision).
    Tcp(std::net::SocketAddr),
    /// A UNIX socket by its canonical name.
    UnixPath(AbsName),
    /// A UNIX socket by its abstract name, without the leading NUL.
    UnixAbstract(Vec<u8>),
}

/// A compiled policy. Made by [`Policy::load`] or [`Policy::builtin`]; immutable.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Policy {
    /// `name`.
    pub name: String,
    /// `front`.
    pub front: Front,
    /// `fs.scratch` in bytes.
    pub scratch: Option<u64>,
    /// `[env]`.
    pub environment: Environment,
    /// `[code] map`.
    pub code: CodeMap,
    /// `[limits]`.
    pub limits: Limits,
    /// `[syscalls]`.
    pub system_calls: SystemCalls,
    /// `[identity] user`.
    pub identity: IdentityUser,
    /// `[require]`.
    pub require: Require,
    /// All rules; [`RuleId`] is the index.
    pub rules: Vec<Rule>,
    /// What decides.
    pub(crate) compiled: Compiled,
}

impl Policy {
    /// Lets one more file be read: a part of doorward itself that the program is to load. What
    /// the policy denies or hides stays so. `None` where it has more rules than can be counted.
    pub fn read_also(&mut self, name: &AbsName) -> Option<RuleId> {
        let pattern = Pattern::of(name);
        let rule = RuleId(u32::try_from(self.rules.len()).ok()?);
        self.compiled.matcher.add(&pattern, Kind::Read, rule)?;
        self.rules.push(Rule {
            key: "fs.read".to_owned(),
            text: String::from_utf8_lossy(name.as_bytes()).into_owned(),
            document: "doorward".to_owned(),
            line: 1,
            column: 1,
        });
        self.compiled.paths.push(PathRule {
            rule,
            kind: Kind::Read,
            pattern,
        });
        Some(rule)
    }
}
