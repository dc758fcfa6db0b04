//! What is tried, and what would tell from outside that it succeeded.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{attacker::Attacker, attacks};

/// What an attempt got.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// The result of the call that went furthest, or the negative errno.
    pub(super) result: i64,
    /// What was read.
    pub(super) data: Vec<u8>,
}

impl Attempt {
    /// The first that succeeded, else the last.
    pub(super) fn best(results: impl IntoIterator<Item = i64>) -> Self {
        let mut last = 0;
        for result in results {
            last = result;
            if result >= 0 {
                break;
            }
        }
        Self {
            result: last,
            data: Vec::new(),
        }
    }
}

/// What a call that is refused answers.
pub(super) fn refused(errno: Errno) -> i64 {
    0_i64.saturating_sub(errno.raw_os_error().into())
}

/// What tells that an attempt succeeded. All but the last two are looked at from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// The secret that is kept for this case came out.
    Secret,
    /// Something in the directories of this case, but not the one for writing, is another.
    Changed,
    /// A file with set-id bits lies in the directory for writing.
    SetId,
    /// A link that the attacker made in the directory for writing.
    Escaping,
    /// One of the sockets that listen for this case saw something.
    Heard,
    /// The process of this case was signalled, stopped or moved.
    Disturbed,
    /// Something was typed into the terminal that is standard input.
    Typed,
    /// A call that has nobody outside who would see it succeeded.
    Done,
    /// Code ran that was not to: it answers 42.
    Ran,
}

/// What proves that the same sandbox does what is permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permitted {
    /// A granted file is read.
    Read,
    /// A file is made and written where that is granted.
    Write,
    /// A granted address is connected to and greets.
    Connect,
    /// A process is made and signalled.
    Process,
    /// The granted program runs.
    Program,
    /// Memory is mapped, written and read.
    Memory,
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Case {
    /// Its name, and that of its directories.
    pub(super) name: &'static str,
    /// What is tried.
    pub(super) tried: &'static str,
    /// Entries of the catalogue of the tests.
    pub(super) ids: &'static [&'static str],
    /// What holds; each of the others holds where those before it are left out.
    pub(super) held_by: &'static [&'static str],
    /// What tells that it did not hold.
    pub(super) sign: Sign,
    /// What must work beside it.
    pub(super) permitted: Permitted,
    /// The attempt.
    pub(super) attack: fn(&Attacker) -> Attempt,
}

/// All of them, in the order they are tried.
pub(super) fn all() -> Vec<&'static Case> {
    [
        attacks::FILES,
        attacks::CHANGES,
        attacks::NETWORK,
        attacks::PROCESSES,
        attacks::KERNEL,
        attacks::MEMORY,
    ]
    .into_iter()
    .flatten()
    .collect()
}
