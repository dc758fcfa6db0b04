//! Every rule of every profile's filter, by a real call: each number with harmless arguments,
//! and for each answer that depends on arguments some that lead to it.

use std::collections::{BTreeMap, BTreeSet};

use doorward_policy::{
    Expansion, Policy,
    filter::{Action, Arch, CallData, Filter, FilterRequest, Instruction},
    policy::Front,
    profile,
};
use doorward_tests::{Level, Run, Tree};

/// Numbers beyond the newest call are tried too.
const NUMBERS: u32 = 471 + 64;
/// What the kernel never asks a filter about: uretprobe and uprobe.
const UNFILTERED: [u32; 2] = [335, 336];
const ENOSYS: i64 = 38;
const SIGSYS: i32 = 31;
const RETURN: u16 = 0x06;
const JUMP_EQUAL: u16 = 0x15;

fn filter(profile: &str, tree: &Tree) -> Filter {
    let expansion = Expansion {
        cwd: Some(tree.work()),
        home: None,
        uid: tree.level().ids().0,
    };
    let policy = Policy::builtin(profile, &expansion).unwrap().policy;
    Filter::assemble(&FilterRequest {
        policy: &policy,
        arch: Arch::native(),
        notify: policy.front != Front::Api,
        trap: false,
        network_namespace: Level::WITH_VIEW.contains(&tree.level()),
        processes: true,
        zygote: false,
    })
    .unwrap()
}

fn call(number: u32, arguments: [u64; 6]) -> CallData {
    CallData {
        number,
        arch: Arch::native().audit(),
        pointer: 0,
        arguments,
    }
}

/// Arguments, made of what the program compares arguments with, that are no address and no
/// descriptor where they do not have to be.
fn arguments(filter: &Filter, name: &str) -> Vec<[u64; 6]> {
    let compared = |step: &&Instruction| step.code == JUMP_EQUAL;
    let constants: BTreeSet<u64> = filter
        .instructions()
        .iter()
        .filter(compared)
        .map(|step| u64::from(step.k))
        .chain([0, u64::MAX ^ 0x2000_0000])
        .collect();
    let mut all = Vec::new();
    for fill in [u64::MAX, 0] {
        for index in 0..4 {
            for constant in &constants {
                let mut one = [fill; 6];
                one[index] = *constant;
                all.push(one);
            }
        }
    }
    if name.ends_with("sockopt") {
        for level in [0, 1, 6, 41] {
            let options = constants.iter().filter(|option| **option < 256);
            all.extend(options.map(|option| [u64::MAX, level, *option, u64::MAX, u64::MAX, 0]));
        }
    }
    if name.starts_with("socket") {
        for (family, kind) in [(1, 1), (1, 5), (2, 1), (2, 2), (10, 1), (10, 2), (16, 3)] {
            all.extend([0, 6].map(|protocol| [family, kind, protocol, 0, 0, 0]));
        }
    }
    if name == "sendto" {
        all.push([u64::MAX, u64::MAX, u64::MAX, 0, 0, 0]);
    }
    all
}

/// The calls to be made: for each number one, and one more for each further answer to it, and
/// for each instruction that answers.
fn calls(filter: &Filter) -> Vec<CallData> {
    let mut calls = Vec::new();
    let mut answers = BTreeSet::new();
    for number in 0..NUMBERS {
        let first = call(number, [u64::MAX; 6]);
        let name = filter.arch().name(number).unwrap_or_default();
        answers.insert((number, filter.answered_at(&first)));
        calls.push(first);
        for arguments in arguments(filter, name) {
            let further = call(number, arguments);
            if answers.insert((number, filter.answered_at(&further))) {
                calls.push(further);
            }
        }
    }
    calls
}

/// What came of each call: its result, and the wait status.
fn made(tree: &Tree, profile: &str, calls: &[CallData]) -> Vec<(i64, i32)> {
    let program = doorward_tests::built_beside("doorward-calls");
    let lines: String = calls
        .iter()
        .map(|call| {
            let words = call.arguments.map(|argument| format!("{argument:x}"));
            format!("{:x} {}\n", call.number, words.join(" "))
        })
        .collect();
    let words = [program.as_os_str(), profile.as_ref()];
    let ended = Run::new(tree, words).input(lines).native().succeeded();
    let outcome = |line: &str| {
        let (result, status) = line.split_once(' ').unwrap();
        (result.parse().unwrap(), status.parse().unwrap())
    };
    let outcomes: Vec<_> = ended.text().lines().map(outcome).collect();
    assert_eq!(outcomes.len(), calls.len(), "{}", ended.error());
    outcomes
}

