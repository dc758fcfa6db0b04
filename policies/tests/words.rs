//! The words of the policy document, one test each; those of `[net]` are in addresses.rs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod support;

use doorward_policy::policy::{CodeMap, Destination, Front, IdentityUser};
use doorward_policy::{Access, Policy, Reason, Verdict};
use support::{allowed, denial, expansion, file_reason, name, parse};

#[test]
fn read_is_open_and_stat() {
    let policy = parse("[fs]\nread = [\"/srv/in/**\"]");
    assert_eq!(allowed(&policy, "/srv/in/x"), [Access::Read, Access::Stat]);
    assert_eq!(allowed(&policy, "/srv/in"), [Access::Read, Access::Stat]);
    assert_eq!(
        file_reason(&policy, "/srv/in/x", Access::Write),
        (Reason::Access, 13)
    );
    assert_eq!(
        file_reason(&policy, "/srv/inn", Access::Read),
        (Reason::NoRule, 13)
    );
}

#[test]
fn write_is_not_read() {
    let policy = parse("[fs]\nwrite = [\"/srv/out/*\"]");
    assert_eq!(
        allowed(&policy, "/srv/out/x"),
        [Access::Write, Access::Stat]
    );
}

#[test]
fn create_and_delete_stand_alone() {
    let policy = parse("[fs]\ncreate = [\"/a/*\"]\ndelete = [\"/b/*\"]");
    assert_eq!(allowed(&policy, "/a/x"), [Access::Create, Access::Stat]);
    assert_eq!(allowed(&policy, "/b/x"), [Access::Delete, Access::Stat]);
}

#[test]
fn ancestors_may_be_looked_at_and_nothing_more() {
    let policy = parse("[fs]\nread = [\"/srv/in/**\"]\ndeny = [\"/var/secret\"]");
    for above in ["/", "/srv"] {
        assert_eq!(allowed(&policy, above), [Access::Stat], "{above}");
        assert_eq!(
            file_reason(&policy, above, Access::Create).0,
            Reason::Access
        );
    }
    assert_eq!(allowed(&policy, "/var"), []);
}

#[test]
fn special_is_for_devices_alone() {
    let policy =
        parse("[fs]\nspecial = [\"/dev/null\"]\nread = [\"/srv/**\"]\ncreate = [\"/srv/**\"]");
    let decide = |text: &str, access, special| policy.decide_file(&name(text), access, special);
    assert!(decide("/dev/null", Access::Read, true).is_allow());
    assert!(decide("/dev/null", Access::Write, true).is_allow());
    assert!(decide("/dev/null", Access::Stat, true).is_allow());
    assert!(!decide("/dev/null", Access::Delete, true).is_allow());
    assert_eq!(
        denial(decide("/dev/null", Access::Read, false)).reason,
        Reason::Access
    );
    assert_eq!(
        denial(decide("/srv/fifo", Access::Read, true)).reason,
        Reason::Special
    );
    assert_eq!(
        denial(decide("/srv/fifo", Access::Create, true)).reason,
        Reason::Special
    );
    assert!(decide("/srv/fifo", Access::Stat, true).is_allow());
    assert!(
        policy
            .decide_asked(&name("/dev/null"), Access::Read)
            .is_allow()
    );
    assert!(
        !policy
            .decide_asked(&name("/dev/zero"), Access::Read)
            .is_allow()
    );
}

#[test]
fn deny_wins_and_hide_answers_enoent() {
    let policy = parse(
        "[fs]\nread = [\"/home/u/**\", \"/etc/*\"]\ndeny = [\"**/.ssh/**\"]\nhide = [\"/etc/gitconfig\", \"**/.ssh/**\"]",
    );
    assert_eq!(
        file_reason(&policy, "/home/u/.ssh/id", Access::Stat),
        (Reason::Denied, 13)
    );
    assert_eq!(
        file_reason(&policy, "/etc/gitconfig", Access::Read),
        (Reason::Hidden, 2)
    );
    assert!(!allowed(&policy, "/etc/hosts").is_empty());
}

#[test]
fn scratch_backs_what_no_other_rule_names() {
    let policy =
        parse("[fs]\nscratch = \"64MiB\"\nread = [\"/tmp/mine/**\"]\ndeny = [\"/tmp/no\"]");
    assert_eq!(policy.scratch, Some(64 << 20));
    for inside in ["/tmp", "/tmp/x/y", "/var/tmp", "/var/tmp/z", "/dev/shm/s"] {
        let rights = policy.rights(&name(inside));
        assert!(rights.scratch, "{inside}");
        let rule = policy.rule(rights.write.unwrap()).unwrap();
        assert_eq!((rule.key.as_str(), rule.line), ("fs.scratch", 3));
        assert!(allowed(&policy, inside).contains(&Access::Create));
    }
    for outside in [
        "/tmp/mine/x",
        "/tmp/no",
        "/tmpx",
        "/var",
        "/dev",
        "/dev/shmx",
    ] {
        assert!(!policy.rights(&name(outside)).scratch, "{outside}");
    }
    assert_eq!(
        file_reason(&policy, "/tmp/no", Access::Read).0,
        Reason::Denied
    );
    let without = parse("[fs]\nread = [\"/x\"]");
    assert_eq!(allowed(&without, "/tmp/x"), []);
}

