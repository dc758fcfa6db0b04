//! The example that narrows its own sandbox: by itself or by its host, nothing that it dropped
//! can be had by any way, and without the narrowing all of it can.
#![allow(clippy::unwrap_used, reason = "tests stop at what they did not expect")]

use std::{
    path::Path,
    process::{Command, Output},
};

/// Runs it in the workspace's root.
fn run(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_restrict"));
    let output = command.args(arguments).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{arguments:?} {output:?}");
    output
}

/// What each attempt came to.
fn outcomes(arguments: &[&str]) -> Vec<(String, String)> {
    let output = run(arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    lines
        .map(|(what, came)| (what.to_owned(), came.to_owned()))
        .collect()
}

#[test]
fn what_was_dropped_is_had_by_no_way() {
    for how in [&["--attempts"][..], &["--by-host", "--attempts"]] {
        let outcomes = outcomes(how);
        assert_eq!(outcomes.len(), 8, "{outcomes:?}");
        for (what, came) in outcomes {
            let due = match what.as_str() {
                "a program in place of this one" => "permission denied",
                _ => "refused",
            };
            assert_eq!(came, due, "{how:?} {what}");
        }
    }
    // Without the narrowing each succeeds, but for what is no restriction at all; the last
    // becomes another program, which says nothing.
    let outcomes = outcomes(&["--unrestricted", "--attempts"]);
    assert_eq!(outcomes.len(), 7, "{outcomes:?}");
    for (what, came) in outcomes {
        let due = match what.as_str() {
            "a restriction that includes" => "refused",
            _ => "done",
        };
        assert_eq!(came, due, "{what}");
    }
}

#[test]
fn what_is_left_is_parsed() {
    for how in [&[][..], &["--by-host"]] {
        let mut arguments = how.to_vec();
        arguments.push("examples/pictures/door.png");
        let text = String::from_utf8(run(&arguments).stdout).unwrap();
        assert!(text.contains("door.png: a picture"), "{text}");
    }
}
