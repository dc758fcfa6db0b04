//! Tenants reach nothing of each other, also where their policies name it.

use std::path::Path;

use doorward_tests::{Level, Run, Tree};

use super::tenant::{Tenant, open, policy};

/// What a process of a user may do to another: by number, outside of any sandbox, where only the
/// kernel's rules on users stand between them.
const REACH: &str = "
import os, sys
user, process = map(int, sys.argv[1:])
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
def tried(name, call):
    try:
        call()
        print(name, 'done')
    except OSError as error:
        print(name, error.errno)
tried('signal', lambda: os.kill(process, 0))
tried('memory', lambda: os.close(os.open(f'/proc/{process}/mem', os.O_RDWR)))
tried('environment', lambda: os.close(os.open(f'/proc/{process}/environ', os.O_RDONLY)))
tried('descriptors', lambda: os.listdir(f'/proc/{process}/fd'))
";

const NOTHING: &str = "signal 1\nmemory 13\nenvironment 13\ndescriptors 13\n";
const ALL: &str = "signal done\nmemory done\nenvironment done\ndescriptors done\n";

fn reached(tree: &Tree, user: u32, process: i32) -> String {
    let (user, process) = (user.to_string(), process.to_string());
    let words = ["/usr/bin/python3", "-c", REACH, &user, &process];
    Run::new(tree, words).native().succeeded().text()
}

#[test]
fn no_tenant_signals_or_reads_another() {
    let tree = Tree::in_reach();
    let policy = policy(&tree, "isolated", "");
    let start = || Tenant::start(&tree, &policy, "id -u");
    let (one, other) = (start(), start());
    let program = one.process("sh");
    assert_eq!(reached(&tree, other.user(), program), NOTHING);
    // The control: who has its user may.
    assert_eq!(reached(&tree, one.user(), program), ALL);
    // Its own user does not help against what decides and what starts it.
    for part in ["doorward-broker", "doorward-init"] {
        let process = one.process(part);
        let told = reached(&tree, one.user(), process);
        assert!(told.contains("memory 13"), "{part}: {told}");
        assert_eq!(reached(&tree, other.user(), process), NOTHING, "{part}");
    }
    assert_eq!(
        reached(&tree, one.user(), one.process("doorward-keeper")),
        NOTHING
    );
    one.end();
    other.end();
}

fn attempt(tree: &Tree, policy: &Path, script: &str) -> String {
    let ended = Run::new(tree, ["/bin/sh", "-c", script]).under_file(policy);
    ended.text()
}

#[test]
fn no_tenant_has_the_files_of_another() {
    let tree = Tree::in_reach();
    open(&tree.directory("shared"));
    let shared = tree.name("shared").display().to_string();
    let rules = format!(
        "[fs]\nread = [\"{shared}/**\"]\nwrite = [\"{shared}/**\"]\ncreate = [\"{shared}/**\"]\n"
    );
    for user in ["isolated", "same"] {
        let policy = policy(&tree, user, &rules);
        let make = format!(
            "umask 077; mkdir shared/{user}; echo secret > shared/{user}/file; \
            chmod 711 shared/{user}; cat shared/{user}/file"
        );
        assert_eq!(attempt(&tree, &policy, &make), "secret\n", "{user}");
        let attack = format!(
            "cat shared/{user}/file; echo more >> shared/{user}/file && echo written; \
             true > shared/{user}/new && echo made; chmod 777 shared/{user} && echo opened; \
             stat -c %a shared/{user}/file"
        );
        let (told, content) = match user {
            "isolated" => ("600\n", "secret\n"),
            // The control: tenants that share a user have all of it.
            _ => ("secret\nwritten\nmade\nopened\n600\n", "secret\nmore\n"),
        };
        assert_eq!(attempt(&tree, &policy, &attack), told, "{user}");
        let file = tree.name("shared").join(user).join("file");
        assert_eq!(std::fs::read_to_string(file).unwrap(), content, "{user}");
    }
}

/// What a user may have of inotify instances is had, and then one more is asked for.
#[test]
fn what_the_kernel_counts_for_a_user_is_a_tenant_s_own() {
    const TAKE: &str = "import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
taken = 0
while taken < 900 and libc.inotify_init1(0) >= 0:
    taken += 1
print(taken, ctypes.get_errno(), flush=True)
";
    let tree = Tree::in_reach();
    for user in ["isolated", "same"] {
        let policy = policy(&tree, user, "");
        let script = format!("/usr/bin/python3 -c '{TAKE}sys.stdin.readline()'");
        let greedy = Tenant::start(&tree, &policy, &script);
        let taken = greedy.said.strip_suffix(&format!(" {}", libc::EMFILE));
        let taken: u32 = taken
            .unwrap_or_else(|| panic!("{}", greedy.said))
            .parse()
            .unwrap();
        let words = ["/usr/bin/python3", "-c", TAKE];
        let ended = Run::new(&tree, words).under_file(&policy).succeeded();
        let got = match user {
            "isolated" => format!("{taken} {}\n", libc::EMFILE),
            // The control: who shares its user finds nothing left.
            _ => format!("0 {}\n", libc::EMFILE),
        };
        assert_eq!(ended.text(), got, "{user}");
        greedy.kill();
    }
}

/// Root's own rights end for a broker that is a tenant's.
#[test]
fn what_only_root_may_read_is_no_tenant_s() {
    let tree = Tree::in_reach();
    let secret = tree.file("secret", "content");
    std::fs::set_permissions(
        &secret,
        <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600),
    )
    .unwrap();
    assert_eq!(tree.level(), Level::Root);
    for (user, wanted) in [("isolated", ""), ("same", "content")] {
        let policy = policy(&tree, user, "");
        assert_eq!(attempt(&tree, &policy, "cat secret"), wanted, "{user}");
    }
}