#[test]
fn words_of_the_host_are_expanded_and_escaped() {
    let policy = parse(
        "[fs]\nread = [\"${CWD}/**\", \"${HOME}/x\"]\n[net]\nunix = [\"/run/user/${UID}/bus\"]",
    );
    assert!(!allowed(&policy, "/srv/work [1]/f").is_empty());
    assert!(allowed(&policy, "/srv/work 1/f").is_empty());
    assert!(!allowed(&policy, "/home/u/x").is_empty());
    let bus = Destination::UnixPath(name("/run/user/1000/bus"));
    assert!(policy.decide_connect(&bus, &[]).is_allow());
}

#[test]
fn exec_allows_and_programs_with_args_are_for_spawn() {
    let policy = parse(
        r#"
[exec]
allow = ["/usr/bin/gs", "/opt/bin/*"]
[[exec.program]]
path = "/usr/bin/qpdf"
args = ["--check", "*", "--level=?"]
policy = "inherit"
[[exec.program]]
path = "/usr/bin/tar"
args = ["-x", "**"]
policy = "tar.toml"
[[exec.program]]
path = "/usr/bin/true"
[fs]
read = ["/usr/bin/cat"]
"#,
    );
    let exec = |text: &str| policy.decide_exec(&name(text));
    assert!(exec("/usr/bin/gs").is_allow());
    assert!(exec("/opt/bin/x").is_allow());
    assert!(exec("/usr/bin/true").is_allow());
    assert_eq!(denial(exec("/usr/bin/qpdf")).reason, Reason::SpawnOnly);
    assert_eq!(denial(exec("/usr/bin/cat")).reason, Reason::Access);
    assert_eq!(denial(exec("/usr/bin/ls")).reason, Reason::NoRule);
    assert_eq!(
        policy.decide_file(&name("/usr/bin/gs"), Access::Execute, false),
        exec("/usr/bin/gs")
    );

    let spawn = |text: &str, arguments: &[&str]| {
        let arguments: Vec<&[u8]> = arguments.iter().map(|text| text.as_bytes()).collect();
        policy.decide_spawn(&name(text), &arguments)
    };
    assert!(spawn("/usr/bin/gs", &["anything", "-dSAFER"]).is_allow());
    assert!(spawn("/usr/bin/qpdf", &["--check", "/any/file.pdf", "--level=9"]).is_allow());
    for wrong in [
        &["--check", "x"][..],
        &["--check", "x", "--level=10"],
        &["--check", "x", "--level=9", "more"],
        &["x", "--check", "--level=9"],
        &[],
    ] {
        assert_eq!(
            denial(spawn("/usr/bin/qpdf", wrong)).reason,
            Reason::Arguments
        );
    }
    assert!(spawn("/usr/bin/tar", &["-x"]).is_allow());
    let Verdict::Allow(rule) = spawn("/usr/bin/tar", &["-x", "a", "b"]) else {
        panic!("denied")
    };
    assert_eq!(policy.program_policy(rule), Some("/nowhere/tar.toml"));
    assert_eq!(denial(spawn("/usr/bin/ls", &[])).reason, Reason::NoRule);

    let rules = policy.exec_rules();
    let shown: Vec<_> = rules
        .iter()
        .map(|rule| (rule.prefix.to_string(), rule.pattern.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            ("/usr/bin/gs".to_owned(), None),
            ("/opt/bin".to_owned(), Some("*")),
            ("/usr/bin/true".to_owned(), None)
        ]
    );
    assert_eq!(policy.spawn_rules().len(), 2);
}

#[test]
fn scalars_and_tables() {
    let policy = parse(
        r#"
name = "thumbnailer"
front = "notify"
[env]
pass = ["PATH", "LC_*"]
set = { PAGER = "cat", WORK = "${CWD}" }
[code]
map = "never"
[limits]
memory = "512MiB"
cpu = "30s"
cpu_share = "50%"
wall = "1m"
processes = 8
open_files = 256
file_size = "64MiB"
output = 1000
requests_per_second = 20000
[syscalls]
allow = ["mbind", { name = "bpf", reason = "it is a tracer" }]
errno = { ptrace = "EPERM" }
[identity]
user = "isolated"
[require]
layers = ["seccomp", "landlock"]
limits = "exact"
"#,
    );
    assert_eq!(policy.name, "thumbnailer");
    assert_eq!(policy.front, Front::Notify);
    assert_eq!(policy.environment.pass, ["PATH", "LC_*"]);
    assert_eq!(policy.environment.set["WORK"], "/srv/work [1]");
    assert_eq!(policy.code, CodeMap::Never);
    assert_eq!(policy.limits.memory, Some(512 << 20));
    assert_eq!(policy.limits.cpu.unwrap().as_secs(), 30);
    assert_eq!(policy.limits.cpu_share, Some(50));
    assert_eq!(policy.limits.wall.unwrap().as_secs(), 60);
    assert_eq!(policy.limits.processes, Some(8));
    assert_eq!(policy.limits.open_files, Some(256));
    assert_eq!(policy.limits.file_size, Some(64 << 20));
    assert_eq!(policy.limits.output, Some(1000));
    assert_eq!(policy.limits.requests_per_second, Some(20000));
    assert_eq!(policy.system_calls.allow, ["mbind", "bpf"]);
    assert_eq!(policy.system_calls.errno["ptrace"], 1);
    assert_eq!(policy.identity, IdentityUser::Isolated);
    assert_eq!(policy.require.layers, ["seccomp", "landlock"]);
    assert!(policy.require.exact_limits);
}

