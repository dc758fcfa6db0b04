//! What documents are refused or warned about.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod support;

use std::path::Path;

use doorward_policy::Policy;
use support::expansion;

fn refused(body: &str) -> String {
    let text = format!("version = 1\n{body}");
    Policy::parse(&text, "p.toml", Path::new("/nowhere"), &expansion())
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_wrong_in_a_word_is_refused() {
    for (body, part) in [
        ("[fs]\nread = [\"src/**\"]", "write `${CWD}/src/**`"),
        ("[fs]\nread = [\"~/x\"]", "write `${HOME}/x`"),
        ("[fs]\nread = [\"**/x\"]", "only deny and hide"),
        ("[fs]\nread = [\"/a/../b\"]", "such as `/b`"),
        ("[fs]\nread = [\"/a/{b,c}\"]", "one rule for each"),
        ("[fs]\nread = [\"${PWD}/x\"]", "did you mean `${CWD}`?"),
        ("[fs]\nraed = []", "did you mean `read`?"),
        ("[fs]\nscratch = \"64 mib\"", "such as \"64MiB\""),
        ("front = \"notifi\"", "did you mean `notify`?"),
        (
            "[code]\nmap = \"yes\"",
            "known here: `never`, `files`, `jit`",
        ),
        (
            "[net]\nconnect = [\"192.0.2.1:443\"]",
            "write `tcp:192.0.2.1:443`",
        ),
        (
            "[net]\nconnect = [\"tcp:192.0.2.1/24:443\"]",
            "write `192.0.2.0/24`",
        ),
        ("[net]\nconnect = [\"tcp:::1:443\"]", "in brackets"),
        ("[net]\nlisten = [\"tcp:host:80\"]", "names an address"),
        ("[net]\nunix = [\"@\"]", "1 to 107 bytes"),
        (
            "[[exec.program]]\npath = \"/x\"\nargs = [\"**\", \"a\"]",
            "only at the end",
        ),
        ("[limits]\nwall = \"30\"", "\"30s\""),
        ("[limits]\nprocesses = 0", "limit of nothing"),
        ("[limits]\nprocesses = -1", "invalid value"),
        ("[syscalls]\nallow = [\"mbnid\"]", "did you mean `mbind`?"),
        ("[syscalls]\nallow = [\"bpf\"]", "risky and has no reason"),
        (
            "[syscalls]\nerrno = { ptrace = \"EPREM\" }",
            "did you mean `EPERM`?",
        ),
        (
            "[syscalls]\nallow = [\"mbind\"]\nerrno = { mbind = \"EPERM\" }",
            "keep one of the two",
        ),
        (
            "[require]\nlayers = [\"seccom\"]",
            "did you mean `seccomp`?",
        ),
        ("[env]\npass = [\"A-B\"]", "not a variable's name"),
        ("include = [\"builtin:runtim\"]", "did you mean `runtime`?"),
        ("include = [\"gone.toml\"]", "cannot be read"),
        ("[[test]]\nexpect = \"deny\"", "a test asks one question"),
        (
            "[[test]]\nopen = \"/a\"\nstat = \"/a\"\nexpect = \"deny\"",
            "a test asks one question",
        ),
        (
            "[[test]]\nopen = \"a\"\nexpect = \"deny\"",
            "write `${CWD}/a`",
        ),
        ("[fs]\nread = [\"/a\", \"/a\"]", "unreachable: line 3"),
        (
            "[fs]\nread = [\"/a/b\"]\ndeny = [\"/a/**\"]",
            "contradictory: line 4",
        ),
        (
            "[exec]\nallow = [\"/b\"]\n[[exec.program]]\npath = \"/b\"\nargs = []",
            "contradictory",
        ),
    ] {
        let errors = refused(body);
        assert!(errors.contains(part), "{body}\n---\n{errors}");
    }
    let version = Policy::parse("version = 2", "p", Path::new("/"), &expansion());
    assert!(version.unwrap_err().to_string().contains("version = 1"));
    let version = Policy::parse("", "p", Path::new("/"), &expansion());
    assert!(
        version
            .unwrap_err()
            .to_string()
            .contains("begin it with `version = 1`")
    );
}

#[test]
fn odd_rules_are_warned_about() {
    for (body, part) in [
        (
            "[fs]\nread = [\"/home/**\"]",
            "reaches everything below `/home`",
        ),
        ("[fs]\nread = [\"/tmp/x/**\"]", "anybody may make"),
        (
            "[fs]\nread = [\"/a/**\", \"/a/b/*\"]",
            "line 3 already covers",
        ),
        (
            "[fs]\nread = [\"/a/**\"]\ndeny = [\"/a/.ssh\"]",
            "write `/**` behind it",
        ),
        ("[net]\nconnect = [\"tcp:*:*\"]", "every port"),
        (
            "[net]\nconnect = [\"tcp:0.0.0.0/0:443\"]",
            "no special range",
        ),
    ] {
        let text = format!("version = 1\n{body}");
        let loaded = Policy::parse(&text, "p.toml", Path::new("/"), &expansion()).unwrap();
        let shown: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert!(
            shown.iter().any(|one| one.contains(part)),
            "{body}: {shown:?}"
        );
    }
}
