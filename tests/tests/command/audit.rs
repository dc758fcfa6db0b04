//! `run --audit`: what is recorded, and that `explain` says the same.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use doorward::audit::{Denied, Event, Record};

use doorward_tests::Level;

use crate::place::Place;

fn records(path: &Path) -> Vec<Record> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn denials(path: &Path) -> Vec<Denied> {
    records(path)
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Denied(denied) => Some(*denied),
            _ => None,
        })
        .collect()
}

/// Asks `doorward explain` the words of a record: a denial for the same reason and rule.
#[track_caller]
fn explained(place: &Place, policy: &str, denied: &Denied) {
    let words = denied
        .explain
        .as_ref()
        .unwrap_or_else(|| panic!("{denied:#?}"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = place
        .doorward(&[&["explain", policy][..], &words].concat())
        .ended(1);
    assert!(said.out.starts_with("deny: "), "{said:#?}");
    assert!(
        said.out.contains(&format!("reason: {}\n", denied.reason)),
        "{said:#?}"
    );
    let change = denied.change.as_ref().unwrap();
    assert!(said.out.contains(change.as_str()), "{said:#?} {denied:#?}");
    match &denied.rule {
        Some(rule) => assert!(said.out.contains(&rule.at), "{said:#?} {denied:#?}"),
        None => assert!(!said.out.contains("rule: "), "{said:#?}"),
    }
}

#[test]
fn one_denial_is_one_record_and_explain_agrees() {
    for level in Level::ALL {
        let place = Place::of(level);
        let run = |file: &str| place.doorward(&["run", "--audit", "log", "--", "/bin/cat", file]);
        run("/etc/shadow").ended(1).complained(&["audit: log"]);
        let log = place.path().join("log");
        assert_eq!(
            fs::metadata(&log).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let all = records(&log);
        let Event::Start(start) = &all[0].event else {
            panic!("{all:#?}");
        };
        assert_eq!(
            (start.policy.as_str(), start.front.as_str()),
            ("default", "notify")
        );
        assert_eq!(start.level.name(), level.name());
        let held = |name: &str| {
            start
                .layers
                .iter()
                .any(|layer| layer.name == name && layer.held)
        };
        assert!(held("seccomp") && held("landlock"), "{start:#?}");
        let with_view = Level::WITH_VIEW.contains(&level);
        assert_eq!((held("view"), held("namespaces")), (with_view, with_view));
        assert!(matches!(all.last().unwrap().event, Event::End(_)));
        let denied = denials(&log);
        let [denied] = denied.as_slice() else {
            panic!("{denied:#?}");
        };
        assert_eq!(
            (denied.operation.as_str(), denied.verdict.as_str()),
            ("open", "deny")
        );
        assert_eq!(
            (denied.front.as_str(), denied.result.as_str()),
            ("notify", "EACCES")
        );
        assert!(denied.process > 1 && denied.latency < 10_000_000);
        explained(&place, "builtin:default", denied);
        // The next run is added to the same file, under a name of its own.
        run("/etc/os-release").ended(0);
        let again = records(&log);
        let sessions: std::collections::BTreeSet<&str> =
            again.iter().map(|record| record.session.as_str()).collect();
        assert_eq!(sessions.len(), 2);
        assert_eq!(denials(&log).len(), 1);
        let read = again.iter().any(|record| match &record.event {
            Event::Allowed(allowed) => {
                allowed.operation == "open"
                    && allowed
                        .rule
                        .as_ref()
                        .is_some_and(|rule| rule.key == "fs.read")
            }
            _ => false,
        });
        assert!(read, "what was allowed is counted by rule and object");
    }
}

/// Operations of each kind that a policy denies, with a denying rule, a rule that does not
/// suffice, and none.
#[test]
fn explain_agrees_on_every_kind_of_denial() {
    const SCRIPT: &str = "
import os, socket
def attempt(work):
    try: work()
    except OSError: pass
def tcp(port):
    with socket.socket() as s: s.connect(('127.0.0.1', port))
def unix(name):
    with socket.socket(socket.AF_UNIX) as s: s.connect(name)
for work in [
    lambda: tcp(9), lambda: unix('/run/other.sock'), lambda: unix('\\0other'),
    lambda: open('/etc/shadow'), lambda: open('here', 'w'), lambda: open('here', 'r+'),
    lambda: open('secret/x'), lambda: os.mkdir('d'), lambda: os.unlink('here'),
    lambda: os.rename('here', 'there'), lambda: os.symlink('here', 'there'),
    lambda: os.link('here', 'there'), lambda: os.chmod('here', 0), lambda: os.truncate('here', 0),
    lambda: os.utime('here'), lambda: os.rmdir('secret'), lambda: os.stat('/root/x'),
    lambda: os.readlink('/root/x'), lambda: os.access('/root/x', os.R_OK),
    lambda: os.listdir('/home'), lambda: open('fifo'), lambda: os.execv('/etc/hostname', ['x']),
]: attempt(work)
";
    for level in Level::ALL {
        let place = Place::of(level);
        place.file("here", "content", 0o644);
        place.file("secret/x", "secret", 0o644);
        let made = place.native("/usr/bin/mkfifo").arg("fifo").status();
        assert!(made.unwrap().success());
        let text = "version = 1\ninclude = [\"builtin:default\"]\n[fs]\ndeny = [\"${CWD}/secret/**\"]\n\
                    [net]\nconnect = [\"tcp:192.0.2.1:9\"]\nunix = [\"/run/none.sock\"]\n";
        place.file("p.toml", text, 0o644);
        place
            .doorward(&[
                "run",
                "--policy",
                "p.toml",
                "--audit",
                "log",
                "--",
                "/usr/bin/python3",
                "-I",
                "-c",
                SCRIPT,
            ])
            .ended(0);
        let denied = denials(&place.path().join("log"));
        let seen = |operation: &str| denied.iter().any(|one| one.operation == operation);
        for operation in [
            "connect", "open", "mkdir", "unlink", "rename", "symlink", "link", "chmod", "truncate",
            "utimens", "rmdir", "stat", "readlink", "access", "exec",
        ] {
            assert!(seen(operation), "{operation} is missing: {denied:#?}");
        }
        assert_eq!(
            denied
                .iter()
                .filter(|one| one.operation == "connect")
                .count(),
            3
        );
        assert!(
            denied
                .iter()
                .any(|one| one.reason == "a deny rule names it")
        );
        assert!(denied.iter().any(|one| {
            let words = one.explain.as_ref().unwrap();
            words[0] == "device" && words[1].ends_with("/fifo")
        }));
        for one in &denied {
            explained(&place, "p.toml", one);
        }
        assert_eq!(fs::read(place.path().join("here")).unwrap(), b"content");
    }
}

#[test]
fn a_sink_that_takes_nothing_neither_stops_nor_delays_the_program() {
    for level in Level::ALL {
        let place = Place::of(level);
        let said = place
            .doorward(&[
                "run",
                "--audit",
                "/dev/full",
                "--",
                "/bin/sh",
                "-c",
                "exit 4",
            ])
            .ended(4);
        assert!(
            said.err.contains("could not be written to the audit log"),
            "{said:#?}"
        );
        let made = place.native("/usr/bin/mkfifo").arg("fifo").status();
        assert!(made.unwrap().success());
        place
            .doorward(&["run", "--audit", "fifo", "--", "/bin/true"])
            .ended(125)
            .complained(&["FIFO", "reader"]);
    }
}
