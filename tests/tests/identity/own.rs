//! Whose the processes of a sandbox are, and what follows for what it asks.

use std::os::unix::net::UnixListener;

use doorward_tests::{Level, Run, Tree, built, built_beside, copied, doorward, is_tenant};
use serde_json::Value;

use super::tenant::{Tenant, field, open, policy};

const NO_CAPABILITY: &str = "0000000000000000";

#[test]
fn a_sandbox_and_its_broker_have_a_user_of_their_own() {
    let tree = Tree::in_reach();
    for user in ["isolated", "same"] {
        let policy = policy(&tree, user, "");
        let tenant = Tenant::start(&tree, &policy, "id -u");
        let number = tenant.user();
        assert_eq!(is_tenant(number), user == "isolated", "{number}");
        for part in ["doorward-broker", "doorward-init", "sh"] {
            let process = tenant.process(part);
            let all = [number; 4].map(|number| number.to_string()).join("\t");
            for ids in ["Uid", "Gid"] {
                assert_eq!(field(process, ids), all, "{user} {part}");
            }
            if user == "isolated" {
                assert_eq!(field(process, "Groups"), "", "{part}");
            }
            for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                assert_eq!(field(process, set), NO_CAPABILITY, "{user} {part} {set}");
            }
        }
        assert_eq!(
            field(tenant.process("doorward-keeper"), "Uid"),
            "0\t0\t0\t0"
        );
        tenant.end();
    }
}

#[test]
fn the_first_record_and_stat_tell_the_kernel_s_numbers() {
    let tree = Tree::in_reach();
    let policy = policy(&tree, "isolated", "");
    let audit = tree.name("../audit");
    let script = "id -u; id -g; id -G; stat -c %u:%g /usr; touch /tmp/own; stat -c %u:%g /tmp/own";
    let ended = Run::new(&tree, ["/bin/sh", "-c", script])
        .option("--audit")
        .option(&audit)
        .under_file(&policy)
        .succeeded();
    let text = ended.text();
    let lines: Vec<&str> = text.lines().collect();
    let [user, group, groups, root, own] = lines[..] else {
        panic!("{text}");
    };
    assert_eq!((group, groups, root), (user, user, "0:0"));
    assert_eq!(own, format!("{user}:{user}"));
    let records = std::fs::read_to_string(&audit).unwrap();
    let first: Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
    let layers = first["layers"].as_array().unwrap();
    let layer = layers.iter().find(|layer| layer["name"] == "identity");
    assert_eq!(layer.unwrap()["held"], true);
    let found = layer.unwrap()["found"].as_str().unwrap();
    assert_eq!(found, format!("user and group {user}"));
}

#[test]
fn a_service_is_told_the_tenant() {
    const ASK: &str = "import os, socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
print(os.getuid(), peer.recv(20).decode())";
    let tree = Tree::in_reach();
    tree.directory("../services");
    let place = tree.path().join("services/socket");
    let service = UnixListener::bind(&place).unwrap();
    open(&place);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = service.accept() {
            let peer = rustix::net::sockopt::socket_peercred(&stream).unwrap();
            let text = peer.uid.as_raw().to_string();
            std::io::Write::write_all(&mut &stream, text.as_bytes()).unwrap();
        }
    });
    for user in ["isolated", "same"] {
        let more = format!("[net]\nunix = [\"{}\"]\n", place.display());
        let policy = policy(&tree, user, &more);
        let words = ["/usr/bin/python3", "-c", ASK, place.to_str().unwrap()];
        let text = Run::new(&tree, words)
            .under_file(&policy)
            .succeeded()
            .text();
        let (own, told) = text.trim().split_once(' ').unwrap();
        assert_eq!(own, told);
        assert_eq!(is_tenant(own.parse().unwrap()), user == "isolated");
    }
}

/// Also the directories that lead to what a rule names below /tmp.
#[test]
fn the_scratch_directory_is_the_tenant_s_and_goes_with_it() {
    let tree = Tree::in_reach();
    let temporary = tree.directory("../temporary");
    let outside = tempfile::tempdir_in("/tmp").unwrap();
    let way = outside.path().display();
    std::fs::create_dir(outside.path().join("named")).unwrap();
    let more = format!("[fs]\nread = [\"{way}/named/**\"]\n");
    let policy = policy(&tree, "isolated", &more);
    let script = format!(
        "mkdir -p /tmp/a/b && echo content > /tmp/a/b/c && mv /tmp/a/b/c /tmp/d && \
         chmod 600 /tmp/d && rm -r /tmp/a && cp /tmp/d {way}/beside && cat {way}/beside && \
         stat -c %u /tmp"
    );
    let run = Run::new(&tree, ["/bin/sh", "-c", &script]).variable("TMPDIR", &temporary);
    let text = run.under_file(&policy).succeeded().text();
    let (content, user) = text.trim().split_once('\n').unwrap();
    assert_eq!(content, "content");
    assert!(is_tenant(user.parse().unwrap()), "{text}");
    assert!(!outside.path().join("beside").exists());
    assert_eq!(temporary.read_dir().unwrap().count(), 0);
}

