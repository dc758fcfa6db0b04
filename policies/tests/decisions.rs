//! Decisions that no word of the document has a test for.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod support;

use doorward_policy::policy::Destination;
use doorward_policy::{Access, Policy, Reason, Verdict};
use support::{denial, name, parse};

fn of_device(policy: &Policy, access: Access) -> Verdict {
    policy.decide_file(&name("/srv/x"), access, true)
}

#[test]
fn a_device_that_only_plain_rules_name_is_refused_as_one() {
    let rule = |word: &str| parse(&format!("[fs]\n{word} = [\"/srv/*\"]"));
    for (word, access) in [
        ("read", Access::Read),
        ("write", Access::Write),
        ("create", Access::Create),
    ] {
        let policy = rule(word);
        let verdict = of_device(&policy, access);
        assert_eq!(denial(verdict).reason, Reason::Special, "{word}");
        assert!(denial(verdict).rule.is_some(), "{word}");
        let plain = policy.decide_file(&name("/srv/x"), access, false);
        assert!(plain.is_allow(), "{word}");
    }
    // A rule for another access says nothing of devices.
    let verdict = of_device(&rule("read"), Access::Write);
    assert_eq!(denial(verdict).reason, Reason::Access);
}

#[test]
fn a_socket_that_was_made_in_scratch_is_reached() {
    let socket = Destination::UnixPath(name("/tmp/socket"));
    let policy = parse("[fs]\nscratch = \"1MiB\"");
    assert!(policy.decide_connect(&socket, &[]).is_allow());
    let none = parse("[fs]\nread = [\"/srv/**\"]");
    assert_eq!(
        denial(none.decide_connect(&socket, &[])).reason,
        Reason::NoRule
    );
    let seen = parse("[fs]\nread = [\"/tmp/**\"]\nscratch = \"1MiB\"");
    assert_eq!(
        denial(seen.decide_connect(&socket, &[])).reason,
        Reason::Access
    );
}

#[test]
fn what_kinds_of_sockets_a_policy_reaches() {
    for (rules, tcp, unix, of_a_namespace) in [
        ("", false, false, false),
        ("connect = [\"tcp:192.0.2.1:80\"]", true, false, false),
        ("unix = [\"/run/service\"]", false, true, false),
        ("unix = [\"@service\"]", false, true, true),
        ("unix = [\"dgram:/dev/log\"]", false, false, false),
        (
            "unix = [\"dgram:/dev/log\", \"dgram:@log\"]",
            false,
            false,
            true,
        ),
    ] {
        let policy = parse(&format!("[net]\n{rules}"));
        assert_eq!(policy.has_tcp(), tcp, "{rules}");
        assert_eq!(policy.has_unix(), unix, "{rules}");
        assert_eq!(policy.has_abstract(), of_a_namespace, "{rules}");
    }
}

#[test]
fn whether_a_policy_lets_anything_be_changed() {
    for (rules, changes) in [
        ("", false),
        ("[fs]\nread = [\"/srv/**\"]", false),
        ("[fs]\nspecial = [\"/dev/null\"]\ndeny = [\"/srv\"]", false),
        ("[fs]\nwrite = [\"/srv/f\"]", true),
        ("[fs]\ncreate = [\"/srv/f\"]", true),
        ("[fs]\nread = [\"/srv/**\"]\ndelete = [\"/srv/f\"]", true),
        ("[fs]\nscratch = \"1MiB\"", true),
    ] {
        assert_eq!(parse(rules).changes(), changes, "{rules}");
    }
}

#[test]
fn the_policies_of_typed_spawns_are_listed() {
    let policy = parse(
        "[[exec.program]]\npath = \"/usr/bin/a\"\nargs = []\npolicy = \"builtin:decoder\"\n\
         [[exec.program]]\npath = \"/usr/bin/b\"\nargs = []",
    );
    let listed: Vec<&str> = policy.program_policies().collect();
    assert_eq!(listed, ["builtin:decoder"]);
    assert_eq!(parse("").program_policies().count(), 0);
}
