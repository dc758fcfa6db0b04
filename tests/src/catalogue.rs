//! What must be contained: `tests/catalogue.md`, read.

use std::{collections::BTreeSet, path::Path, process::Command};

/// Each group, and how many cases it has.
pub const GROUPS: [(&str, usize); 10] = [
    ("B", 12),
    ("S", 42),
    ("P", 40),
    ("N", 26),
    ("X", 16),
    ("I", 29),
    ("U", 22),
    ("R", 17),
    ("L", 15),
    ("Z", 26),
];

/// What can hold a case.
const LAYERS: [&str; 13] = [
    "seccomp",
    "namespaces",
    "user namespace",
    "landlock",
    "broker",
    "framing",
    "notify",
    "limits",
    "capabilities",
    "mdwe",
    "start",
    "kernel",
    "absent",
];

/// Parts that doorward does not have yet.
const PARTS: [&str; 5] = ["workers", "names", "listening", "datagrams", "daemons"];

/// Suites that run cases in their own way.
const SUITES: [&str; 4] = ["faults", "explorer", "fuzzing", "filter proof"];

/// Who runs a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Tests of this repository, and cases of the self-test.
    Run {
        /// Names of test functions.
        tests: Vec<String>,
        /// Names of cases of `doctor --self-test`.
        attempts: Vec<String>,
    },
    /// Nobody, for this reason.
    Nobody {
        /// `later`, `suite`, `absent`, `kernel` or `open`.
        why: String,
        /// All of it.
        reason: String,
    },
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Group and number.
    pub id: String,
    /// What is tried.
    pub tried: String,
    /// What must hold.
    pub held_by: Vec<String>,
    /// What must hold without that.
    pub backed_by: Vec<String>,
    /// Who runs it.
    pub by: By,
}

/// Every row, in order.
///
/// # Panics
/// When a row cannot be read: its words are checked.
#[must_use]
pub fn rows() -> Vec<Row> {
    let text = include_str!("../catalogue.md");
    let table = text.lines().filter(|line| line.starts_with("| "));
    table
        .filter(|line| !line.starts_with("| id "))
        .map(row)
        .collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [id, tried, held_by, backed_by, by] = cells.as_slice() else {
        panic!("five cells are needed: {line}");
    };
    let layers = |cell: &str| -> Vec<String> {
        let words = cell.split(',').map(str::trim).filter(|one| !one.is_empty());
        words
            .inspect(|layer| assert!(LAYERS.contains(layer), "no layer '{layer}': {line}"))
            .map(str::to_owned)
            .collect()
    };
    let row = Row {
        id: (*id).to_owned(),
        tried: (*tried).to_owned(),
        held_by: layers(held_by),
        backed_by: layers(backed_by),
        by: read(by, line),
    };
    assert!(!row.held_by.is_empty() && !row.tried.is_empty(), "{line}");
    row
}

fn read(by: &str, line: &str) -> By {
    if let Some((head, reason)) = by.split_once(':')
        && !by.starts_with("self-test:")
        && !by.starts_with('`')
    {
        let (why, among) = head.split_once(" (").map_or((head, None), |(why, among)| {
            (why, Some(among.trim_end_matches(')')))
        });
        let known = match (why, among) {
            ("later", Some(part)) => PARTS.contains(&part),
            ("suite", Some(suite)) => SUITES.contains(&suite),
            ("absent" | "kernel" | "open", None) => true,
            _ => false,
        };
        assert!(known && !reason.trim().is_empty(), "no such reason: {line}");
        return By::Nobody {
            why: why.to_owned(),
            reason: by.to_owned(),
        };
    }
    let (mut tests, mut attempts) = (Vec::new(), Vec::new());
    for word in by.split_whitespace() {
        match (word.strip_prefix("self-test:"), word.strip_prefix('`')) {
            (Some(attempt), _) => attempts.push(attempt.to_owned()),
            (None, Some(test)) => tests.push(test.trim_end_matches('`').to_owned()),
            (None, None) => panic!("neither a test nor a reason: {line}"),
        }
    }
    assert!(tests.len() + attempts.len() > 0, "nobody runs it: {line}");
    By::Run { tests, attempts }
}

/// The names of all test functions of this repository.
///
/// # Panics
/// When its sources cannot be listed.
#[must_use]
pub fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new("git");
    let listed = command.args(["ls-files", "*.rs"]).current_dir(&root);
    let listed = listed.output().expect("git lists the sources");
    assert!(listed.status.success(), "git ls-files failed");
    let mut found = BTreeSet::new();
    for file in String::from_utf8_lossy(&listed.stdout).lines() {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line == "#[test]" || line == "proptest! {" {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("fn ") {
                let name = rest.split(['(', '<']).next().unwrap_or_default();
                if is_test {
                    found.insert(name.to_owned());
                }
                is_test = false;
            }
        }
    }
    found
}
