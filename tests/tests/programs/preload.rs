//! `--front trap`: dynamic programs, with the library of the trap front loaded into them.

use std::{collections::BTreeSet, process::Command};

use doorward_tests::{Ended, Level, Run, Snapshot, Tree, built};
use serde_json::Value;

use crate::binaries::{source, static_bytes};

const POLICY: &str = "preload";

fn prepare(tree: &Tree) {
    tree.file("in", "two\none\nthree\n");
    tree.file("children.py", std::fs::read(source("children.py")).unwrap());
}

/// A run by a front, and what it wrote into the audit log.
fn by(front: &str, tree: &Tree, run: &Run<'_>) -> (Ended, Vec<Value>) {
    let audit = tree.name("../audit");
    let _fresh = std::fs::remove_file(&audit);
    let run = run.clone().option("--front").option(front);
    let ended = run.option("--audit").option(&audit).under(POLICY);
    let records = std::fs::read_to_string(&audit).unwrap_or_default();
    let records = records
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (ended, records.collect())
}

/// What was denied, whoever asked and however often.
fn denials(records: &[Value]) -> BTreeSet<String> {
    let of_one = |record: &&Value| {
        ["operation", "object", "rule", "result", "reason"]
            .map(|key| record[key].to_string())
            .join(" ")
    };
    of(records, "denied").iter().map(of_one).collect()
}

fn of<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records
        .iter()
        .filter(|record| record["record"] == kind)
        .collect()
}

/// How many lanes were handed out: by notification alone none is.
fn lanes(records: &[Value]) -> u64 {
    let allowed = of(records, "allowed");
    let lanes = allowed
        .iter()
        .filter(|record| record["operation"] == "lane");
    lanes.filter_map(|record| record["count"].as_u64()).sum()
}

fn same_as_native(words: &[&str], least: u64) {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let kept = |tree: &Tree| Snapshot::of(&tree.work());
        prepare(&tree);
        let native = Run::new(&tree, words).native().succeeded();
        let left = kept(&tree);
        tree.clear();
        prepare(&tree);
        let (ended, records) = by("trap", &tree, &Run::new(&tree, words));
        let shown = format!("{words:?} at {level}: {}", ended.error());
        assert_eq!((ended.code(), ended.text()), (0, native.text()), "{shown}");
        assert_eq!(
            left.differences(&kept(&tree)),
            Vec::<String>::new(),
            "{shown}"
        );
        assert!(lanes(&records) >= least, "{shown}: {records:#?}");
        assert_eq!(of(&records, "start")[0]["front"], "trap");
        tree.clear();
        prepare(&tree);
        let (_, notified) = by("notify", &tree, &Run::new(&tree, words));
        assert_eq!(lanes(&notified), 0);
        assert_eq!(denials(&records), denials(&notified), "{shown}");
    }
}

#[test]
fn cat_by_trap() {
    same_as_native(&["/usr/bin/cat", "in"], 1);
}

#[test]
fn ls_by_trap() {
    same_as_native(&["/usr/bin/ls", "-nR", "--time-style=+", "."], 1);
}

#[test]
fn a_pipeline_of_bash_by_trap() {
    let script = "sort in | tr a-z A-Z > out; cat < out | wc -l; for i in 1 2 3; do cat in; done | sort -u; \
                  (cd / && pwd); x=$(cat in); echo \"$x\"; ! cat missing 2> /dev/null";
    same_as_native(&["/usr/bin/bash", "-c", script], 8);
}

#[test]
fn python_with_children_by_trap() {
    same_as_native(&["/usr/bin/python3", "children.py"], 8);
}

#[test]
fn what_is_denied_is_told_once_and_by_trap() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        prepare(&tree);
        let ask = "for way in open, __import__('os').stat, __import__('os').unlink:\n\
                   \x20try: way('denied')\n\
                   \x20except OSError as error: print(error.errno)";
        tree.file("denied", "secret");
        let run = Run::new(&tree, ["/usr/bin/python3", "-c", ask]);
        let told = |front: &str| {
            let (ended, records) = by(front, &tree, &run);
            let error = ended.error();
            assert_eq!(ended.text(), "13\n13\n13\n", "{level} {front}: {error}");
            let denied = of(&records, "denied").into_iter();
            let of_it =
                denied.filter(|record| record["object"] == tree.name("denied").to_str().unwrap());
            let told: Vec<_> = of_it
                .map(|record| {
                    ["front", "operation", "rule", "result"].map(|key| record[key].clone())
                })
                .collect();
            (told, denials(&records))
        };
        let ((trapped, all), (notified, all_notified)) = (told("trap"), told("notify"));
        let wanted = |front: &str| {
            let rule = &notified[0][2];
            ["open", "stat", "unlink"]
                .map(|name| [front.into(), name.into(), rule.clone(), "EACCES".into()])
        };
        assert_eq!(trapped, wanted("trap"), "{level}");
        assert_eq!(notified, wanted("notify"), "{level}");
        assert_eq!(all, all_notified, "{level}");
    }
}

#[test]
fn a_static_program_wants_notify() {
    let tree = Tree::new(Level::Root);
    prepare(&tree);
    tree.program("static", static_bytes("gcc"));
    let (ended, _) = by("trap", &tree, &Run::new(&tree, ["./static"]));
    assert_eq!(ended.code(), 126);
    let told = ended.error();
    assert!(told.contains("static: linked statically"), "{told}");
    assert!(told.contains("--front notify"), "{told}");
    // What a program of the trap front executes is asked by notification.
    let (ended, records) = by(
        "trap",
        &tree,
        &Run::new(&tree, ["/usr/bin/bash", "-c", "./static; echo $?"]),
    );
    assert!(ended.text().contains("child 1"), "{}", ended.text());
    assert!(ended.text().ends_with("42\n"), "{}", ended.text());
    assert!(lanes(&records) > 0);
}

#[test]
fn what_else_is_to_be_loaded_stays() {
    let tree = Tree::new(Level::Root);
    let other = "/usr/lib/x86_64-linux-gnu/libm.so.6";
    let run = Run::new(&tree, ["/usr/bin/printenv", "LD_PRELOAD"]).variable("LD_PRELOAD", other);
    let (ended, _) = by("trap", &tree, &run);
    let text = ended.succeeded().text();
    let (ours, theirs) = text.trim().split_once(':').unwrap();
    assert!(ours.ends_with("/libdoorward_preload.so"), "{text}");
    assert_eq!(theirs, other);
}

/// The command as it is without what it loads.
#[test]
fn a_library_that_is_not_there_is_told() {
    let tree = Tree::new(Level::Root);
    let command = tree.name("doorward");
    let copied = Command::new("/bin/cp").arg(built()).arg(&command).status();
    assert!(copied.unwrap().success());
    let run = |front| {
        let mut run = Command::new(&command);
        run.args(["run", "--front", front, "--", "/usr/bin/true"])
            .current_dir(tree.work());
        run.output().unwrap()
    };
    // The control.
    assert!(run("notify").status.success());
    let output = run("trap");
    assert_eq!(output.status.code(), Some(125));
    let error = String::from_utf8_lossy(&output.stderr);
    for part in [
        "libdoorward_preload.so",
        "beside this executable",
        "--front notify",
    ] {
        assert!(error.contains(part), "{error}");
    }
}
