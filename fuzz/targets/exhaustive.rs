//! Small policies: the empty input goes through all policies of up to two rules out of six
//! patterns and eight lists, and asks each everything about every name of up to three
//! components; any other input picks policies of three rules.
#![no_main]

use doorward_fuzz::{
    Cost, bounded,
    documents::Document,
    reference::{Access as Asked, Decision},
};
use doorward_policy::{AbsName, Access};
use libfuzzer_sys::fuzz_target;

const COST: Cost = Cost {
    base: 128 << 10,
    each: 4 << 10,
};
const PATTERNS: [&str; 6] = ["/a", "/a/**", "/*", "/a/b", "/*/b", "/**/b"];
/// All but `net.unix`.
const KINDS: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 8];
const RULES: usize = PATTERNS.len() * KINDS.len();
const LETTERS: [&str; 2] = ["a", "b"];

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), COST, || match data {
        [] => all(),
        _ => {
            for chunk in data.chunks_exact(3).take(16) {
                policy(chunk.iter().map(|&byte| usize::from(byte) % RULES));
            }
        }
    });
});

fn all() {
    let mut policies = 0_u64;
    let mut decisions = policy([].into_iter());
    for one in 0..RULES {
        decisions += policy([one].into_iter());
        for other in one..RULES {
            decisions += policy([one, other].into_iter());
            policies += 1;
        }
    }
    println!("{policies} policies of two rules, {decisions} decisions of those that are taken");
}

/// How many decisions were compared.
fn policy(rules: impl Iterator<Item = usize>) -> u64 {
    let mut document = Document::default();
    for rule in rules {
        document.add(
            KINDS[rule / PATTERNS.len()],
            PATTERNS[rule % PATTERNS.len()],
        );
    }
    let Some((policy, rules)) = document.compiled() else {
        return 0;
    };
    let mut decisions = 0;
    for text in names() {
        let name = AbsName::parse(text.as_bytes()).unwrap();
        for (access, asked) in [
            (Access::Read, Asked::Read),
            (Access::Write, Asked::Write),
            (Access::Create, Asked::Create),
            (Access::Delete, Asked::Delete),
            (Access::Stat, Asked::Stat),
        ] {
            for special in [false, true] {
                let due = rules.file(text.as_bytes(), asked, special);
                let got = policy.decide_file(&name, access, special);
                assert_eq!(
                    got.is_allow(),
                    due == Decision::Allow,
                    "{text} {access:?} {special}\n{}",
                    document.text()
                );
                decisions += 1;
            }
        }
        let due = rules.exec(text.as_bytes()) == Decision::Allow;
        assert_eq!(
            policy.decide_exec(&name).is_allow(),
            due,
            "{text}\n{}",
            document.text()
        );
        decisions += 1;
    }
    decisions
}

/// Every name of up to three components.
fn names() -> Vec<String> {
    let mut names = vec!["/".to_owned()];
    let mut level = vec![String::new()];
    for _ in 0..3 {
        level = level
            .iter()
            .flat_map(|above| LETTERS.map(|letter| format!("{above}/{letter}")))
            .collect();
        names.extend(level.iter().cloned());
    }
    names
}
