//! Restrictions: what is allowed afterwards is what the policy and each of them allow, and
//! nothing that is not such a document is taken.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

mod support;

use std::sync::Arc;

use doorward_policy::policy::Destination;
use doorward_policy::restriction::{DOCUMENT_LIMIT, MOST, RULE_LIMIT};
use doorward_policy::{
    Access, Narrowed, Policy, Reason, Restriction, RestrictionError, Restrictions, Verdict,
};
use proptest::prelude::*;
use support::{denial, name, parse};

const ACCESSES: [Access; 6] = [
    Access::Read,
    Access::Write,
    Access::Create,
    Access::Delete,
    Access::Stat,
    Access::Execute,
];

fn narrowed(policy: &str, restrictions: &[&str]) -> Narrowed {
    let narrowed = Narrowed::new(Arc::new(parse(policy)), Arc::default());
    for body in restrictions {
        let document = format!("version = 1\n{body}");
        let restriction = Restriction::parse(document.as_bytes()).unwrap();
        narrowed.restrictions().add(restriction).unwrap();
    }
    narrowed
}

fn refused(document: &str) -> RestrictionError {
    Restriction::parse(document.as_bytes()).unwrap_err()
}

#[test]
fn deny_wins_and_rules_of_restrictions_are_named() {
    let narrowed = narrowed(
        "[fs]\nread = [\"/srv/**\"]\nwrite = [\"/srv/**\"]",
        &[
            "[fs]\nread = [\"/srv/**\", \"/etc/**\"]\nhide = [\"/srv/hidden\"]",
            "[fs]\nread = [\"/srv/**\"]\ndeny = [\"/srv/denied\"]",
        ],
    );
    let of = |text: &str, access| narrowed.decide_file(&name(text), access, false);
    assert!(of("/srv/a", Access::Read).is_allow());
    let named = |verdict: Verdict| {
        let denial = denial(verdict);
        let rule = denial
            .rule
            .and_then(|rule| narrowed.restrictions().rule(rule));
        let rule = rule.map(|rule| (rule.document, rule.key, rule.text));
        (denial.errno, rule.unwrap_or_default())
    };
    let rule = |document: &str, key: &str, text: &str| {
        (document.to_owned(), key.to_owned(), text.to_owned())
    };
    let hide = rule("restriction 1", "fs.hide", "/srv/hidden");
    assert_eq!(named(of("/srv/hidden", Access::Read)), (2, hide));
    let deny = rule("restriction 2", "fs.deny", "/srv/denied");
    assert_eq!(named(of("/srv/denied", Access::Read)), (13, deny));
    let read = rule("restriction 1", "fs.read", "/srv/**");
    assert_eq!(named(of("/srv/a", Access::Write)), (13, read));
    // No restriction gives anything.
    let nothing = rule("", "", "");
    assert_eq!(named(of("/etc/passwd", Access::Read)), (13, nothing));
    assert_eq!(
        denial(of("/etc/passwd", Access::Read)).reason,
        Reason::NoRule
    );
}

#[test]
fn an_empty_restriction_leaves_nothing() {
    let policy = "[fs]\nread = [\"/srv/**\"]\nscratch = \"1MiB\"\n[net]\nconnect = [\"tcp:192.0.2.1:*\"]\n\
                  unix = [\"@x\"]\n[exec]\nallow = [\"/usr/bin/true\"]";
    let before = narrowed(policy, &[]);
    let after = narrowed(policy, &[""]);
    let tcp = Destination::Tcp("192.0.2.1:80".parse().unwrap());
    let all = |narrowed: &Narrowed| {
        [
            narrowed.decide_file(&name("/srv/a"), Access::Read, false),
            narrowed.decide_file(&name("/tmp/a"), Access::Create, false),
            narrowed.decide_connect(&tcp, &[]),
            narrowed.decide_connect(&Destination::UnixAbstract(b"x".to_vec()), &[]),
            narrowed.decide_exec(&name("/usr/bin/true")),
            narrowed.decide_spawn(&name("/usr/bin/true"), &[]),
        ]
    };
    assert!(all(&before).into_iter().all(Verdict::is_allow));
    for verdict in all(&after) {
        let rule = denial(verdict).rule.unwrap();
        let whole = after.restrictions().rule(rule).unwrap();
        assert_eq!(
            (whole.key.as_str(), whole.text.as_str()),
            ("restrict", "restriction 1")
        );
    }
    for unix in [false, true] {
        assert!(before.refuses_sockets(unix).is_none());
        assert!(after.refuses_sockets(unix).unwrap().rule.is_some());
    }
}

