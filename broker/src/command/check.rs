//! `doorward check`.

use std::{
    io::{stderr, stdout},
    process::ExitCode,
};

use clap::Args;
use doorward_policy::{Diagnostic, Loaded, PolicyErrors, Severity};

use crate::{
    document::load,
    tell::{FAILED, Paint},
};

/// The document is wrong, or one of its tests failed.
const WRONG: u8 = 1;

/// What `check` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Findings go to standard error, one line for each policy to standard output.\n\n\
Exit status: 0 no errors and all tests pass (warnings do not count), 1 an error or a test that \
failed, 125 a policy cannot be read."
)]
pub(crate) struct Check {
    /// Policy files, or `builtin:NAME`.
    #[arg(required = true, value_name = "FILE|builtin:NAME")]
    policies: Vec<String>,
}

impl Check {
    pub(crate) fn perform(&self) -> ExitCode {
        let worst = self.policies.iter().map(|policy| check(policy)).max();
        ExitCode::from(worst.unwrap_or(FAILED))
    }
}

/// Checks one document, and tells; its exit status.
fn check(policy: &str) -> u8 {
    match load(policy) {
        Ok(loaded) => judge(policy, &loaded),
        Err(PolicyErrors::Document(errors)) => {
            errors.iter().for_each(show);
            let verdict = Paint::for_stream(&stdout()).bad("wrong");
            println!("{policy}: {verdict}: {}", counted(errors.len(), "error"));
            WRONG
        }
        Err(error) => {
            eprintln!("doorward: {error}");
            FAILED
        }
    }
}

fn judge(policy: &str, loaded: &Loaded) -> u8 {
    loaded.warnings.iter().for_each(show);
    let failures: Vec<Diagnostic> = loaded
        .tests
        .iter()
        .filter_map(|test| {
            let outcome = test.run(&loaded.policy);
            (!outcome.passed).then(|| test.failure(&outcome))
        })
        .collect();
    failures.iter().for_each(show);
    let paint = Paint::for_stream(&stdout());
    let verdict = if failures.is_empty() {
        paint.good("ok")
    } else {
        paint.bad("wrong")
    };
    let rules = counted(loaded.policy.rules.len(), "rule");
    let tests = match (loaded.tests.len(), failures.len()) {
        (0, _) => "no tests of its own".to_owned(),
        (all, 0) => format!("{} passed", counted(all, "test")),
        (all, failed) => format!("{failed} of {} failed", counted(all, "test")),
    };
    let warnings = counted(loaded.warnings.len(), "warning");
    println!("{policy}: {verdict}: {rules}, {tests}, {warnings}");
    if failures.is_empty() { 0 } else { WRONG }
}

fn show(finding: &Diagnostic) {
    let paint = Paint::for_stream(&stderr());
    let text = finding.to_string();
    let (head, rest) = text.split_once('\n').unwrap_or((text.as_str(), ""));
    let head = match finding.severity {
        Severity::Error => paint.bad(head),
        Severity::Warning => paint.notice(head),
    };
    if rest.is_empty() {
        eprintln!("{head}");
    } else {
        eprintln!("{head}\n{rest}");
    }
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}
