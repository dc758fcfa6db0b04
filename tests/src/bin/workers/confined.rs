//! What a worker cannot do, to its neighbours above all.

use std::collections::BTreeSet;

use doorward::worker::{CallError, Nest};

use super::{plain, rogue, terms, zygote};

/// It makes no process, reaches no neighbour, and has no other way to one.
pub(crate) fn all(front: &str) {
    let zygote = plain(front);
    let (mut one, mut other) = (rogue(&zygote), rogue(&zygote));
    let process = |worker: &mut super::Rogues<super::Worker>| {
        worker.own(terms()).unwrap().whatever_it_is().result.1
    };
    let neighbour = process(&mut other);
    let mut attempt = |what: &str| {
        let result = one.attempt(terms(), what.to_owned());
        result.unwrap().whatever_it_is().result
    };
    assert_eq!(attempt("fork"), libc::EPERM);
    assert_eq!(attempt(&format!("kill {neighbour}")), libc::EPERM);
    assert_eq!(attempt(&format!("ptrace {neighbour}")), libc::EPERM);
    assert_eq!(attempt("shmget"), libc::EPERM);
    assert_ne!(attempt("socket"), 0);
    // Nor the zygote, the init of its namespace.
    let zygote_s = attempt("kill 1");
    assert!(
        zygote_s == libc::EPERM || zygote_s == libc::ESRCH,
        "{zygote_s}"
    );
    assert_eq!(process(&mut other), neighbour);
    // The control: it may signal itself.
    let own = process(&mut one);
    let result = one.attempt(terms(), format!("kill {own}"));
    assert!(matches!(result, Err(CallError::Died(_))), "{result:?}");
}

/// The workers of a zygote share a user of their own, and those of another have another.
pub(crate) fn isolated(front: &str) {
    let policy = "identity.user = \"isolated\"\nlimits.memory = \"256MiB\"\n";
    let start = || zygote(front, policy, super::PLAIN).unwrap();
    let (one, other) = (start(), start());
    let mut workers = [rogue(&one), rogue(&one), rogue(&other)];
    for worker in &mut workers {
        worker.own(terms()).unwrap().whatever_it_is();
    }
    let host = std::process::id();
    let children = std::fs::read_to_string(format!("/proc/{host}/task/{host}/children"));
    let children = children.unwrap();
    let keepers = children
        .split_whitespace()
        .map(|text| text.parse().unwrap());
    let users = keepers.map(|keeper: i32| {
        let all = doorward_tests::below(keeper);
        // Broker, zygote and a worker at least.
        assert!(all.len() >= 3, "{all:?}");
        let users: BTreeSet<u32> = all.into_iter().map(user).collect();
        assert_eq!(users.len(), 1, "{users:?}");
        users.into_iter().next().unwrap()
    });
    let users: BTreeSet<u32> = users.collect();
    assert_eq!(users.len(), 2, "{users:?}");
    assert!(users.into_iter().all(doorward_tests::is_tenant));
}

fn user(process: i32) -> u32 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let ids = text.lines().find_map(|line| line.strip_prefix("Uid:"));
    let ids: BTreeSet<&str> = ids.unwrap().split_whitespace().collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    ids.into_iter().next().unwrap().parse().unwrap()
}

/// Two of them wait, until the host is told to end, so that they can be looked at.
pub(crate) fn waits(front: &str) {
    let zygote = plain(front);
    let mut workers = [rogue(&zygote), rogue(&zygote)];
    for worker in &mut workers {
        worker.own(terms()).unwrap().whatever_it_is();
    }
    println!("ready");
    std::io::stdin().lines().for_each(drop);
}

/// One that takes too much ends alone.
pub(crate) fn memory(front: &str) {
    let limits = "limits.memory = \"64MiB\"\n";
    let zygote = zygote(front, limits, Nest::default()).unwrap();
    let mut neighbour = rogue(&zygote);
    neighbour.own(terms()).unwrap().whatever_it_is();
    for _ in 0..3 {
        let mut worker = rogue(&zygote);
        match worker.fill(terms(), 256 << 20) {
            Err(CallError::Died(_)) => {}
            Ok(answer) => {
                let filled = answer.whatever_it_is().result;
                assert!(filled < 64 << 20, "{filled}");
            }
            Err(other) => panic!("{other:?}"),
        }
        // The control: half of it can be had, at the same time.
        let filled = neighbour.fill(terms(), 24 << 20).unwrap();
        assert_eq!(filled.whatever_it_is().result, 24 << 20);
    }
}

/// What workers cannot have is said before anything is started.
pub(crate) fn refusals(front: &str) {
    for (line, word) in [
        ("fs.scratch = \"1MiB\"\n", "fs.scratch"),
        ("limits.wall = \"1s\"\n", "limits.wall"),
    ] {
        let refused = zygote(front, line, Nest::default());
        let error = refused.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