#[test]
fn what_only_a_spawn_may_start_goes_on_only_where_nothing_refuses() {
    let program = "[[exec.program]]\npath = \"/usr/bin/a\"\nargs = [\"x\"]";
    let plain = "[exec]\nallow = [\"/usr/bin/a\"]";
    let reason = |policy: &str, restriction: &str| {
        denial(narrowed(policy, &[restriction]).decide_exec(&name("/usr/bin/a"))).reason
    };
    assert_eq!(reason(program, plain), Reason::SpawnOnly);
    assert_eq!(reason(plain, program), Reason::SpawnOnly);
    assert_eq!(reason(program, program), Reason::SpawnOnly);
    assert_eq!(reason(program, ""), Reason::NoRule);
    assert_eq!(reason(plain, ""), Reason::NoRule);
    let both = narrowed(program, &[plain]);
    assert!(both.decide_spawn(&name("/usr/bin/a"), &[b"x"]).is_allow());
    assert!(!both.decide_spawn(&name("/usr/bin/a"), &[b"y"]).is_allow());
}

#[test]
fn the_rate_only_falls() {
    let rate =
        |policy: &str, restrictions: &[&str]| narrowed(policy, restrictions).requests_per_second();
    let of = |rate: u32| format!("[limits]\nrequests_per_second = {rate}");
    assert_eq!(rate("", &[""]), None);
    assert_eq!(rate("", &[&of(9)]), Some(9));
    assert_eq!(rate(&of(5), &[&of(9), ""]), Some(5));
    assert_eq!(rate(&of(5), &[&of(9), &of(2)]), Some(2));
}

#[test]
fn other_keys_are_refused_by_name() {
    for (body, key) in [
        ("include = [\"builtin:runtime\"]", "include"),
        ("include = [\"/etc/passwd\"]", "include"),
        ("front = \"api\"", "front"),
        ("[env]\npass = [\"PATH\"]", "env.pass"),
        ("[env.set]\nA = \"b\"", "env.set"),
        ("[code]\nmap = \"jit\"", "code.map"),
        ("[limits]\nmemory = \"1GiB\"", "limits.memory"),
        ("[limits]\nwall = \"1h\"", "limits.wall"),
        ("[limits]\nprocesses = 5", "limits.processes"),
        ("[limits]\nopen_files = 5", "limits.open_files"),
        ("[syscalls]\nallow = [\"mbind\"]", "syscalls.allow"),
        ("[syscalls.errno]\nmbind = \"ENOSYS\"", "syscalls.errno"),
        ("[identity]\nuser = \"same\"", "identity.user"),
        ("[require]\nlayers = [\"seccomp\"]", "require.layers"),
        ("[[test]]\nopen = \"/a\"\nexpect = \"deny\"", "test"),
        (
            "[[exec.program]]\npath = \"/bin/a\"\npolicy = \"builtin:default\"",
            "exec.program.policy",
        ),
    ] {
        match refused(&format!("version = 1\n{body}")) {
            RestrictionError::Key(found) => assert_eq!(found, key),
            other => panic!("{body}: {other}"),
        }
    }
}

#[test]
fn what_is_no_restriction_is_an_error() {
    for document in [
        "",
        "version = 2",
        "version = 1\n[fs]\nread = [\"relative\"]",
        "version = 1\n[fs]\nraed = [\"/a\"]",
        "version = 1\n[fs]\nread = [\"/a[\"]",
        "version = 1\n\"",
        "\0",
    ] {
        assert!(
            matches!(refused(document), RestrictionError::Document(_)),
            "{document}"
        );
    }
    let text = Restriction::parse(b"version = 1\n# \xff").unwrap_err();
    assert!(matches!(text, RestrictionError::Text));
    for word in ["${CWD}/x", "${HOME}/x", "/run/${UID}", "${X"] {
        let document = format!("version = 1\n[fs]\nread = [\"{word}\"]");
        assert!(matches!(refused(&document), RestrictionError::Expansion));
    }
}

#[test]
fn size_rules_and_number_are_bounded() {
    let fill = |length: usize| format!("version = 1\n#{}", "x".repeat(length - 13));
    Restriction::parse(fill(DOCUMENT_LIMIT).as_bytes()).unwrap();
    assert!(matches!(
        refused(&fill(DOCUMENT_LIMIT + 1)),
        RestrictionError::Long
    ));
    let globs = |count: usize| format!("version = 1\n[fs]\nread = [{}]", "'/*',".repeat(count));
    Restriction::parse(globs(RULE_LIMIT).as_bytes()).unwrap();
    assert!(matches!(
        refused(&globs(RULE_LIMIT + 1)),
        RestrictionError::Rules
    ));
    assert!(matches!(refused(&globs(10_000)), RestrictionError::Long));
    let arguments = format!(
        "version = 1\n[[exec.program]]\npath = '/a'\nargs = [{}]",
        "'*',".repeat(RULE_LIMIT + 1)
    );
    assert!(matches!(refused(&arguments), RestrictionError::Rules));
    let deep = format!("version = 1\nx = {}", "[".repeat(8_000));
    assert!(matches!(refused(&deep), RestrictionError::Document(_)));
    let restrictions = Restrictions::default();
    for number in 1..=MOST {
        assert!(restrictions.has_room());
        let restriction = Restriction::parse(b"version = 1").unwrap();
        assert_eq!(restrictions.add(restriction).unwrap(), number);
    }
    assert!(!restrictions.has_room());
    let surplus = Restriction::parse(b"version = 1").unwrap();
    assert!(matches!(
        restrictions.add(surplus),
        Err(RestrictionError::Many)
    ));
}

