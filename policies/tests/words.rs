//! The words of the policy document, one test each.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use doorward_policy::policy::{CodeMap, Destination, Front, IdentityUser};
use doorward_policy::{AbsName, Access, Denial, Expansion, Policy, Reason, Verdict};

fn expansion() -> Expansion {
    Expansion {
        cwd: Some("/srv/work [1]".into()),
        home: Some("/home/u".into()),
        uid: 1000,
    }
}

fn parse(body: &str) -> Policy {
    let text = format!("version = 1\n{body}");
    match Policy::parse(&text, "p.toml", Path::new("/nowhere"), &expansion()) {
        Ok(loaded) => loaded.policy,
        Err(errors) => panic!("{errors}"),
    }
}

fn refused(body: &str) -> String {
    let text = format!("version = 1\n{body}");
    Policy::parse(&text, "p.toml", Path::new("/nowhere"), &expansion())
        .unwrap_err()
        .to_string()
}

fn name(text: &str) -> AbsName {
    AbsName::parse(text.as_bytes()).unwrap()
}

/// The accesses that are allowed to a regular file of this name.
fn allowed(policy: &Policy, text: &str) -> Vec<Access> {
    use Access::{Create, Delete, Execute, Read, Stat, Write};
    let all = [Read, Write, Create, Delete, Stat, Execute];
    let of = |access: &Access| policy.decide_file(&name(text), *access, false).is_allow();
    all.into_iter().filter(of).collect()
}

fn denial(verdict: Verdict) -> Denial {
    match verdict {
        Verdict::Deny(denial) => denial,
        Verdict::Allow(rule) => panic!("allowed by {rule:?}"),
    }
}

fn file_reason(policy: &Policy, text: &str, access: Access) -> (Reason, i32) {
    let denial = denial(policy.decide_file(&name(text), access, false));
    (denial.reason, denial.errno)
}

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
    for inside in ["/tmp", "/tmp/x/y", "/var/tmp", "/var/tmp/z"] {
        let rights = policy.rights(&name(inside));
        assert!(rights.scratch, "{inside}");
        let rule = policy.rule(rights.write.unwrap()).unwrap();
        assert_eq!((rule.key.as_str(), rule.line), ("fs.scratch", 3));
        assert!(allowed(&policy, inside).contains(&Access::Create));
    }
    for outside in ["/tmp/mine/x", "/tmp/no", "/tmpx", "/var"] {
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

fn tcp(text: &str) -> Destination {
    Destination::Tcp(text.parse::<SocketAddr>().unwrap())
}

fn tcp_reason(policy: &Policy, text: &str) -> Option<Reason> {
    let own: [IpAddr; 1] = ["198.51.100.7".parse().unwrap()];
    match policy.decide_connect(&tcp(text), &own) {
        Verdict::Allow(_) => None,
        Verdict::Deny(denial) => Some(denial.reason),
    }
}

#[test]
fn connect_by_address_network_and_port() {
    let policy = parse(
        r#"[net]
connect = ["tcp:192.0.2.0/24:443", "tcp:[2001:db8::]/32:8000-8010", "tcp:*:80", "tcp:127.0.0.1:5432", "tcp:*.example.org:993"]"#,
    );
    assert!(policy.has_tcp());
    for to in [
        "192.0.2.9:443",
        "[::ffff:192.0.2.9]:443",
        "[2001:db8::1]:8005",
        "93.184.216.34:80",
        "127.0.0.1:5432",
        "[::ffff:127.0.0.1]:5432",
        "0.0.0.0:5432",
    ] {
        assert_eq!(tcp_reason(&policy, to), None, "{to}");
    }
    for (to, reason) in [
        ("192.0.2.9:444", Reason::NoRule),
        ("192.0.3.9:443", Reason::NoRule),
        ("[2001:db8::1]:7999", Reason::NoRule),
        ("127.0.0.1:80", Reason::AddressClass),
        ("10.0.0.1:80", Reason::AddressClass),
        ("198.51.100.7:80", Reason::AddressClass),
        ("169.254.169.254:80", Reason::AddressClass),
        ("[2002:7f00:1::]:80", Reason::AddressClass),
        ("127.0.0.2:5432", Reason::NoRule),
        ("93.184.216.34:993", Reason::NotYet),
    ] {
        assert_eq!(tcp_reason(&policy, to), Some(reason), "{to}");
    }
    let scoped = Destination::Tcp(SocketAddr::V6(std::net::SocketAddrV6::new(
        "2606:2800::1".parse().unwrap(),
        80,
        0,
        3,
    )));
    assert_eq!(
        denial(policy.decide_connect(&scoped, &[])).reason,
        Reason::AddressClass
    );
    assert!(!parse("").has_tcp());
}

#[test]
fn resolve_listen_and_udp_are_kept_as_rules() {
    let policy = parse(
        "[net]\nresolve = [\"*.example.org\"]\nlisten = [\"tcp:127.0.0.1:8080\"]\nconnect = [\"udp:192.0.2.1:53\"]",
    );
    let keys: Vec<_> = policy.rules.iter().map(|rule| rule.key.as_str()).collect();
    assert_eq!(keys, ["net.connect", "net.resolve", "net.listen"]);
    assert_eq!(tcp_reason(&policy, "192.0.2.1:53"), Some(Reason::NoRule));
    assert!(!policy.has_tcp());
}

#[test]
fn unix_sockets_by_path_and_abstract_name() {
    let policy = parse(
        r#"[net]
unix = ["/run/mysqld/*.sock", "@bus-?", "dgram:/dev/log", "dgram:@notify"]
[fs]
read = ["/run/other.sock"]
deny = ["/run/mysqld/admin.sock"]"#,
    );
    let path = |text: &str| policy.decide_connect(&Destination::UnixPath(name(text)), &[]);
    let abstracted = |text: &str| {
        policy.decide_connect(&Destination::UnixAbstract(text.as_bytes().to_vec()), &[])
    };
    assert!(path("/run/mysqld/mysqld.sock").is_allow());
    assert_eq!(
        denial(path("/run/mysqld/admin.sock")).reason,
        Reason::Denied
    );
    assert_eq!(denial(path("/run/other.sock")).reason, Reason::Access);
    assert_eq!(denial(path("/run/none.sock")).reason, Reason::NoRule);
    assert_eq!(denial(path("/dev/log")).reason, Reason::NotYet);
    assert!(abstracted("bus-1").is_allow());
    assert_eq!(denial(abstracted("bus-10")).reason, Reason::NoRule);
    assert_eq!(denial(abstracted("notify")).reason, Reason::NotYet);
    // It may be looked at, but not opened.
    assert_eq!(allowed(&policy, "/run/mysqld/mysqld.sock"), [Access::Stat]);
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
