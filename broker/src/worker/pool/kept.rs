//! Inputs that ended a worker.

use std::collections::VecDeque;

use super::super::CallError;

/// A call that ended its worker, as it can be made again, in a debugger or a fuzzer's corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// On whose behalf it was made.
    pub tenant: u64,
    /// The method.
    pub method: &'static str,
    /// Its encoded arguments.
    pub arguments: Vec<u8>,
    /// Its input.
    pub input: Vec<u8>,
    /// How the worker ended.
    pub error: CallError,
}

/// The latest of them.
#[derive(Debug, Default)]
pub(super) struct Latest(VecDeque<Kept>);

impl Latest {
    /// Keeps one more, of at most so many.
    pub(super) fn keep(&mut self, kept: Kept, most: usize) {
        self.0.push_back(kept);
        while self.0.len() > most {
            self.0.pop_front();
        }
    }

    pub(super) fn take(&mut self) -> Vec<Kept> {
        std::mem::take(&mut self.0).into()
    }
}
