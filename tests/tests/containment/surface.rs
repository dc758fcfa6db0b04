//! S-1: every system call by number, each in a process of its own, does what the filter says.

use std::collections::BTreeMap;

use doorward_policy::{
    Expansion, Policy,
    filter::{Action, Arch, CallData, Filter, FilterRequest},
};
use doorward_tests::{Level, policy_source};

use crate::bench::Bench;

/// Numbers beyond the newest call are tried too.
const LAST: u32 = 471 + 64;
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const SIGSYS: i32 = 31;
const SIGILL: i32 = 4;
/// uretprobe and uprobe: the kernel asks no filter about them. Whoever calls them from anywhere
/// but a probe's own page dies or gets ENXIO, so they give nothing.
const UNFILTERED: [u32; 2] = [335, 336];
const ENXIO: i64 = 6;

/// What came of each number: its result, and the wait status.
fn outcomes(text: &str) -> BTreeMap<u32, (i64, i32)> {
    let parsed = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [number, result, status] = words.as_slice() else {
            panic!("{line}");
        };
        let outcome = (result.parse().unwrap(), status.parse().unwrap());
        (number.parse().unwrap(), outcome)
    };
    text.lines().map(parsed).collect()
}

/// The filter that a level is to have.
fn filter(bench: &Bench) -> Filter {
    let expansion = Expansion {
        cwd: Some(bench.tree.work()),
        home: None,
        uid: 0,
    };
    let policy = Policy::load(&policy_source("containment"), &expansion)
        .unwrap()
        .policy;
    Filter::assemble(&FilterRequest {
        policy: &policy,
        arch: Arch::X86_64,
        notify: true,
        trap: false,
        network_namespace: Level::WITH_VIEW.contains(&bench.tree.level()),
        processes: true,
        zygote: false,
    })
    .unwrap()
}

fn at(level: Level) -> BTreeMap<u32, (i64, i32)> {
    let bench = Bench::new(level);
    let filter = filter(&bench);
    let last = LAST.to_string();
    let ended = bench.run(&["surface", "0", &last]).under("containment");
    let ours = outcomes(&ended.text());
    assert_eq!(ours.len(), 535, "{level}: {}", ended.error());
    let mut counts = [0; 4];
    for (number, (result, status)) in &ours {
        let call = CallData {
            number: *number,
            arch: AUDIT_ARCH_X86_64,
            pointer: 0,
            arguments: [u64::MAX; 6],
        };
        let killed = status & 0x7f == SIGSYS;
        let verdict = filter.evaluate(&call);
        let nothing = status & 0x7f == SIGILL || *result == -ENXIO;
        if UNFILTERED.contains(number) && nothing {
            continue;
        }
        let (place, holds) = match verdict {
            Action::Allow => (0, !killed),
            Action::Notify => (1, !killed && *result != -38),
            Action::Errno(errno) => (2, !killed && *result == -i64::from(errno)),
            Action::Kill => (3, killed),
            Action::Other(_) => panic!("{number}: {verdict:?}"),
        };
        assert!(
            holds,
            "{level} {number}: {verdict:?}, but {result} {status}"
        );
        counts[place] += 1;
    }
    assert!(counts.iter().all(|count| *count > 5), "{level}: {counts:?}");
    ours
}

#[test]
fn every_number_does_what_the_filter_says() {
    let ours = at(Level::Root);
    for level in [Level::User, Level::UserNoNs, Level::Nested] {
        at(level);
    }
    // The control: an ordinary user without doorward gets other answers to many of them.
    let bench = Bench::new(Level::User);
    let native = outcomes(&bench.run(&["surface", "0", "162"]).native().text());
    let differ = native
        .iter()
        .filter(|(number, outcome)| ours[number] != **outcome);
    assert!(differ.count() > 20, "the filter changes nothing");
}

const DEADLY: &str = "import ctypes, signal, sys
how = sys.argv[1]
if how == 'blocked': signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGSYS])
if how == 'ignored': signal.signal(signal.SIGSYS, signal.SIG_IGN)
if how == 'handled': signal.signal(signal.SIGSYS, lambda *_: print('handled', flush=True))
print('alive', flush=True)
ctypes.CDLL(None).syscall(250, 99, 0, 0, 0, 0)
print('survived', flush=True)
";

/// S-42: a call that kills cannot be survived by what is done with the signal.
#[test]
fn a_deadly_call_ends_whoever_blocks_or_handles_the_signal() {
    for level in Level::ALL {
        let tree = doorward_tests::Tree::new(level);
        for how in ["not", "blocked", "ignored", "handled"] {
            let words = ["/usr/bin/python3", "-c", DEADLY, how];
            let run = doorward_tests::Run::new(&tree, words);
            let ours = run.under("builtin:default");
            assert_eq!(ours.text(), "alive\n", "{level} {how}");
            assert_eq!(ours.code(), 128 + SIGSYS, "{level} {how}");
            let native = run.native().succeeded().text();
            assert_eq!(native, "alive\nsurvived\n", "{level} {how}");
        }
    }
}
