//! One run of the suite, and what is held together.

use std::{
    collections::BTreeMap,
    os::unix::{fs::MetadataExt, net::UnixListener},
    path::Path,
    process::Stdio,
};

use doorward_protocol::operation::{Fronts, TABLE};
use doorward_tests::{
    Level, Snapshot, Tree,
    conformance::{Case, FRONTS, SINGLE, Single, TREES, cases, trees},
};
use serde_json::Value;

/// EACCES.
const DENIED: &str = "errno 13";

/// What one run left.
pub(crate) struct Suite {
    tree: Tree,
    /// Of each front: what was answered to each case.
    outcomes: [BTreeMap<String, String>; 3],
    records: Vec<Value>,
}

impl Suite {
    /// Makes the trees and runs `doorward-conformance` at a level.
    pub(crate) fn run(level: Level) -> Self {
        let tree = Tree::new(level);
        let mut listeners = Vec::new();
        for front in TREES {
            // The last is for the rows of one front.
            for number in 0..=trees() {
                listeners.push(plant(&tree, &format!("{front}/{number}")));
            }
        }
        let policy = tree.file("../conformance.toml", include_bytes!("policy.toml"));
        let audit = tree.file("../audit", "");
        let mut command = level.command(env!("CARGO_BIN_EXE_doorward-conformance"));
        command.args([&policy, &audit]).arg(tree.work());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{level}: {} {error}",
            output.status
        );
        let mut outcomes = FRONTS.map(|_| BTreeMap::new());
        let text = String::from_utf8(output.stdout).unwrap();
        // The program of the typed spawn writes to the same stream.
        assert!(text.contains("coreutils"), "{level}: {text}");
        for line in text.lines().filter(|line| line.starts_with('[')) {
            let [front, case, outcome]: [String; 3] = serde_json::from_str(line).unwrap();
            let place = FRONTS.iter().position(|one| *one == front).unwrap();
            outcomes[place].insert(case, outcome);
        }
        let records = std::fs::read_to_string(&audit).unwrap();
        Self {
            records: records
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            tree,
            outcomes,
        }
    }

    /// The same value or errno for each case.
    pub(crate) fn equal_outcomes(&self) {
        let mut differences = Vec::new();
        for (number, case) in cases().iter().enumerate() {
            let answers = self
                .outcomes
                .each_ref()
                .map(|answers| neutral(&answers[&number.to_string()]));
            if answers.iter().any(|answer| *answer != answers[0]) {
                differences.push(format!("{case:?}: {FRONTS:?} {answers:?}"));
            }
        }
        let level = self.tree.level();
        assert!(
            differences.is_empty(),
            "{level}\n{}",
            differences.join("\n")
        );
    }

    /// The same is left on disk, times that were set too, and nothing outside was touched.
    pub(crate) fn equal_traces(&self) {
        let level = self.tree.level();
        let last = self.tree.name(&format!("{}/{}", TREES[0], trees()));
        let untouched = Snapshot::of(&last).0.len();
        let mut changed = 0;
        for number in 0..trees() {
            let trees = TREES.map(|trees| self.tree.name(&format!("{trees}/{number}")));
            let [api, others @ ..] = trees
                .each_ref()
                .map(|tree| without_targets(Snapshot::of(tree)));
            for other in others {
                let differences = api.differences(&other);
                assert!(
                    differences.is_empty(),
                    "{level} tree {number}: {differences:?}"
                );
            }
            let [api_times, other_times @ ..] = trees.each_ref().map(|tree| set_times(tree));
            for times in other_times {
                assert_eq!(api_times, times, "{level} tree {number}");
            }
            for tree in &trees {
                for kept in ["out/file", "rw/secret/file", "rw/hidden/file", "in/file"] {
                    let content = std::fs::read_to_string(tree.join(kept)).unwrap();
                    assert_eq!(content, kept, "{level} tree {number}");
                }
                assert!(!tree.join("out/missing").exists());
            }
            changed += usize::from(api.0.len() != untouched);
        }
        assert!(changed > 0, "no case made or removed anything");
    }

    /// The same records: operation, verdict, rule, object, result.
    pub(crate) fn equal_records(&self) {
        let of = |front: &str| {
            let own = FRONTS.iter().position(|one| *one == front).unwrap();
            let apart = apart(TREES[own]);
            let is_apart = |line: &String| apart.iter().any(|part| line.contains(part));
            let told = |record| told(record, front).filter(|line| !is_apart(line));
            let mut lines: Vec<String> = self.records.iter().filter_map(told).collect();
            for line in &mut lines {
                *line = neutral(line);
            }
            lines.sort();
            lines
        };
        let [api, others @ ..] = FRONTS.map(of);
        let only = |left: &[String], right: &[String]| {
            let missing = left.iter().filter(|line| !right.contains(line));
            missing.cloned().collect::<Vec<_>>().join("\n")
        };
        for (other, front) in others.iter().zip(&FRONTS[1..]) {
            assert!(
                api == *other,
                "{}: api alone:\n{}\n{front} alone:\n{}",
                self.tree.level(),
                only(&api, other),
                only(other, &api)
            );
        }
        assert!(api.len() > cases().len() / 2, "only {} records", api.len());
        let dropped = |record: &Value| record["record"] == "dropped";
        assert!(!self.records.iter().any(dropped));
    }

    /// Each operation succeeded in some case and was denied in another, by each front.
    pub(crate) fn both_ways(&self) {
        for row in TABLE.iter().filter(|row| row.fronts == Fronts::All) {
            for (front, answers) in FRONTS.iter().zip(&self.outcomes) {
                let answers: Vec<&String> = cases()
                    .iter()
                    .enumerate()
                    .filter(|(_, case)| case.ask.operation() == row.operation)
                    .map(|(number, _)| &answers[&number.to_string()])
                    .collect();
                let succeeded = answers.iter().any(|answer| answer.starts_with("ok"));
                let denied = answers.iter().any(|answer| *answer == DENIED);
                let level = self.tree.level();
                assert!(succeeded && denied, "{level} {front} {}", row.name);
            }
        }
    }

    /// What rows of one front answer.
    pub(crate) fn single_rows(&self) {
        let [api, notify, trap] = &self.outcomes;
        let level = self.tree.level();
        for (row, answer) in [
            ("spawn", "ok started"),
            ("wait", "ok Some(ExitStatus(unix_wait_status(0)))"),
            ("spawn, wrong arguments", DENIED),
            ("spawn, no rule", DENIED),
            ("forget", "ok forgotten"),
            ("execve of what is spawned", DENIED),
        ] {
            assert_eq!(api[row], answer, "{level} {row}");
        }
        assert!(api["lane"].starts_with("ok "), "{level} {}", api["lane"]);
        for (answers, trees_of) in [(notify, TREES[1]), (trap, TREES[2])] {
            let directory = self
                .tree
                .name(&format!("{trees_of}/{}/rw/directory", trees()));
            let here = format!("ok {}", directory.display());
            for (row, answer) in [
                ("chdir", "ok done"),
                ("chdir, no rule", DENIED),
                ("getcwd", here.as_str()),
                ("lock", "ok done"),
                ("watch", "ok done"),
                ("watch, no rule", DENIED),
                ("exec", DENIED),
            ] {
                assert_eq!(answers[row], answer, "{level} {trees_of} {row}");
            }
            let [socket, bind, listen] = ["socket", "bind", "listen"].map(|row| &answers[row]);
            assert!(socket.starts_with("ok "), "{level} {socket}");
            assert!(
                bind.starts_with("errno") && listen.starts_with("errno"),
                "{level} {bind} {listen}"
            );
            assert_eq!([bind, listen], ["bind", "listen"].map(|row| &notify[row]));
        }
    }
}

