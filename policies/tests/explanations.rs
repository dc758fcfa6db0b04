//! What `explain` and `[[test]]` cases say of each verdict.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

mod support;

use std::path::Path;

use doorward_policy::{Access, Explanation, Policy, Question, Reason, Verdict};
use support::{denial, expansion, name, parse};

const RULES: &str = r#"
[fs]
read = ["/srv/**"]
deny = ["/srv/shut/**"]
hide = ["/srv/hidden"]
special = ["/dev/null"]
[net]
connect = ["tcp:192.0.2.1:80", "tcp:example.org:443", "tcp:*:7000"]
unix = ["/run/service", "dgram:/dev/log", "@own"]
[exec]
allow = ["/usr/bin/plain"]
[[exec.program]]
path = "/usr/bin/typed"
args = ["-v"]
policy = "builtin:decoder"
"#;

fn ask(word: &str, about: &[&str]) -> Explanation {
    let question = Question::parse(word, about, &expansion()).unwrap();
    parse(RULES).explain(&question, &[])
}

fn reason(explanation: &Explanation) -> Reason {
    denial(explanation.verdict).reason
}

#[test]
fn each_reason_says_what_would_change_it() {
    for (word, about, expected, change) in [
        (
            "open",
            &["/srv/shut/x"][..],
            Reason::Denied,
            "narrow fs.deny",
        ),
        ("stat", &["/srv/hidden"], Reason::Hidden, "narrow fs.hide"),
        (
            "write",
            &["/srv/x"],
            Reason::Access,
            "add \"/srv/x\" to fs.write",
        ),
        ("create", &["/x"], Reason::NoRule, "add \"/x\" to fs.create"),
        ("delete", &["/x"], Reason::NoRule, "add \"/x\" to fs.delete"),
        (
            "device",
            &["/srv/x"],
            Reason::Special,
            "add \"/srv/x\" to fs.special",
        ),
        (
            "exec",
            &["/bin/x"],
            Reason::NoRule,
            "add \"/bin/x\" to exec.allow",
        ),
        (
            "exec",
            &["/usr/bin/typed"],
            Reason::SpawnOnly,
            "typed spawn",
        ),
        (
            "spawn",
            &["/usr/bin/typed", "-x"],
            Reason::Arguments,
            "change the args of",
        ),
        (
            "spawn",
            &["/bin/x"],
            Reason::NoRule,
            "add \"/bin/x\" to exec.allow",
        ),
        (
            "connect",
            &["tcp:192.0.2.1:81"],
            Reason::NoRule,
            "to net.connect",
        ),
        (
            "connect",
            &["tcp:192.0.2.9:443"],
            Reason::NotYet,
            "by its address",
        ),
        (
            "connect",
            &["tcp:127.0.0.1:7000"],
            Reason::AddressClass,
            "to net.connect",
        ),
        (
            "connect",
            &["[fe80::1%3]:7000"],
            Reason::AddressClass,
            "nothing: addresses with a scope",
        ),
        (
            "unix",
            &["/run/other"],
            Reason::NoRule,
            "add \"/run/other\" to net.unix",
        ),
        (
            "unix",
            &["@other"],
            Reason::NoRule,
            "add \"@other\" to net.unix",
        ),
        ("unix", &["/dev/log"], Reason::NotYet, "nothing yet"),
    ] {
        let explanation = ask(word, about);
        assert_eq!(reason(&explanation), expected, "{word} {about:?}");
        assert!(
            explanation.change.contains(change),
            "{word} {about:?}: {}",
            explanation.change
        );
        assert_eq!(explanation.reason, expected.text());
    }
}