#[test]
fn unset_means_nothing() {
    let policy = parse("");
    assert_eq!(
        (policy.name.as_str(), policy.front),
        ("p.toml", Front::Auto)
    );
    assert_eq!(policy.code, CodeMap::Files);
    assert_eq!(policy.limits, Default::default());
    assert_eq!(allowed(&policy, "/"), []);
    assert!(policy.hull().is_empty());
    assert!(!policy.decide_exec(&name("/bin/true")).is_allow());
}

#[test]
fn the_hull_is_what_allow_rules_lie_below() {
    let policy = parse(
        r#"[fs]
read = ["/usr/**", "/usr/share/x", "/etc/passwd", "/srv/*/in"]
write = ["/usr/out/**"]
deny = ["/opt/no/**"]
[exec]
allow = ["/usr/bin/gs"]"#,
    );
    let shown: Vec<_> = policy
        .hull()
        .into_iter()
        .map(|root| {
            (
                root.name.to_string(),
                root.writes,
                root.executes,
                root.literal,
            )
        })
        .collect();
    let root = |name: &str, writes, executes, literal| (name.to_owned(), writes, executes, literal);
    assert_eq!(
        shown,
        [
            root("/etc/passwd", false, false, true),
            root("/srv", false, false, false),
            root("/usr", false, false, false),
            root("/usr/bin/gs", false, true, true),
            root("/usr/out", true, false, false),
        ]
    );
    assert!(policy.names_literally(&name("/etc/passwd")));
    assert!(policy.names_literally(&name("/usr")));
    assert!(!policy.names_literally(&name("/usr/x")));
    assert!(!policy.names_literally(&name("/opt/no")));
}

#[test]
fn includes_add_up_and_scalars_of_the_including_document_win() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, body: &str| {
        std::fs::write(directory.path().join(name), format!("version = 1\n{body}")).unwrap();
    };
    write(
        "base.toml",
        "name = \"base\"\nfront = \"api\"\ninclude = [\"common.toml\"]\n[fs]\nread = [\"/base\"]\ndeny = [\"/d\"]\n[limits]\nprocesses = 3\nopen_files = 9\n[env]\nset = { A = \"base\", B = \"base\" }",
    );
    write(
        "common.toml",
        "[fs]\nread = [\"/common\"]\n[require]\nlayers = [\"seccomp\"]\n[[test]]\nopen = \"/x\"\nexpect = \"allow\"",
    );
    write(
        "top.toml",
        "name = \"top\"\ninclude = [\"base.toml\", \"common.toml\", \"builtin:decoder\"]\n[fs]\nread = [\"/top\", \"/d\"]\n[limits]\nprocesses = 5\n[env]\nset = { A = \"top\" }",
    );
    let path = directory.path().join("top.toml");
    let loaded = Policy::load(&path, &expansion()).unwrap();
    let policy = loaded.policy;
    assert_eq!(policy.name, "top");
    assert_eq!(policy.front, Front::Api);
    assert_eq!(policy.limits.processes, Some(5));
    assert_eq!(policy.limits.open_files, Some(9));
    assert_eq!(policy.environment.set["A"], "top");
    assert_eq!(policy.environment.set["B"], "base");
    assert_eq!(policy.require.layers, ["seccomp"]);
    for text in ["/top", "/base", "/common"] {
        assert!(!allowed(&policy, text).is_empty(), "{text}");
    }
    assert_eq!(file_reason(&policy, "/d", Access::Read).0, Reason::Denied);
    assert!(loaded.tests.is_empty());

    write("a.toml", "include = [\"b.toml\"]");
    write("b.toml", "include = [\"./a.toml\"]");
    let error = Policy::load(&directory.path().join("a.toml"), &expansion()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("b.toml:2:12: `./a.toml` includes this document: a cycle"),
        "{error}"
    );
}

#[test]
fn a_policy_travels_to_another_process() {
    let loaded = Policy::builtin("default", &expansion()).unwrap();
    let bytes = doorward_protocol::codec::encode_trusted(&loaded.policy).unwrap();
    let back: Policy = doorward_protocol::codec::decode_trusted(&bytes).unwrap();
    assert_eq!(format!("{back:?}"), format!("{:?}", loaded.policy));
    assert!(!allowed(&back, "/usr/bin/env").is_empty());
}
