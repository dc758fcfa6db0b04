//! Watching the limits that the kernel only counts, and telling which one ended a sandbox.

use std::time::{Duration, Instant};

use doorward_policy::policy::Limits;
use serde::{Deserialize, Serialize};

use super::{
    group::Group,
    scratch::Budget,
    usage::{Usage, Waited},
};

/// Between two looks at what only a count tells.
const SELDOM: Duration = Duration::from_millis(100);
const OFTEN: Duration = Duration::from_millis(5);
/// Between two looks at the scratch directory.
const SCRATCH: Duration = Duration::from_millis(200);

/// A limit that can end a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// `limits.memory`.
    Memory,
    /// `limits.cpu`.
    Cpu,
    /// `limits.wall`.
    Wall,
    /// `fs.scratch`.
    Scratch,
    /// `limits.output`.
    Output,
    /// `limits.file_size`.
    FileSize,
}

impl Limit {
    /// Its key in the policy.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Memory => "limits.memory",
            Self::Cpu => "limits.cpu",
            Self::Wall => "limits.wall",
            Self::Scratch => "fs.scratch",
            Self::Output => "limits.output",
            Self::FileSize => "limits.file_size",
        }
    }
}

/// The limit that ended a sandbox, and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Which.
    pub limit: Limit,
    /// Its value, as people write it.
    pub value: String,
}

impl Broken {
    /// More was written than these bytes.
    pub(crate) fn output(most: u64) -> Self {
        Self {
            limit: Limit::Output,
            value: size(most),
        }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "the sandbox was ended by {} = \"{}\" of its policy; raise it if the program needs more",
            self.limit.key(),
            self.value
        )
    }
}

/// The watch over one sandbox.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    limits: &'a Limits,
    /// The size of a scratch directory that each file is held to.
    only_scratch: Option<u64>,
    group: Option<&'a Group>,
    scratch: Option<&'a Budget>,
    begun: Instant,
    deadline: Option<Instant>,
    processors: u32,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        limits: &'a Limits,
        only_scratch: Option<u64>,
        group: Option<&'a Group>,
        scratch: Option<&'a Budget>,
        processors: u32,
    ) -> Self {
        let begun = Instant::now();
        Self {
            limits,
            only_scratch,
            group,
            scratch,
            begun,
            deadline: limits.wall.and_then(|wall| begun.checked_add(wall)),
            processors,
        }
    }

    /// How long may be waited before [`Self::broken`] is asked again; `None` for ever.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let wall = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let memory = self
            .group
            .and_then(|group| group.held().memory)
            .map(|_| SELDOM);
        let cpu = self.time_left().map(|left| {
            let soonest = left.checked_div(self.processors).unwrap_or(OFTEN);
            soonest.clamp(OFTEN, SELDOM)
        });
        let scratch = self.scratch.map(|_| SCRATCH);
        [wall, memory, cpu, scratch].into_iter().flatten().min()
    }

    /// The limit that is used up.
    pub(crate) fn broken(&self) -> Option<Broken> {
        if self
            .group
            .is_some_and(|group| group.killed_for_memory() > 0)
        {
            return self.of(Limit::Memory);
        }
        if self.time_left() == Some(Duration::ZERO) {
            return self.of(Limit::Cpu);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => self.of(Limit::Wall),
            _ if self.scratch.is_some_and(Budget::outgrown) => self.of(Limit::Scratch),
            _ => None,
        }
    }

    /// The limit that a program which ended with this wait status met.
    pub(crate) fn ended(&self, raw: i32) -> Option<Broken> {
        match raw & 0x7f {
            libc::SIGXCPU if self.limits.cpu.is_some() => self.of(Limit::Cpu),
            libc::SIGXFSZ if self.file_size().is_some() => self.file_size(),
            _ => self
                .broken()
                .filter(|broken| matches!(broken.limit, Limit::Memory | Limit::Cpu)),
        }
    }

    /// What each file is held to.
    fn file_size(&self) -> Option<Broken> {
        match (self.limits.file_size, self.only_scratch) {
            (Some(size), Some(scratch)) if scratch < size => self.of(Limit::Scratch),
            (Some(_), _) => self.of(Limit::FileSize),
            (None, Some(_)) => self.of(Limit::Scratch),
            (None, None) => None,
        }
    }

    /// How long it has run until now.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What it used, once none of it runs any more, having run for `wall`.
    pub(crate) fn usage(&self, wall: Duration, waited: Option<Waited>) -> Usage {
        let counted = |count: fn(&Group) -> Option<u64>| self.group.and_then(count);
        Usage {
            wall,
            processor: self
                .group
                .and_then(Group::time_used)
                .or(waited.map(|waited| waited.processor)),
            memory: counted(Group::most_memory).or(waited.map(|waited| waited.memory)),
            forks_refused: counted(Group::forks_refused),
            space_refused: self.scratch.map_or(0, Budget::refused),
            output: None,
        }
    }

    fn time_left(&self) -> Option<Duration> {
        let used = self.group?.time_used()?;
        Some(self.limits.cpu?.saturating_sub(used))
    }

    fn of(&self, limit: Limit) -> Option<Broken> {
        let value = match limit {
            Limit::Memory => size(self.limits.memory?),
            Limit::Cpu => time(self.limits.cpu?),
            Limit::Wall => time(self.limits.wall?),
            Limit::Scratch => size(self.scratch?.most()),
            Limit::Output => size(self.limits.output?),
            Limit::FileSize => size(self.limits.file_size?),
        };
        Some(Broken { limit, value })
    }
}

/// As a policy writes it.
fn size(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.iter().find_map(|&(unit, name)| {
        let rest = bytes.checked_rem(unit)?;
        let count = bytes.checked_div(unit).filter(|&count| count > 0)?;
        (rest == 0).then(|| format!("{count}{name}"))
    });
    whole.unwrap_or_else(|| bytes.to_string())
}

fn time(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{}s", time.as_secs())
    } else {
        format!("{}ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_as_policies_write_them() {
        assert_eq!(size(64 << 20), "64MiB");
        assert_eq!(size(1 << 30), "1GiB");
        assert_eq!(size(1536), "1536");
        assert_eq!(time(Duration::from_millis(1500)), "1500ms");
        assert_eq!(time(Duration::from_secs(90)), "90s");
    }
}
