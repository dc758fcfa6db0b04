//! `doorward doctor --self-test` at a level: its rows, read.

use std::process::Command;

use doorward_tests::{Level, doorward};
use serde::Deserialize;

/// One case of the self-test.
#[derive(Debug, Deserialize)]
pub(crate) struct Attempts {
    pub(crate) case: String,
    pub(crate) tried: String,
    pub(crate) ids: Vec<String>,
    pub(crate) held_by: Vec<String>,
    /// Whether it succeeds without a sandbox.
    pub(crate) control: bool,
    pub(crate) outcomes: Vec<Outcome>,
}

/// What came of it by one way.
#[derive(Debug, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) way: String,
    pub(crate) reached: bool,
    pub(crate) permitted: bool,
    pub(crate) answer: String,
}

impl Attempts {
    /// Whether no front was got round.
    pub(crate) fn held(&self) -> bool {
        self.outcomes.iter().all(|outcome| !outcome.reached)
    }

    /// Whether every front did what the policy permits.
    pub(crate) fn permitted(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.permitted)
    }

    /// The answers, by each way.
    pub(crate) fn told(&self) -> String {
        let told = |outcome: &Outcome| {
            let word = if outcome.reached { "REACHED" } else { "held" };
            format!("{word} {}", outcome.answer)
        };
        let told: Vec<_> = self.outcomes.iter().map(told).collect();
        told.join(" / ")
    }
}

/// Runs the command under test at a level.
pub(crate) fn at(level: Level) -> Vec<Attempts> {
    of(doorward(level))
}

/// Runs a command.
pub(crate) fn of(mut command: Command) -> Vec<Attempts> {
    command
        .args(["doctor", "--self-test", "--json"])
        .current_dir("/");
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&told).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{error}: {told}{said}")
    })
}