/// Whether a real outcome shows that the filter answered so: not only that nothing speaks
/// against it. `None` where it cannot be told.
fn shows(action: Action, others: &[Action], result: i64, status: i32) -> Option<bool> {
    let killed = status & 0x7f == SIGSYS;
    let refused = |action: &Action| matches!(action, Action::Errno(errno) if *errno > 0 && result == -i64::from(*errno));
    match action {
        Action::Kill => Some(killed),
        Action::Errno(errno) => Some(!killed && result == -i64::from(errno)),
        _ if killed => Some(false),
        // What the kernel itself says of a call that it does not have.
        Action::Allow if result == -ENOSYS => None,
        Action::Notify if result == -ENOSYS => Some(false),
        _ if others.iter().any(refused) => Some(false),
        Action::Allow | Action::Notify => Some(true),
        Action::Other(_) => Some(false),
    }
}

/// What was seen of one filter.
#[derive(Default)]
struct Seen {
    calls: usize,
    wrong: Vec<String>,
    /// Numbers of which nothing is known.
    untold: BTreeSet<u32>,
    /// Instructions that answered.
    answered: BTreeSet<usize>,
}

fn look(filter: &Filter, calls: &[CallData], outcomes: &[(i64, i32)]) -> Seen {
    let mut answers: BTreeMap<u32, Vec<Action>> = BTreeMap::new();
    for call in calls {
        answers
            .entry(call.number)
            .or_default()
            .push(filter.evaluate(call));
    }
    let mut seen = Seen {
        calls: calls.len(),
        ..Seen::default()
    };
    for (call, (result, status)) in calls.iter().zip(outcomes) {
        let action = filter.evaluate(call);
        let others: Vec<Action> = answers[&call.number]
            .iter()
            .filter(|other| **other != action)
            .copied()
            .collect();
        match shows(action, &others, *result, *status) {
            _ if UNFILTERED.contains(&call.number) => {
                seen.untold.insert(call.number);
            }
            Some(true) => seen.answered.extend(filter.answered_at(call)),
            Some(false) => {
                let name = filter.arch().name(call.number);
                seen.wrong.push(format!(
                    "{name:?} {call:x?}: {action:?}, but {result} {status:#x}"
                ));
            }
            None => {
                seen.untold.insert(call.number);
            }
        }
    }
    seen
}

/// Instructions that answer, and were not seen to. What is said of another architecture or of
/// x32 is none of them: no call of this interface gets there.
fn silent(filter: &Filter, seen: &Seen) -> Vec<usize> {
    let foreign = [filter.arch().audit(), 0x4000_0000];
    let steps = filter.instructions();
    let answers = steps.iter().enumerate().skip(1);
    answers
        .filter(|(at, step)| step.code == RETURN && !foreign.contains(&steps[at - 1].k))
        .map(|(at, _)| at)
        .filter(|at| !seen.answered.contains(at))
        .collect()
}

#[test]
fn every_rule_of_every_profile_is_met_by_a_real_call() {
    // Numbers of which a real call tells nothing: this may only become less.
    const UNTOLD: usize = 5;
    // Instructions that no call led to: this too.
    const SILENT: usize = 4;
    for level in [Level::Root, Level::UserNoNs] {
        let tree = Tree::new(level);
        for profile in profile::names() {
            let filter = filter(profile, &tree);
            let calls = calls(&filter);
            let outcomes = made(&tree, profile, &calls);
            let seen = look(&filter, &calls, &outcomes);
            assert!(
                seen.wrong.is_empty(),
                "{level} {profile}:\n{}",
                seen.wrong.join("\n")
            );
            let silent = silent(&filter, &seen);
            let untold: Vec<String> = seen
                .untold
                .iter()
                .map(|number| {
                    filter
                        .arch()
                        .name(*number)
                        .map_or(number.to_string(), str::to_owned)
                })
                .collect();
            println!(
                "{level} {profile}: {} calls, {} of {} answers met; the kernel has none of: {}; never answered at {silent:?}",
                seen.calls,
                seen.answered.len(),
                seen.answered.len() + silent.len(),
                untold.join(" "),
            );
            assert!(untold.len() <= UNTOLD, "{level} {profile}: {untold:?}");
            assert!(silent.len() <= SILENT, "{level} {profile}: {silent:?}");
            // The control: the same outcomes do not pass for those of the strictest.
            if profile != "decoder" {
                let wrong = look(&self::filter("decoder", &tree), &calls, &outcomes).wrong;
                assert!(wrong.len() > 20, "{level} {profile}: as good as decoder");
            }
        }
    }
}
