//! What a sandbox used of what its limits bound, for hosts that account for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a sandbox used, as far as something counted it. A control group counts all that ever
/// ran in the sandbox; there is one for each limit of the policy that one can be had for.
/// Without it the kernel's accounts of the program tell, which has to end by itself for that.
/// Of workers nothing is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// From its start to its end.
    pub wall: Duration,
    /// Processor time of all processes, if a control group counts for `limits.cpu`; else that
    /// of the program and of those that it waited for.
    pub processor: Option<Duration>,
    /// Bytes: the most memory at a time of all processes and of the files they had cached, if a
    /// control group holds `limits.memory`; else the most that lay in memory of the program, or
    /// of one of those that it waited for.
    pub memory: Option<u64>,
    /// Processes and threads that were refused for `limits.processes`, if a control group
    /// holds it. The program met `EAGAIN`, and could go on.
    pub forks_refused: Option<u64>,
    /// Changes of files that were refused because `fs.scratch` was full. The program met
    /// `ENOSPC`, and could go on.
    pub space_refused: u64,
    /// Bytes of output that were passed on, if there is `limits.output`.
    pub output: Option<u64>,
}

/// What the kernel tells of a process that was waited for, and of those that it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Waited {
    /// Its wait status.
    pub(crate) raw: i32,
    /// Processor time of all of them.
    pub(crate) processor: Duration,
    /// Bytes of memory that the largest had.
    pub(crate) memory: u64,
}

impl Waited {
    /// Bytes of one on a pipe.
    pub(crate) const LENGTH: usize = 20;

    /// As its init tells the broker.
    pub(crate) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let nanoseconds = u64::try_from(self.processor.as_nanos()).unwrap_or(u64::MAX);
        let words = [
            &self.raw.to_ne_bytes()[..],
            &nanoseconds.to_ne_bytes(),
            &self.memory.to_ne_bytes(),
        ];
        bytes.copy_from_slice(&words.concat());
        bytes
    }

    /// The other way round.
    pub(crate) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Option<Self> {
        let (raw, rest) = bytes.split_first_chunk()?;
        let (nanoseconds, rest) = rest.split_first_chunk()?;
        let (memory, _) = rest.split_first_chunk()?;
        Some(Self {
            raw: i32::from_ne_bytes(*raw),
            processor: Duration::from_nanos(u64::from_ne_bytes(*nanoseconds)),
            memory: u64::from_ne_bytes(*memory),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_waited_for_is_told_whole() {
        let waited = Waited {
            raw: 0x8b,
            processor: Duration::new(7, 5000),
            memory: 9 << 40,
        };
        assert_eq!(Waited::from_bytes(waited.to_bytes()), Some(waited));
    }
}
