//! No rule is there for nothing: without any one of them some call gets another answer.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use super::{super::classes::Test, *};

/// Which rule is left out.
#[derive(Clone, Default)]
enum Out {
    #[default]
    None,
    /// The one that is said at this place.
    One(usize),
    /// This one, as often as it is said.
    Each(String),
}

/// What is assembled on this thread: the rules met so far, with the name of the call.
#[derive(Default)]
struct Assembly {
    rules: Vec<(String, String)>,
    left_out: Out,
}

thread_local! {
    static ASSEMBLY: RefCell<Assembly> = RefCell::default();
}

/// Notes the rule, and says whether it is the one to be left out.
pub(in super::super) fn is_left_out(action: &impl Debug, name: &str, tests: &[Test]) -> bool {
    ASSEMBLY.with_borrow_mut(|assembly| {
        let here = assembly.rules.len();
        let rule = format!("{action:?} {name} {tests:?}");
        let out = match &assembly.left_out {
            Out::None => false,
            Out::One(place) => *place == here,
            Out::Each(this) => *this == rule,
        };
        assembly.rules.push((rule, name.to_owned()));
        out
    })
}

/// Assembles with a rule left out, and tells which rules there are.
fn assembled(left_out: Out, assemble: impl Fn() -> Filter) -> (Filter, Vec<(String, String)>) {
    ASSEMBLY.set(Assembly {
        rules: Vec::new(),
        left_out,
    });
    let filter = assemble();
    (filter, ASSEMBLY.take().rules)
}

/// Arguments made of all that the program compares with.
fn arguments(filter: &Filter, name: &str) -> Vec<[u64; 6]> {
    const JUMP_EQUAL: u16 = 0x15;
    let steps = filter.instructions().iter();
    let constants: BTreeSet<u64> = steps
        .filter(|step| step.code == JUMP_EQUAL)
        .map(|step| u64::from(step.k))
        .collect();
    let mut all = vec![[0; 6], [u64::MAX; 6]];
    if name.ends_with("sockopt") {
        for level in [0, 1, 6, 41] {
            let options = constants.iter().filter(|option| **option < 256);
            all.extend(options.map(|option| [0, level, *option, 0, 0, 0]));
        }
    }
    if name.starts_with("socket") {
        for (family, kind) in [(1, 1), (1, 5), (2, 1), (2, 2), (10, 1), (10, 2), (16, 3)] {
            all.extend([0, 6].map(|protocol| [family, kind, protocol, 0, 0, 0]));
        }
    }
    if name == "sendto" {
        all.push([0, 0, 0, 0, 1, 0]);
    }
    for fill in [0, u64::MAX] {
        for index in 0..4 {
            for constant in &constants {
                let mut one = [fill; 6];
                one[index] = *constant;
                all.push(one);
            }
        }
    }
    all
}

/// Adds the rules of one filter to those that are known, and whether they are needed.
fn look(
    known: &mut BTreeMap<String, bool>,
    out: impl Fn(usize, &str) -> Out,
    assemble: impl Fn() -> Filter,
) {
    let (whole, rules) = assembled(Out::None, &assemble);
    for (number, (rule, name)) in rules.iter().enumerate() {
        if known.get(rule) == Some(&true) {
            continue;
        }
        let (without, _) = assembled(out(number, rule), &assemble);
        let differs = arguments(&whole, name)
            .iter()
            .any(|arguments| ask(&whole, name, *arguments) != ask(&without, name, *arguments));
        known.insert(rule.clone(), differs);
    }
}

#[test]
fn without_any_one_rule_some_call_gets_another_answer() {
    let policies = proof::policies();
    let mut known = BTreeMap::new();
    for (_, policy) in &policies {
        for request in proof::requests(policy) {
            let assemble = || Filter::assemble(&request).unwrap();
            look(&mut known, |place, _| Out::One(place), assemble);
        }
    }
    let mut of_broker = BTreeMap::new();
    for arch in [Arch::X86_64, Arch::Aarch64] {
        for needs in proof::needs() {
            let assemble = || Filter::of_broker(arch, needs).unwrap();
            // Each row of the table says for itself what it needs.
            let each = |_: usize, rule: &str| Out::Each(rule.to_owned());
            look(&mut of_broker, each, assemble);
        }
    }
    for (whose, known) in [("sandboxees", known), ("the broker", of_broker)] {
        let idle = known.iter().filter(|(_, needed)| !**needed);
        let idle: Vec<&str> = idle.map(|(rule, _)| rule.as_str()).collect();
        println!(
            "filters of {whose}: {} rules, without effect: {idle:#?}",
            known.len()
        );
        assert!(known.len() > 90, "{whose}");
        assert!(idle.is_empty(), "{whose}: {idle:#?}");
    }
}

#[test]
fn every_name_of_the_groups_is_a_call() {
    let groups = crate::groups::ALLOWED.iter().flat_map(|(_, names)| *names);
    let others = [
        crate::groups::FORBIDDEN,
        crate::groups::UNREACHABLE,
        crate::groups::UNSUPPORTED,
        crate::groups::DEADLY,
        crate::groups::HARD,
        broker::SERVING,
    ];
    for name in groups.chain(others.concat().iter()) {
        let known = Arch::X86_64.number(name).or(Arch::Aarch64.number(name));
        assert!(known.is_some(), "{name}");
    }
}