/// Makes the tree of one case.
fn plant(tree: &Tree, at: &str) -> UnixListener {
    let name = |name: &str| format!("{at}/{name}");
    for file in ["rw/file", "rw/other", "rw/full/file", "in/file", "out/file"] {
        tree.file(&name(file), file);
    }
    for file in ["rw/hidden/file", "rw/secret/file", "rw/directory/inner"] {
        tree.file(&name(file), file);
    }
    std::fs::remove_file(tree.name(&name("rw/directory/inner"))).unwrap();
    let (user, group) = tree.level().ids();
    let owned = |path: &Path| std::os::unix::fs::lchown(path, Some(user), Some(group)).unwrap();
    let absolute = tree.name(&name("rw/file"));
    for (link, target) in [
        ("link-in", "file"),
        ("link-out", "../out/file"),
        ("link-secret", "secret/file"),
        ("link-missing", "missing"),
        ("link-loop", "link-loop"),
        ("link-absolute", absolute.to_str().unwrap()),
        ("link-directory", "full"),
        ("link-up", ".."),
    ] {
        owned(&tree.link(target, &name(&format!("rw/{link}"))));
    }
    let fifo = tree.name(&name("rw/fifo"));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
    owned(&fifo);
    let socket = tree.name(&name("rw/socket"));
    let listener = UnixListener::bind(&socket).unwrap();
    owned(&socket);
    listener
}