#[test]
fn what_is_allowed_says_which_rule_to_take_out() {
    for (word, about, key, also_denied) in [
        ("open", &["/srv/x"][..], "fs.read", true),
        ("device", &["/dev/null"], "fs.special", false),
        ("exec", &["/usr/bin/plain"], "exec.allow", false),
        ("spawn", &["/usr/bin/typed", "-v"], "exec.program", false),
        ("connect", &["192.0.2.1:80"], "net.connect", false),
        ("connect", &["198.18.0.1:7000"], "net.connect", false),
        ("unix", &["@own"], "net.unix", false),
    ] {
        let explanation = ask(word, about);
        let Verdict::Allow(_) = explanation.verdict else {
            // 198.18.0.0/15 is for benchmarks: its class needs a rule of its own.
            assert_eq!(about, ["198.18.0.1:7000"]);
            assert_eq!(reason(&explanation), Reason::AddressClass);
            continue;
        };
        let rule = explanation.rule.unwrap();
        assert!(rule.key.starts_with(key), "{word}: {}", rule.key);
        let change = explanation.change;
        assert!(change.starts_with("take out "), "{change}");
        assert_eq!(change.ends_with("fs.deny"), also_denied, "{change}");
    }
}

#[test]
fn a_question_is_read_back_from_its_words() {
    let texts: [(&str, &[&str]); 11] = [
        ("open", &["/a"]),
        ("stat", &["/a"]),
        ("write", &["/a"]),
        ("create", &["/a"]),
        ("delete", &["/a"]),
        ("device", &["/a"]),
        ("exec", &["/a"]),
        ("spawn", &["/a", "b", ""]),
        ("connect", &["tcp:[2001:db8::1]:443"]),
        ("unix", &["/a"]),
        ("unix", &["@a"]),
    ];
    for (word, about) in texts {
        let question = Question::parse(word, about, &expansion()).unwrap();
        let (again, written) = question.words();
        assert_eq!(again, word);
        let written: Vec<&str> = written
            .iter()
            .map(|text| std::str::from_utf8(text).unwrap())
            .collect();
        assert_eq!(written, about);
    }
    let executes = Question::File(name("/a"), Access::Execute);
    assert_eq!(executes.words(), ("exec", vec![b"/a".to_vec()]));
}

#[test]
fn what_is_no_question_says_what_to_write() {
    for (word, about, says) in [
        ("open", &[][..], "needs something to ask about"),
        ("open", &["/a", "/b"], "asks about one thing"),
        ("open", &["a"], "write `${CWD}/a` or an absolute path"),
        ("stta", &["/a"], "stat"),
        ("zzzzzzzz", &["/a"], "known are open, stat"),
        (
            "connect",
            &["tcp:example.org:443"],
            "this is not an address and port",
        ),
        ("connect", &["tcp:192.0.2.1"], "write `tcp:192.0.2.1:443`"),
    ] {
        let refused = Question::parse(word, about, &expansion()).unwrap_err();
        assert!(refused.contains(says), "{word} {about:?}: {refused}");
    }
}

#[test]
fn a_test_that_fails_says_what_came_instead() {
    let case = |expect: &str, about: &str| {
        let text = format!("version = 1{RULES}[[test]]\n{about}\nexpect = \"{expect}\"\n");
        let loaded = Policy::parse(&text, "p.toml", Path::new("/"), &expansion()).unwrap();
        let test = loaded.tests.first().unwrap().clone();
        let outcome = test.run(&loaded.policy);
        (outcome.passed, test.failure(&outcome))
    };
    for (about, right, wrong, got) in [
        (
            "open = \"/srv/x\"",
            "allow",
            "deny",
            "is allowed, not denied",
        ),
        (
            "open = \"/srv/hidden\"",
            "hide",
            "allow",
            "is hidden, not allowed",
        ),
        (
            "open = \"/srv/shut/x\"",
            "deny",
            "hide",
            "is denied, not hidden",
        ),
        (
            "connect = \"tcp:192.0.2.1:80\"",
            "allow",
            "deny",
            "is allowed, not denied",
        ),
    ] {
        assert!(case(right, about).0, "{about}");
        let (passed, failure) = case(wrong, about);
        assert!(!passed, "{about}");
        assert!(failure.message.contains(got), "{}", failure.message);
        assert!(failure.message.contains("p.toml:"), "{}", failure.message);
        assert!(failure.help.unwrap().contains("correct the test"));
    }
    // No rule decided: none is named.
    let (passed, failure) = case("allow", "open = \"/none\"");
    assert!(!passed && !failure.message.contains("p.toml:"));
}

