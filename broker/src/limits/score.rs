//! The score by which the kernel, out of memory, chooses whom to kill: higher for a sandboxee
//! than for its broker.

use std::{
    fs::File,
    io::{Read, Write},
};

/// What is added for the launcher and its children.
const ADDED: i32 = 300;
/// The kernel's own bound.
const MOST: i32 = 1000;

/// While it lives, what the calling process forks has a higher score. It is opened before the
/// process enters a Landlock domain in which /proc cannot be written.
#[derive(Debug)]
pub(crate) struct Raised {
    score: File,
    before: i32,
}

impl Raised {
    /// Raises the score; `None` where that cannot be had.
    pub(crate) fn now() -> Option<Self> {
        let mut score = File::options()
            .read(true)
            .write(true)
            .open("/proc/self/oom_score_adj")
            .ok()?;
        let mut text = String::new();
        score.read_to_string(&mut text).ok()?;
        let before: i32 = text.trim().parse().ok()?;
        let raised = before.saturating_add(ADDED).min(MOST);
        score.write_all(raised.to_string().as_bytes()).ok()?;
        Some(Self { score, before })
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        let _kept = self.score.write_all(self.before.to_string().as_bytes());
    }
}
