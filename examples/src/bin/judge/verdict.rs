//! What is said of a tenant's program: whether its answer is right, or what ended it.

use std::{fmt, os::unix::process::ExitStatusExt, process::ExitStatus};

use doorward::host::{Ended, Limit, Report};
use doorward_policy::policy::Limits;
use rustix::io::Errno;

/// What became of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ended well, with the right answer.
    Accepted,
    /// It ended well, with another answer.
    Wrong,
    /// It failed, and no limit was the cause.
    Failed(ExitStatus),
    /// It came up against this limit.
    Limit(&'static str),
    /// It could not be executed.
    NotRun(Errno),
    /// The judge itself ended it.
    Killed,
}

impl Verdict {
    /// `right` says whether the answer is the one that was asked for.
    pub(crate) fn of(report: &Report, right: bool, limits: &Limits) -> Self {
        match &report.ended {
            Ended::Program(status) if status.success() && right => Self::Accepted,
            Ended::Program(status) if status.success() => Self::Wrong,
            Ended::Program(status) => {
                refused(report, limits).map_or(Self::Failed(*status), Self::Limit)
            }
            // A program that was refused something and did not mind ends by its time alone.
            Ended::Limit(broken) if matches!(broken.limit, Limit::Cpu | Limit::Wall) => {
                Self::Limit(refused(report, limits).unwrap_or(broken.limit.key()))
            }
            Ended::Limit(broken) => Self::Limit(broken.limit.key()),
            Ended::Exec(errno) => Self::NotRun(*errno),
            Ended::Killed => Self::Killed,
        }
    }
}

/// The limit for which the program was refused something, by an errno.
fn refused(report: &Report, limits: &Limits) -> Option<&'static str> {
    let usage = &report.usage;
    if usage.forks_refused.is_some_and(|count| count > 0) {
        return Some("limits.processes");
    }
    if usage.space_refused > 0 {
        return Some(Limit::Scratch.key());
    }
    // Without a control group nobody counts what a program was refused, but it used most of it.
    let most = limits.memory?;
    let used = usage.memory?;
    (used >= most.saturating_sub(most / 8)).then(|| Limit::Memory.key())
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => formatter.write_str("accepted"),
            Self::Wrong => formatter.write_str("wrong answer"),
            Self::Failed(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(formatter, "failed with status {code}"),
                (None, signal) => write!(formatter, "ended by signal {}", signal.unwrap_or(0)),
            },
            Self::Limit(key) => write!(formatter, "ended by {key}"),
            Self::NotRun(errno) => write!(formatter, "not run: {errno}"),
            Self::Killed => formatter.write_str("killed"),
        }
    }
}