/// An outcome without the front's name in paths.
fn neutral(text: &str) -> String {
    let named = TREES.map(|trees| format!("/work/{trees}/"));
    named.iter().fold(text.to_owned(), |text, trees| {
        text.replace(trees, "/work/TREES/")
    })
}

/// A snapshot in which links by absolute name to the tree itself are alike.
fn without_targets(mut snapshot: Snapshot) -> Snapshot {
    for entry in snapshot.0.values_mut() {
        let text = String::from_utf8_lossy(&entry.content).into_owned();
        entry.content = neutral(&text).into_bytes();
    }
    snapshot
}

/// Whose times are those that the suite sets.
fn set_times(tree: &Path) -> Vec<String> {
    let names = [
        "rw/file",
        "rw/other",
        "rw/directory",
        "rw/link-in",
        "rw/full",
    ];
    let is_set = |name: &&&str| {
        let status = tree.join(name).symlink_metadata();
        status.is_ok_and(|status| status.mtime() == 1_100_000_000 && status.mtime_nsec() == 7)
    };
    names
        .iter()
        .filter(is_set)
        .map(ToString::to_string)
        .collect()
}

/// What a record of a case's tree by this front says, in the words that both must share.
fn told(record: &Value, front: &str) -> Option<String> {
    let kind = record["record"].as_str()?;
    let object = record["object"].as_str().unwrap_or_default();
    let own = FRONTS.iter().position(|one| *one == front)?;
    let trees = TREES[own];
    let mine = match kind {
        "denied" => record["front"] == front,
        "allowed" => object.contains(&format!("/work/{trees}/")),
        _ => false,
    };
    let operation = record["operation"].as_str().unwrap_or_default();
    let single = |single: &Single| single.operation.name() == operation;
    if !mine || SINGLE.iter().any(single) {
        return None;
    }
    let rule = &record["rule"]["text"];
    let fields = ["verdict", "reason", "result", "count", "failed"];
    let words: Vec<String> = fields
        .iter()
        .map(|field| record[*field].to_string())
        .collect();
    let arguments = asked(record["arguments"].clone());
    let object = without_port(object);
    let words = words.join(" ");
    Some(format!(
        "{kind} {operation} {object} {rule} {arguments} {words}"
    ))
}

/// Arguments without what no two fronts share: the number of the asker's own socket, its
/// listener's port, and the flag that C libraries add to every open.
fn asked(mut arguments: Value) -> String {
    const LARGE_FILE: &str = "0x8000";
    if let Some(fields) = arguments.as_object_mut() {
        fields.remove("descriptor");
        if let Some(Value::String(address)) = fields.get_mut("address") {
            *address = without_port(address);
        }
        if let Some(Value::Array(flags)) = fields.get_mut("flags") {
            flags.retain(|flag| flag != LARGE_FILE);
        }
    }
    arguments.to_string()
}

/// What the lines to leave out hold. The tree of the rows of one front; and the empty name,
/// which by `notify` is no name, as the kernel has it, so that no request is made of it.
fn apart(front: &str) -> Vec<String> {
    let empty = |case: &&Case| case.name.is_empty() && !case.ask.only_looks();
    let cases = cases();
    let numbers = cases.iter().filter(empty).map(|case| case.tree);
    let mut parts: Vec<String> = numbers
        .chain([trees()])
        .map(|number| format!("/work/{front}/{number}/"))
        .collect();
    parts.push("\"path\":\"\"".to_owned());
    parts
}

fn without_port(address: &str) -> String {
    match address
        .strip_prefix("tcp:")
        .and_then(|rest| rest.rsplit_once(':'))
    {
        Some((host, _)) => format!("tcp:{host}"),
        None => address.to_owned(),
    }
}
