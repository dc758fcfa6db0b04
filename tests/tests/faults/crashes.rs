//! Thousands of crashes of the sandboxes of one host that lives on (Z-24): what it holds is
//! the same after each thousand.

use std::process::Stdio;

use doorward_tests::{Ledger, Level, Tree, alone};

use crate::host::place;

/// At level `root`; a tenth of it at each other.
fn cycles() -> u32 {
    let asked = std::env::var("DOORWARD_FAULT_CYCLES").ok();
    asked.map_or(2000, |text| text.parse().unwrap())
}

/// KiB that a host may grow by whatever it does: pages of the allocator that came into use.
const GROWTH: u64 = 512;

/// After so many cycles: KiB, descriptors, threads, sockets and processes.
type Held = (u32, u64, [usize; 4]);

fn hosted(tree: &Tree, cycles: u32, way: &str) -> Vec<Held> {
    let mut host = tree.level().command(env!("CARGO_BIN_EXE_doorward-crashes"));
    host.arg(tree.name("../policy.toml"))
        .args([&cycles.to_string(), way])
        .current_dir(tree.work())
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", tree.name("../temporary"))
        .stdin(Stdio::null());
    let output = host.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let read = |line: &str| -> Held {
        let words: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        let count = |at: usize| usize::try_from(words[at]).unwrap();
        let cycle = u32::try_from(words[0]).unwrap();
        (cycle, words[1], [count(2), count(3), count(4), count(5)])
    };
    text.lines().map(read).collect()
}

/// Whether the last look shows what the first did.
fn is_flat(held: &[Held]) -> bool {
    let (first, last) = (held[0], held[held.len() - 1]);
    first.2 == last.2 && last.1 <= first.1 + GROWTH
}

#[test]
fn a_host_whose_sandboxes_crash_holds_no_more() {
    let _alone = alone();
    println!("| level | cycles | KiB of the host | descriptors, threads, sockets, processes |");
    for level in Level::ALL {
        let tree = place(level);
        let before = Ledger::of(&tree);
        let cycles = match level {
            Level::Root => cycles(),
            _ => cycles() / 10,
        };
        let held = hosted(&tree, cycles, "plain");
        for (cycle, memory, counts) in &held {
            println!("| {level} | {cycle} | {memory} | {counts:?} |");
        }
        assert!(is_flat(&held), "{level}: {held:?}");
        let settled = before.settles(&tree);
        assert!(settled.is_ok(), "{level}: {settled:?}");
    }
}

#[test]
fn control_a_host_that_forgets_is_seen() {
    let _alone = alone();
    let tree = place(Level::Root);
    let held = hosted(&tree, 200, "leaky");
    let (first, last) = (held[0], held[held.len() - 1]);
    assert!(last.2[0] >= first.2[0] + 200, "{held:?}");
    assert!(last.1 >= first.1 + GROWTH, "{held:?}");
    assert!(!is_flat(&held), "{held:?}");
}
