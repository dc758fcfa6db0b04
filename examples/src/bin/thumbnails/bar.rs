//! A progress bar on standard error, where that is a terminal.

use std::io::{self, IsTerminal, Write};

const WIDTH: usize = 40;

pub(crate) struct Bar {
    of: usize,
    done: usize,
    shown: bool,
}

impl Bar {
    pub(crate) fn new(of: usize) -> Self {
        let shown = io::stderr().is_terminal();
        Self { of, done: 0, shown }
    }

    /// One more is done.
    pub(crate) fn step(&mut self, broken: usize) {
        self.done = self.done.saturating_add(1);
        if self.shown {
            eprint!("\r{}", line(self.done, self.of, broken));
            let _lost = io::stderr().flush();
        }
    }

    pub(crate) fn end(&self) {
        if self.shown {
            eprintln!();
        }
    }
}

fn line(done: usize, of: usize, broken: usize) -> String {
    let full = done.saturating_mul(WIDTH).checked_div(of);
    let full = full.unwrap_or(WIDTH).min(WIDTH);
    let bar = format!("{:<WIDTH$}", "#".repeat(full));
    format!("[{bar}] {done}/{of}, {broken} broken")
}
