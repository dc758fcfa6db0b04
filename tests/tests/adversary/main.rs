//! A hostile sandboxee against a live broker, from a printed seed: mutated protocol on its
//! lanes, and random system calls, for `$DOORWARD_ADVERSARY_SECONDS`, at the levels with a view.
//!
//! What is held: an honest process of the very same sandbox is answered all the while, and
//! the neighbour of another sandbox is not slower than beside processes that are merely
//! busy; when the attackers are gone the broker has as many descriptors as before, no more
//! threads than its workers and hardly more memory; and nothing that the policy does not
//! let be changed is changed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod attack;
mod naive;
mod peers;
mod watch;

use std::time::Duration;

use attack::Attack;
use doorward_tests::{Level, Snapshot, Tree, alone};

/// What a broker may have grown by, in KiB: arenas of the allocator for its threads.
const GROWTH: u64 = 8 << 10;

fn seconds() -> u32 {
    let text = std::env::var("DOORWARD_ADVERSARY_SECONDS");
    text.map_or(8, |text| text.parse().unwrap())
}

fn seed() -> u64 {
    match std::env::var("DOORWARD_ADVERSARY_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => {
            let since = std::time::UNIX_EPOCH.elapsed().unwrap();
            since.as_secs()
        }
    }
}

fn plant(level: Level) -> Tree {
    let tree = Tree::new(level);
    for (name, content) in [
        ("in/file", "fine"),
        ("in/d/file", "fine"),
        ("in/hid", "hidden"),
        ("rw/file", "may change"),
        ("rw/d/file", "may change"),
        ("secret/file", "secret"),
        ("../canary", "alive"),
    ] {
        tree.file(name, content);
    }
    tree.directory("../temporary");
    tree.link("d", "in/link");
    tree.link("../secret", "in/away");
    tree
}

fn attack(level: Level) {
    let _alone = alone();
    let tree = plant(level);
    let policy = tree.file("../adversary.toml", include_bytes!("policy.toml"));
    let untouched = || Snapshot::beside(tree.path(), |path| path.starts_with("work/rw"));
    let before = untouched();
    let (seed, seconds) = (seed(), seconds());
    println!("{level}: seed {seed}, {seconds} s");
    let attack = Attack {
        who: vec!["hostile".to_owned()],
        seed,
        quiet: Duration::from_secs(2),
        time: Duration::from_secs(seconds.into()),
    };
    let held = attack.run(attack.command(&tree, &policy), |_, _| {});
    let served: u64 = held.seen.served.iter().sum();
    println!("{level}: {served} requests\n{}", held.seen);
    assert!(
        served > u64::from(seconds) * 1000,
        "the attackers asked for nothing: {served}"
    );
    assert_eq!(untouched().differences(&before), Vec::<String>::new());
    held.is_as_before("hostile", &format!("{level}: seed {seed}"), GROWTH);
}

#[test]
fn an_attacked_broker_serves_on_for_root() {
    attack(Level::Root);
}

#[test]
fn an_attacked_broker_serves_on_for_a_user() {
    attack(Level::User);
}
