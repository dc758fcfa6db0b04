//! Decisions about names: whatever the document, each is that of a slow reference, and the
//! rule that a decision names is one that takes the name or something below it.
#![no_main]

use doorward_fuzz::{
    Cost, bounded,
    documents::{Document, name},
    reference::{Access as Asked, Decision, Rules, is_above, name_matches, parse_pattern},
};
use doorward_policy::{AbsName, Access, Policy, Verdict};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

/// A policy is parsed, linted and compiled; each of its rules keeps its text and its place.
const COST: Cost = Cost {
    base: 128 << 10,
    each: 4 << 10,
};

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), COST, || {
        let _used_up = run(&mut Unstructured::new(data));
    });
});

fn run(from: &mut Unstructured<'_>) -> Result<()> {
    let document = Document::arbitrary(from, 8)?;
    let Some((policy, rules)) = document.compiled() else {
        return Ok(());
    };
    loop {
        let bytes = name(from)?;
        ask(&policy, &rules, &bytes);
        if from.is_empty() {
            return Ok(());
        }
    }
}

fn ask(policy: &Policy, rules: &Rules, bytes: &[u8]) {
    let name = AbsName::parse(bytes).unwrap();
    for (access, asked) in [
        (Access::Read, Asked::Read),
        (Access::Write, Asked::Write),
        (Access::Create, Asked::Create),
        (Access::Delete, Asked::Delete),
        (Access::Stat, Asked::Stat),
    ] {
        for special in [false, true] {
            let due = rules.file(bytes, asked, special);
            let verdict = policy.decide_file(&name, access, special);
            held(policy, bytes, verdict, due);
        }
        let plain = rules.file(bytes, asked, false);
        let due = match rules.file(bytes, asked, true) {
            Decision::Allow => Decision::Allow,
            _ => plain,
        };
        held(policy, bytes, policy.decide_asked(&name, access), due);
    }
    held(policy, bytes, policy.decide_exec(&name), rules.exec(bytes));
    let none = rules.spawn(bytes, &[]);
    held(policy, bytes, policy.decide_spawn(&name, &[]), none);
}

fn held(policy: &Policy, name: &[u8], verdict: Verdict, due: Decision) {
    let (decision, rule) = match verdict {
        Verdict::Allow(rule) => (Decision::Allow, Some(rule)),
        Verdict::Deny(denial) if denial.errno == 2 => (Decision::Hidden, denial.rule),
        Verdict::Deny(denial) => {
            assert_eq!(denial.errno, 13);
            (Decision::Deny, denial.rule)
        }
    };
    assert_eq!(
        decision,
        due,
        "{} {verdict:?} {:#?}",
        name.escape_ascii(),
        policy.rules
    );
    let Some(rule) = rule else {
        assert_ne!(decision, Decision::Allow);
        return;
    };
    let rule = policy.rule(rule).unwrap();
    if rule.key == "fs.scratch" {
        return;
    }
    let parts = parse_pattern(rule.text.as_bytes(), true).unwrap();
    assert!(
        name_matches(&parts, name) || is_above(&parts, name),
        "{rule:?}"
    );
}