#[test]
fn each_reason_has_a_text_of_its_own() {
    let all = [
        Reason::NoRule,
        Reason::Denied,
        Reason::Hidden,
        Reason::Access,
        Reason::Special,
        Reason::Mount,
        Reason::Link,
        Reason::Flags,
        Reason::Widening,
        Reason::AddressClass,
        Reason::NotYet,
        Reason::SpawnOnly,
        Reason::Arguments,
        Reason::Quota,
        Reason::Front,
        Reason::Foreign,
        Reason::Malformed,
    ];
    let texts: std::collections::BTreeSet<&str> = all.iter().map(|reason| reason.text()).collect();
    assert_eq!(texts.len(), all.len());
}

#[test]
fn the_ports_of_rules_are_listed_up_to_a_bound() {
    let policy = parse("[net]\nconnect = [\"tcp:192.0.2.1:80-82\", \"tcp:192.0.2.2:81\"]");
    let ports: Vec<u16> = policy.tcp_ports(3).unwrap().into_iter().collect();
    assert_eq!(ports, [80, 81, 82]);
    assert_eq!(policy.tcp_ports(2), None);
    let two = parse("[net]\nconnect = [\"tcp:192.0.2.1:80\", \"tcp:192.0.2.2:81\"]");
    assert_eq!(two.tcp_ports(2).map(|ports| ports.len()), Some(2));
    assert_eq!(two.tcp_ports(1), None);
    assert_eq!(parse("").tcp_ports(0).map(|ports| ports.len()), Some(0));
}

#[test]
fn the_policy_of_a_typed_spawn_is_that_of_its_rule() {
    let policy = parse(RULES);
    let Verdict::Allow(rule) = policy.decide_spawn(&name("/usr/bin/typed"), &[b"-v"]) else {
        panic!("the spawn is denied");
    };
    assert_eq!(policy.program_policy(rule), Some("builtin:decoder"));
    let Verdict::Allow(plain) = policy.decide_exec(&name("/usr/bin/plain")) else {
        panic!("the exec is denied");
    };
    assert_eq!(policy.program_policy(plain), None);
}

/// The launcher reads the globs of exec rules from this text for Landlock.
#[test]
fn an_exec_pattern_means_the_same_where_it_is_handed_on() {
    let allow = |pattern: &str| parse(&format!("[exec]\nallow = ['{pattern}']"));
    for pattern in [
        r"/srv/a[!x-z]?*\*/b",
        "/srv/[a-cx]*/**",
        r"/srv/[\]\-]\{b",
        "/srv/*/é",
    ] {
        let policy = allow(pattern);
        let rules = policy.exec_rules();
        let [rule] = rules.as_slice() else {
            panic!("{rules:?}");
        };
        assert_eq!(rule.prefix, name("/srv"));
        let again = allow(&format!("/srv/{}", rule.pattern.as_deref().unwrap()));
        let mut allowed = 0;
        for first in ["abc*", "axc*", "abc", "abcd*", "a", "x9", "]{b", "-{b", "y"] {
            for last in ["", "/b", "/é", "/q/r"] {
                let asked = name(&format!("/srv/{first}{last}"));
                let verdict = policy.decide_exec(&asked).is_allow();
                allowed += usize::from(verdict);
                assert_eq!(again.decide_exec(&asked).is_allow(), verdict, "{asked}");
            }
        }
        assert!(allowed > 0 && allowed < 36, "{pattern}: {allowed}");
    }
}
