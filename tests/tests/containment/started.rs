//! What a sandboxee is started with, and what it starts.

use std::{
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::Path,
    process::Stdio,
};

use doorward_tests::{Level, Run, Tree, doorward};

use crate::confined::{CAPABILITIES, NONE, family, status};

const HOSTILE: [&str; 9] = [
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "BASH_ENV",
    "GIT_SSH_COMMAND",
    "PERL5LIB",
    "NODE_OPTIONS",
    "SSH_AUTH_SOCK",
];

/// X-4, L-1.
#[test]
fn only_named_variables_are_passed() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let mut run = Run::new(&tree, ["/usr/bin/env"]);
        for name in HOSTILE {
            run = run.variable(name, "a-canary");
        }
        let native = run.native().succeeded().text();
        assert_eq!(native.matches("a-canary").count(), HOSTILE.len());
        let ours = run.under("builtin:default").succeeded().text();
        assert!(!ours.contains("a-canary"), "{level}: {ours}");
        let names = ours.lines().filter_map(|line| line.split_once('='));
        for (name, _) in names {
            let named = ["PATH", "HOME", "LANG", "TERM", "TMPDIR", "PWD", "USER"];
            assert!(named.contains(&name) || name.starts_with("LC_"), "{ours}");
        }
        assert!(ours.contains("PATH=/usr/bin:/bin"), "{level}: {ours}");
    }
}

/// the kernel starts the interpreter, for which there is no rule.
#[test]
fn a_script_needs_a_rule_for_its_interpreter() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let script = tree.program("probe", "#!/bin/sh\n: > in/made\necho ran\n");
        tree.directory("in");
        let made = tree.name("in/made");
        let run = Run::new(&tree, [&script]);
        let ours = run.under("containment");
        assert!(!ours.text().contains("ran"), "{level}: {}", ours.text());
        assert_ne!(ours.code(), 0, "{level}");
        assert!(!made.exists(), "{level}");
        assert!(run.native().succeeded().text().contains("ran"));
        assert!(made.exists());
        // With one it runs.
        let permitted = tree.program("permitted", "#!/bin/sh\necho ran\n");
        let ours = Run::new(&tree, [&permitted]).under("builtin:default");
        assert_eq!(ours.succeeded().text(), "ran\n", "{level}");
    }
}

/// X-10, S-48.
#[test]
fn a_set_user_id_program_gains_nothing() {
    for level in [Level::User, Level::UserNoNs] {
        let tree = Tree::new(level);
        let program = tree.program("identity", std::fs::read("/usr/bin/id").unwrap());
        std::os::unix::fs::chown(&program, Some(0), Some(0)).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o6755)).unwrap();
        let run = Run::new(&tree, [program.as_os_str(), "-u".as_ref()]);
        let (user, _) = level.ids();
        let ours = run.under("builtin:default").succeeded().text();
        assert_eq!(ours, format!("{user}\n"), "{level}");
        if level == Level::User {
            // The control: without doorward it becomes root.
            assert_eq!(run.native().succeeded().text(), "0\n");
        }
    }
}

const SHELLS: &str = "/bin/sh -c 'echo ready; read line; :'; :";

/// as others see it.
#[test]
fn what_a_sandboxee_starts_is_held_as_it_is() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let mut command = doorward(level);
        command.args(["run", "--quiet", "--policy", "builtin:default", "--"]);
        command
            .args(["/bin/sh", "-c", SHELLS])
            .current_dir(tree.work());
        let mut host = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(host.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let family = family(host.id());
        let shells: Vec<_> = family
            .iter()
            .filter(|one| status(one)["Name"] == "sh")
            .collect();
        assert_eq!(shells.len(), 2, "{level}: {line}");
        let group = |one: &Path| std::fs::read_to_string(one.join("cgroup")).unwrap();
        let limits = |one: &Path| std::fs::read_to_string(one.join("limits")).unwrap();
        let [first, second] = [shells[0], shells[1]];
        for set in CAPABILITIES {
            assert_eq!(status(second)[set], NONE, "{level}");
        }
        for field in [
            "Seccomp",
            "Seccomp_filters",
            "NoNewPrivs",
            "CapBnd",
            "NSpid",
        ] {
            let (one, other) = (status(first), status(second));
            let alike = |text: &str| text.split_whitespace().count();
            match field {
                "NSpid" => assert_eq!(alike(&one[field]), alike(&other[field]), "{level}"),
                _ => assert_eq!(one[field], other[field], "{level} {field}"),
            }
        }
        assert_eq!(status(second)["Seccomp"], "2", "{level}");
        assert_eq!(group(first), group(second), "{level}");
        assert_eq!(limits(first), limits(second), "{level}");
        for kind in ["mnt", "pid", "net", "ipc", "uts", "user"] {
            let space = |one: &Path| std::fs::read_link(one.join("ns").join(kind)).unwrap();
            assert_eq!(space(first), space(second), "{level} {kind}");
        }
        drop(host.stdin.take());
        assert!(host.wait().unwrap().success(), "{level}");
    }
}

///
#[test]
fn a_crash_leaves_no_core() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    for level in Level::ALL {
        let tree = Tree::new(level);
        let crash = "ulimit -c unlimited; kill -ABRT $$";
        let run = Run::new(&tree, ["/bin/sh", "-c", crash]);
        let files = || std::fs::read_dir(tree.work()).unwrap().count();
        let ours = run.under("builtin:build");
        assert_eq!(ours.code(), 128 + 6, "{level}: {}", ours.error());
        assert!(!ours.status.core_dumped(), "{level}");
        assert_eq!(files(), 0, "{level}");
        // The control, where the kernel writes them into the working directory.
        let native = run.native();
        if level == Level::Root && !pattern.starts_with(['|', '/']) {
            assert!(native.status.core_dumped());
            assert_eq!(files(), 1, "{level}: {pattern}");
        }
    }
}

const SECRETS: &str = "import os, sys
told = sys.stdin.read()
content = open('in').read()
with open('/tmp/out', 'w') as out: out.write(content + told + os.environ['LC_CANARY'])
print(open('/tmp/out').read())
try: open('../outside/denied').read()
except OSError: pass
";

/// L-13: names and flags are logged; what is in files, variables, streams and arguments of
/// the program is not.
#[test]
fn the_log_has_no_content_and_no_values() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        tree.file("in", "content-canary");
        tree.file("../outside/denied", "denied-canary");
        let log = tree.file("../audit", "");
        let script = format!("{SECRETS}# argument-canary\n");
        let words = ["/usr/bin/python3", "-c", &script];
        let run = Run::new(&tree, words)
            .variable("LC_CANARY", "variable-canary")
            .input("stream-canary")
            .option("--audit")
            .option(&log);
        let ours = run.under("builtin:default").succeeded().text();
        for canary in ["content-canary", "stream-canary", "variable-canary"] {
            assert!(ours.contains(canary), "{level}: {ours}");
        }
        let log = std::fs::read_to_string(&log).unwrap();
        // The control: what was asked for is there, by its name.
        assert!(log.contains("outside/denied"), "{level}: {log}");
        assert!(log.contains("\"record\":\"denied\""), "{level}: {log}");
        let canary = log.lines().find(|line| line.contains("-canary"));
        assert_eq!(canary, None, "{level}");
    }
}