/// A component of a pattern or a name.
fn component() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "tmp", "*", "?", "[ab]", "**"]).prop_map(Into::into)
}

/// A document of a few rules over few names.
fn document() -> impl Strategy<Value = String> {
    let lists = [
        "read", "write", "create", "delete", "special", "deny", "hide",
    ];
    let pattern = prop::collection::vec(component(), 1..4).prop_map(|parts| {
        // `**` stands once.
        let mut seen = false;
        let parts = parts.into_iter().map(|part| match part.as_str() {
            "**" if std::mem::replace(&mut seen, true) => "*".to_owned(),
            _ => part,
        });
        format!("/{}", parts.collect::<Vec<_>>().join("/"))
    });
    let rule = (0..lists.len() + 3, pattern);
    (prop::collection::vec(rule, 0..7), any::<bool>()).prop_map(move |(rules, scratch)| {
        let of = |index: usize| {
            let mine = rules.iter().filter(|(list, _)| *list == index);
            mine.map(|(_, pattern)| format!("'{pattern}'"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut text = "[fs]\n".to_owned();
        for (index, list) in lists.iter().enumerate() {
            text.push_str(&format!("{list} = [{}]\n", of(index)));
        }
        if scratch {
            text.push_str("scratch = '1MiB'\n");
        }
        let at = lists.len();
        text.push_str(&format!("[net]\nunix = [{}]\n", of(at)));
        text.push_str(&format!("[exec]\nallow = [{}]\n", of(at + 1)));
        for (_, pattern) in rules.iter().filter(|(list, _)| *list == at + 2) {
            text.push_str(&format!(
                "[[exec.program]]\npath = '{pattern}'\nargs = ['x']\n"
            ));
        }
        text
    })
}

/// The policy of a document, if the linter takes it.
fn policy(body: &str) -> Option<Policy> {
    let text = format!("version = 1\n{body}");
    let loaded = Policy::parse(&text, "p", "/nowhere".as_ref(), &support::expansion());
    loaded.ok().map(|loaded| loaded.policy)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        max_local_rejects: 1 << 20,
        ..ProptestConfig::default()
    })]

    /// Against the reference: each document as a policy of its own.
    #[test]
    fn what_is_allowed_is_what_all_allow(
        documents in prop::collection::vec(
            document().prop_filter("the linter takes it", |body| policy(body).is_some()),
            2..4,
        ),
        names in prop::collection::vec(prop::collection::vec("a|b|c|tmp|x", 0..4), 1..12),
    ) {
        let policies: Vec<Policy> = documents.iter().filter_map(|body| policy(body)).collect();
        let restrictions: Vec<&str> = documents[1..].iter().map(String::as_str).collect();
        let narrowed = narrowed(&documents[0], &restrictions);
        for parts in names {
            let name = name(&format!("/{}", parts.join("/")));
            let rights = narrowed.rights(&name);
            for access in ACCESSES {
                for special in [false, true] {
                    let due = policies.iter().all(|one| one.decide_file(&name, access, special).is_allow());
                    let got = narrowed.decide_file(&name, access, special);
                    prop_assert_eq!(got.is_allow(), due, "{:?} {:?}", &name, access);
                    let again = narrowed.decide_rights(&name, &rights, access, special);
                    prop_assert_eq!(got, again);
                }
            }
            // What the policy hides stays hidden, and the first that refuses says how.
            let looked = narrowed.decide_file(&name, Access::Stat, false);
            let first = policies.iter().map(|one| one.decide_file(&name, Access::Stat, false));
            if let Some(first) = first.into_iter().find(|verdict| !verdict.is_allow()) {
                prop_assert_eq!(denial(looked).errno, denial(first).errno);
            }
            // Rights say no more than decisions do.
            let given = |access| narrowed.decide_file(&name, access, false).is_allow();
            let barred = rights.deny.is_some() || rights.hide.is_some();
            prop_assert!(barred || rights.read.is_some() == given(Access::Read));
            prop_assert!(barred || rights.write.is_some() == given(Access::Write));
            prop_assert!(barred || rights.create.is_some() == given(Access::Create));
            prop_assert!(barred || rights.delete.is_some() == given(Access::Delete));
            prop_assert!(!barred || !given(Access::Stat));
            for arguments in [&[][..], &[&b"x"[..]]] {
                let due = policies.iter().all(|one| one.decide_spawn(&name, arguments).is_allow());
                prop_assert_eq!(narrowed.decide_spawn(&name, arguments).is_allow(), due);
            }
            let to = Destination::UnixPath(name);
            let due = policies.iter().all(|one| one.decide_connect(&to, &[]).is_allow());
            prop_assert_eq!(narrowed.decide_connect(&to, &[]).is_allow(), due);
        }
    }
}