#[test]
fn the_trap_front_serves_a_tenant() {
    let tree = Tree::in_reach();
    let command = built();
    let policy = policy(&tree, "isolated", "");
    let copy = copied(&command, tree.name("doorward"));
    let library = "libdoorward_preload.so";
    let built = command.with_file_name(library);
    assert!(built.exists(), "cargo build --release");
    tree.program(library, std::fs::read(built).unwrap());
    let audit = tree.name("../audit");
    tree.file("in", "content");
    let run = Run::new(
        &tree,
        ["/bin/sh", "-c", "id -u; cat in; cat ../isolated.toml"],
    )
    .command(copy)
    .option("--front")
    .option("trap")
    .option("--audit")
    .option(&audit);
    let ended = run.under_file(&policy);
    assert_eq!(ended.code(), 1, "{}", ended.error());
    let (user, content) = ended
        .text()
        .split_once('\n')
        .map(|(user, content)| (user.to_owned(), content.to_owned()))
        .unwrap();
    assert!(is_tenant(user.parse().unwrap()));
    assert_eq!(content, "content");
    let records = std::fs::read_to_string(&audit).unwrap();
    assert!(records.contains("\"front\":\"trap\""), "{records}");
    assert!(records.contains("\"operation\":\"lane\""), "{records}");
}

/// A sandbox has one user: its typed spawns have it under whichever policy, and none asks for
/// another.
#[test]
fn typed_spawns_have_the_user_of_their_sandbox() {
    let tree = Tree::in_reach();
    let program = std::fs::read(built_beside("doorward-typed")).unwrap();
    tree.program("typed", program);
    let spawned = tree.program("spawned", "#!/bin/sh\nid -u\n");
    tree.file("open", "granted");
    let words = ["open", "open", "denied", "spawned"].map(|name| tree.name(name));
    for (own, other, wanted) in [
        ("isolated", "isolated", 2),
        ("isolated", "same", 2),
        ("same", "same", 2),
        ("same", "isolated", 125),
    ] {
        let others = policy(&tree, other, "").with_file_name("other.toml");
        std::fs::rename(others.with_file_name(format!("{other}.toml")), &others).unwrap();
        let more = format!(
            "[fs]\ndeny = [\"{}\"]\n[[exec.program]]\npath = \"{}\"\nargs = []\npolicy = \"other.toml\"\n",
            words[2].display(),
            spawned.display()
        );
        let text = std::fs::read_to_string(policy(&tree, own, &more)).unwrap();
        let text = format!("front = \"api\"\n{text}");
        let path = tree.file("../main.toml", text);
        let mut command = doorward(Level::Root);
        command.args(["run", "--quiet", "--policy"]).arg(&path);
        command.arg("--").arg(tree.name("typed")).args(&words);
        let output = command.current_dir(tree.work()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        if wanted == 125 {
            assert_eq!(output.status.code(), Some(125), "{text}{error}");
            assert!(
                error.contains("other.toml") && error.contains("one user"),
                "{error}"
            );
            continue;
        }
        let users: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        assert_eq!(users.len(), 1, "{own} {other}: {text}{error}");
        assert_eq!(is_tenant(users[0]), own == "isolated", "{text}");
        assert!(text.contains("spawn exit status: 0"), "{text}");
    }
}

#[test]
fn nobody_but_root_with_namespaces_can_give_users() {
    for level in [Level::User, Level::UserNoNs, Level::Nested] {
        let tree = Tree::new(level);
        let policy = policy(&tree, "isolated", "");
        let ended = Run::new(&tree, ["/bin/echo", "started"]).under_file(&policy);
        assert_eq!((ended.code(), ended.text().as_str()), (125, ""), "{level}");
        let error = ended.error();
        let needed = match level {
            Level::Nested => "identity.user = \"isolated\"",
            _ => "as root",
        };
        assert!(error.contains(needed), "{level}: {error}");
        assert_eq!(error.trim().lines().count(), 1, "{level}: {error}");
    }
}
