//! How findings look: file:line:col, the line, a caret, the likely spelling.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use doorward_policy::{AbsName, Access, Expansion, Policy, PolicyErrors, Question};

fn errors(text: &str) -> PolicyErrors {
    Policy::parse(
        text,
        "my.toml",
        Path::new("/nowhere"),
        &Expansion::default(),
    )
    .unwrap_err()
}

#[test]
fn an_unknown_key_shows_its_line_and_the_likely_spelling() {
    assert_eq!(
        errors("version = 1\n[fs]\nraed = [\"/a\"]\n").to_string(),
        "my.toml:3:1: unknown key `raed`\n  3 | raed = [\"/a\"]\n    | ^^^^\n  help: did you mean `read`?"
    );
}

#[test]
fn the_caret_stands_under_the_entry_that_is_wrong() {
    assert_eq!(
        errors("version = 1\n[fs]\nread = [\"/ä\", \"b/**\"]\n").to_string(),
        "my.toml:3:16: `b/**`: the path is relative\n  3 | read = [\"/ä\", \"b/**\"]\n    |               ^^^^^^\n  help: write `${CWD}/b/**` or an absolute path"
    );
}

#[test]
fn every_wrong_entry_is_shown() {
    let all = errors("version = 1\n[fs]\nread = [\"a\", \"b\"]\nwrite = [\"~/c\"]\n");
    let lines: Vec<_> = all
        .diagnostics()
        .iter()
        .map(|one| (one.line, one.column))
        .collect();
    assert_eq!(lines, [(3, 9), (3, 14), (4, 10)]);
}

#[test]
fn broken_toml_shows_where() {
    let shown = errors("version = 1\n[fs\n").to_string();
    assert!(shown.starts_with("my.toml:2:"), "{shown}");
    let shown = errors("version = 1\n[fs]\nread = 5\n").to_string();
    assert!(shown.starts_with("my.toml:3:8: invalid type"), "{shown}");
}

#[test]
fn nothing_in_a_document_steers_the_terminal() {
    let shown = errors("version = 1\n[fs]\n\"\\u001b[2Jx\" = 5 # \u{9b}\n").to_string();
    assert!(!shown.contains(['\u{1b}', '\u{9b}']), "{shown:?}");
    let shown = errors("version = 1\n[fs]\nread = [\"\\u001b[2Jx\"]\n").to_string();
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn no_document_panics() {
    let whole = include_str!("../src/profiles/default.toml");
    for end in (0..whole.len()).step_by(7) {
        let _ = Policy::parse(&whole[..end], "x", Path::new("/"), &Expansion::default());
    }
}

#[test]
fn an_explanation_names_the_rule_and_what_would_change_it() {
    let text = "version = 1\n[fs]\nread = [\"/srv/**\"]\ndeny = [\"**/.ssh/**\"]\n";
    let expansion = Expansion::default();
    let policy = Policy::parse(text, "my.toml", Path::new("/"), &expansion)
        .unwrap()
        .policy;
    let explain = |word: &str, about: &str| {
        let question = Question::parse(word, &[about], &expansion).unwrap();
        policy.explain(&question, &[])
    };
    let allowed = explain("open", "/srv/x");
    assert!(allowed.verdict.is_allow());
    assert_eq!(allowed.rule.unwrap().line, 3);
    assert!(allowed.change.contains("my.toml:3:9"));
    let denied = explain("open", "/srv/.ssh/id");
    assert_eq!(
        denied.change,
        "take out or narrow fs.deny = \"**/.ssh/**\" (my.toml:4:9)"
    );
    let unnamed = explain("write", "/srv/x");
    assert_eq!(unnamed.change, "add \"/srv/x\" to fs.write");
    let connect = explain("connect", "tcp:192.0.2.1:443");
    assert_eq!(connect.change, "add \"tcp:192.0.2.1:443\" to net.connect");
    assert!(
        Question::parse("opn", &["/x"], &expansion)
            .unwrap_err()
            .contains("`open`")
    );
    assert!(Question::parse("open", &["x"], &expansion).is_err());
}

/// The rule that an explanation proposes can be pasted into the document as it is.
#[test]
fn what_is_proposed_to_add_allows_it_and_nothing_beside_it() {
    let expansion = Expansion::default();
    let load = |rules: &str| {
        let text = format!("version = 1\n[fs]\nread = [{rules}]\n");
        Policy::parse(&text, "my.toml", Path::new("/"), &expansion)
            .unwrap()
            .policy
    };
    let empty = load("");
    let names = [
        "/a b",
        "/a\"b",
        "/a'b\\c",
        "/a*[x]{y}?",
        "/é",
        "/a\nb",
        "/'\\",
    ];
    for name in names {
        let asked = |name: &str| {
            let name = AbsName::parse(name.as_bytes()).unwrap();
            Question::File(name, Access::Read)
        };
        let change = empty.explain(&asked(name), &[]).change;
        let rule = change.strip_prefix("add ").unwrap();
        let rule = rule.strip_suffix(" to fs.read").unwrap();
        assert!(!rule.contains('\n'), "{rule:?}");
        let policy = load(rule);
        assert!(policy.answer(&asked(name), &[]).is_allow(), "{rule}");
        for other in names.iter().filter(|&&other| other != name) {
            assert!(!policy.answer(&asked(other), &[]).is_allow(), "{rule}");
        }
    }
}
