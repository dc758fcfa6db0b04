//! Numbers: one for each sandbox that lives, and one after the other.

use std::{collections::BTreeSet, fs, process::Command};

use doorward_tests::{Tree, is_tenant, next_tenant, tenant_is_claimed};

use super::tenant::{Tenant, policy};

/// Processes of tenants, of whichever sandbox.
fn processes_of(users: &BTreeSet<u32>) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let status = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("status")).ok();
    let of_one = |text: &String| {
        let ids = text.lines().find_map(|line| line.strip_prefix("Uid:"));
        let first = ids.and_then(|ids| ids.split_whitespace().next()?.parse().ok());
        first.is_some_and(|user| users.contains(&user))
    };
    all.filter_map(status).filter(of_one).collect()
}

#[test]
fn fifty_that_start_at_once_have_fifty_users() {
    const STARTS: usize = 50;
    let _first = next_tenant(11_000_000);
    let tree = Tree::in_reach();
    let temporary = tree.directory("../temporary");
    let policy = policy(&tree, "isolated", "");
    // All of them have this thread's record.
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(Tenant::begin(&tree, &policy, "id -u", &temporary));
    }
    let tenants: Vec<Tenant> = starts.into_iter().map(Tenant::begun).collect();
    let users: BTreeSet<u32> = tenants.iter().map(Tenant::user).collect();
    assert_eq!(users.len(), STARTS);
    assert!(users.iter().all(|user| is_tenant(*user)));
    assert!(users.iter().all(|user| tenant_is_claimed(*user)));
    assert!(processes_of(&users).len() >= 3 * STARTS);
    for tenant in tenants {
        tenant.end();
    }
    let left = processes_of(&users);
    assert!(left.is_empty(), "{left:?}");
    assert!(!users.iter().any(|user| tenant_is_claimed(*user)));
    assert_eq!(temporary.read_dir().unwrap().count(), 0);
}

#[test]
fn a_number_is_given_again_when_nothing_is_left_of_who_had_it() {
    let first = next_tenant(12_000_000);
    let tree = Tree::in_reach();
    let temporary = tree.directory("../temporary");
    let policy = policy(&tree, "isolated", "");
    let script = "echo secret > /tmp/left; id -u";
    let start = |script| Tenant::start_in(&tree, &policy, script, &temporary);
    let killed = start(script);
    assert_eq!(killed.user(), first);
    assert!(tenant_is_claimed(first));
    killed.kill();
    assert!(!tenant_is_claimed(first));
    assert!(processes_of(&BTreeSet::from([first])).is_empty());
    // The next in turn is another; the killed one's directory is taken away by it.
    assert_eq!(temporary.read_dir().unwrap().count(), 1);
    let second = start("id -u");
    assert_eq!(second.user(), first + 1);
    second.end();
    assert_eq!(temporary.read_dir().unwrap().count(), 0);
    fs::write("/run/doorward/users", 12_000_000_u64.to_ne_bytes()).unwrap();
    let again = start("echo $(id -u) $(ls -A /tmp | wc -l)");
    assert_eq!(again.said, format!("{first} 0"));
    again.end();
}

/// A change of user takes back what ends the broker with its keeper.
#[test]
fn whichever_part_is_killed_nothing_of_a_tenant_is_left() {
    let _first = next_tenant(14_000_000);
    let tree = Tree::in_reach();
    let policy = policy(&tree, "isolated", "");
    let parts = [
        "doorward",
        "doorward-keeper",
        "doorward-broker",
        "doorward-init",
        "sh",
    ];
    for part in parts {
        let script = "sleep 300 & setsid sleep 300 & (sleep 300 &); id -u";
        let tenant = Tenant::start(&tree, &policy, script);
        let user = tenant.user();
        assert!(tenant_is_claimed(user));
        let victim = tenant.process(part);
        tenant.lose(&[victim]);
        assert!(!tenant_is_claimed(user), "{part}");
        let left = processes_of(&BTreeSet::from([user]));
        assert!(left.is_empty(), "{part}: {left:?}");
    }
}

#[test]
fn a_number_that_somebody_runs_with_is_passed_over() {
    let first = next_tenant(13_000_000);
    let tree = Tree::in_reach();
    let policy = policy(&tree, "isolated", "");
    let mut stranger = Command::new("/usr/bin/setpriv")
        .args(["--reuid", &first.to_string(), "--clear-groups"])
        .args(["--regid", &first.to_string(), "/usr/bin/sleep", "300"])
        .spawn()
        .unwrap();
    while processes_of(&BTreeSet::from([first])).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let tenant = Tenant::start(&tree, &policy, "id -u");
    assert_eq!(tenant.user(), first + 1);
    tenant.end();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
