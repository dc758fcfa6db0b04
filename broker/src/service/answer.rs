//! What a service gives back.

use std::os::fd::OwnedFd;

use doorward_policy::Verdict;
use doorward_protocol::{FileStat, FileSystemStat};
use rustix::io::Errno;

/// The result of an operation, before a front delivers it.
#[derive(Debug)]
pub enum Answer {
    /// A number.
    Value(i64),
    /// A grant: an open file description made for it alone.
    Descriptor {
        /// The descriptor.
        descriptor: OwnedFd,
        /// Whether the asker wanted `O_CLOEXEC`.
        close_on_exec: bool,
    },
    /// Bytes.
    Bytes(Vec<u8>),
    /// A status.
    Stat(Box<FileStat>),
    /// A file-system status.
    FileSystem(Box<FileSystemStat>),
    /// Let the kernel do it: only for rows of the table marked `continued`.
    Continue,
    /// Failed or denied.
    Errno(Errno),
}

/// An answer and what was decided; the audit record is made of it.
#[derive(Debug)]
pub struct Decision {
    /// What the asker gets.
    pub answer: Answer,
    /// What the policy said.
    pub verdict: Verdict,
    /// What was decided on, for people: the canonical name where it was reached,
    /// else the name asked. Not escaped.
    pub object: Vec<u8>,
}

/// What performing came to.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Done(Decision),
    /// Only with [`super::Patience::Cached`]: ask again on a worker. Nothing has happened.
    WouldBlock,
}
