//! The table of what must be contained, with what came of it.

use std::{collections::BTreeSet, fmt::Write as _, io::Write as _, path::Path};

use doorward_tests::{
    Level,
    catalogue::{self, By, GROUPS},
};

use crate::attempts;

/// How each attempt is made.
const WAYS: [&str; 4] = ["notify", "api", "trap", "worker"];

/// Prints past the harness, which keeps what passing tests print, and keeps it in `target`.
pub(crate) fn publish(name: &str, text: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/containment");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(name), text).unwrap();
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}

#[test]
fn every_case_is_there_once_and_runs_or_says_why_not() {
    let rows = catalogue::rows();
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!((ids.len(), rows.len()), (245, 245), "an id is there twice");
    for (group, count) in GROUPS {
        let of_group = |row: &&catalogue::Row| row.id.split('-').next() == Some(group);
        assert_eq!(rows.iter().filter(of_group).count(), count, "{group}");
    }
    let known = catalogue::tests();
    assert!(known.contains("every_case_is_there_once_and_runs_or_says_why_not"));
    let (mut run, mut nobody) = (0, std::collections::BTreeMap::new());
    let mut text =
        String::from("| id | tried | held by | backed by | run by |\n|---|---|---|---|---|\n");
    for row in &rows {
        let by = match &row.by {
            By::Run { tests, attempts } => {
                run += 1;
                for test in tests {
                    assert!(known.contains(test), "{}: no test '{test}'", row.id);
                }
                let attempts = attempts.iter().map(|one| format!("self-test:{one}"));
                tests
                    .iter()
                    .cloned()
                    .chain(attempts)
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            By::Nobody { why, reason } => {
                *nobody.entry(why.clone()).or_insert(0) += 1;
                reason.clone()
            }
        };
        let (held, backed) = (row.held_by.join(", "), row.backed_by.join(", "));
        writeln!(
            text,
            "| {} | {} | {held} | {backed} | {by} |",
            row.id, row.tried
        )
        .unwrap();
    }
    writeln!(text, "\n{run} of 245 cases run; the others: {nobody:?}").unwrap();
    publish("catalogue.md", &text);
    assert_eq!(nobody.get("open"), None, "every case that applies is run");
}

#[test]
fn every_attempt_is_held_by_each_front_and_in_workers_at_every_level() {
    let levels: Vec<_> = Level::ALL
        .into_iter()
        .map(|level| (level, attempts::at(level)))
        .collect();
    let mut text = String::from("| case | tried | held by |");
    for (level, _) in &levels {
        write!(text, " {level}: {} | control |", WAYS.join(" / ")).unwrap();
    }
    writeln!(text, "\n|{}", "---|".repeat(3 + 2 * levels.len())).unwrap();
    let named: BTreeSet<String> = catalogue::rows()
        .into_iter()
        .filter_map(|row| match row.by {
            By::Run { attempts, .. } => Some(attempts),
            By::Nobody { .. } => None,
        })
        .flatten()
        .collect();
    let (_, first) = &levels[0];
    for (place, case) in first.iter().enumerate() {
        write!(
            text,
            "| {} | {} | {} |",
            case.case,
            case.tried,
            case.held_by.join(", ")
        )
        .unwrap();
        for (_, attempts) in &levels {
            let one = &attempts[place];
            let control = if one.control { "reached" } else { "refused" };
            write!(text, " {} | {control} |", one.told()).unwrap();
        }
        writeln!(text).unwrap();
    }
    publish("levels.md", &text);
    for (level, attempts) in &levels {
        assert!(attempts.len() >= 60, "{level}: {}", attempts.len());
        for one in attempts {
            assert!(one.held(), "{level}: {one:#?}");
            assert!(one.permitted(), "{level}: {one:#?}");
            let ways: Vec<_> = one
                .outcomes
                .iter()
                .map(|outcome| outcome.way.as_str())
                .collect();
            assert_eq!(ways, WAYS, "{level}: {one:#?}");
        }
        for name in &named {
            let there = attempts.iter().any(|one| &one.case == name);
            assert!(there, "the catalogue names self-test:{name}");
        }
    }
    // Root without a sandbox is refused nothing, so that every attempt is seen to succeed.
    for one in first {
        assert!(one.control, "{one:#?}");
    }
    let ids: BTreeSet<String> = catalogue::rows().into_iter().map(|row| row.id).collect();
    for id in first.iter().flat_map(|one| &one.ids) {
        assert!(ids.contains(id), "no case {id}");
    }
}
