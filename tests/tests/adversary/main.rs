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

mod watch;

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use doorward_tests::{Level, Snapshot, Tree};
use watch::{Broker, Latencies};

/// What the broker may have grown by, in KiB: arenas of the allocator for its threads.
const GROWTH: u64 = 8 << 10;
/// Threads it may have started meanwhile: a sandbox's workers come when they are needed.
const WORKERS: usize = 4;
/// What a neighbour's slowest hundredth may take beyond twice that beside busy processes.
const SLACK: Duration = Duration::from_millis(10);

/// The levels are attacked one after the other: each measures time.
static TURN: Mutex<()> = Mutex::new(());

fn seconds() -> u64 {
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
    tree.link("d", "in/link");
    tree.link("../secret", "in/away");
    tree
}

fn attack(level: Level) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = plant(level);
    let policy = tree.file("../adversary.toml", include_bytes!("policy.toml"));
    let untouched = || Snapshot::beside(tree.path(), |path| path.starts_with("work/rw"));
    let before = untouched();
    let (seed, seconds) = (seed(), seconds());
    println!("{level}: seed {seed}, {seconds} s");
    let mut command = level.command(env!("CARGO_BIN_EXE_doorward-adversary"));
    command.arg(&policy).arg(tree.work());
    command.args([seed.to_string(), seconds.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut seen = Latencies::default();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.as_str() {
            "look before" => first = Broker::at_rest(child.id()),
            "look after" => last = Broker::at_rest(child.id()),
            _ if seen.take(&line) => {}
            _ => println!("{level}: {line}"),
        }
    }
    assert!(child.wait().unwrap().success(), "{level}: seed {seed}");
    let served: u64 = seen.served.iter().sum();
    println!("{level}: {served} requests\n{seen}");
    assert!(
        served > seconds * 1000,
        "the attackers asked for nothing: {served}"
    );
    assert_eq!(untouched().differences(&before), Vec::<String>::new());
    assert_eq!(
        (first.len(), last.len()),
        (2, 2),
        "two brokers: {first:?} {last:?}"
    );
    for (before, after) in first.iter().zip(&last) {
        let told = |broker: &Broker| {
            let (descriptors, threads) = (broker.descriptors.len(), broker.threads);
            format!(
                "{descriptors} descriptors, {threads} threads, {} KiB",
                broker.memory
            )
        };
        println!(
            "{level}: the broker had {}, then {}",
            told(before),
            told(after)
        );
        assert_eq!(before.process, after.process);
        assert_eq!(
            before.descriptors, after.descriptors,
            "{level}: seed {seed}"
        );
        // It keeps that of the thread it asked last, where it asked one at all.
        assert!(
            after.processes.abs_diff(before.processes) <= 1,
            "{level}: seed {seed}: {before:?} {after:?}"
        );
        assert!(
            after.threads <= before.threads + WORKERS,
            "{level}: seed {seed}"
        );
        assert!(
            after.memory <= before.memory + GROWTH,
            "{level}: seed {seed}"
        );
    }
    let (busy, attacked) = (seen.neighbour("busy"), seen.neighbour("attacked"));
    assert!(
        attacked <= busy * 2 + SLACK,
        "{level}: the neighbour's slowest hundredth: {busy:?} beside busy processes, {attacked:?} beside attackers"
    );
}

#[test]
fn an_attacked_broker_serves_on_for_root() {
    attack(Level::Root);
}

#[test]
fn an_attacked_broker_serves_on_for_a_user() {
    attack(Level::User);
}
