//! Policy documents: whatever the text, parsing ends with a policy or with errors that can
//! be shown.
#![no_main]

use std::{path::Path, sync::Arc};

use doorward_fuzz::{Cost, bounded};
use doorward_policy::{
    AbsName, Access, Expansion, Narrowed, Policy, Restriction, restriction::RULE_LIMIT,
};
use libfuzzer_sys::fuzz_target;

/// What the parser of TOML makes, and every finding with the line it is about.
const COST: Cost = Cost {
    base: 64 << 10,
    each: 4 << 10,
};

/// It is parsed once more as a policy, beside a small one.
const TWICE: Cost = Cost {
    base: 2 * COST.base,
    each: 2 * COST.each,
};

fuzz_target!(|text: &str| {
    bounded(text.len(), COST, || load(text));
    bounded(text.len(), TWICE, || restrict(text));
});

/// What is taken as a restriction gives nothing that the document as a policy does not.
fn restrict(text: &str) {
    let restriction = match Restriction::parse(text.as_bytes()) {
        Ok(restriction) => restriction,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let everything = "version = 1\n[fs]\nread = ['/**']\nwrite = ['/**']\n[exec]\nallow = ['/**']";
    let nowhere = Path::new("/proc/1/fdinfo");
    let wide = Policy::parse(everything, "wide", nowhere, &Expansion::default()).unwrap();
    let narrowed = Narrowed::new(Arc::new(wide.policy), Arc::default());
    assert_eq!(narrowed.restrictions().add(restriction).unwrap(), 1);
    assert!(narrowed.restrictions().rules_of(1) <= RULE_LIMIT);
    // Without its linter's errors it is a policy, too.
    let Ok(alone) = Policy::parse(text, "alone", nowhere, &Expansion::default()) else {
        return;
    };
    for name in ["/", "/a", "/srv/work/x", "/tmp/x", "/usr/bin/true"] {
        let name = AbsName::parse(name.as_bytes()).unwrap();
        for access in [Access::Read, Access::Write, Access::Stat, Access::Execute] {
            let due = alone.policy.decide_file(&name, access, false).is_allow();
            let got = narrowed.decide_file(&name, access, false);
            assert_eq!(got.is_allow(), due, "{name:?} {access:?} {got:?}");
        }
    }
}

fn load(text: &str) {
    let expansion = Expansion {
        cwd: Some("/srv/work".into()),
        home: Some("/home/somebody".into()),
        uid: 1000,
    };
    // Includes are relative to a directory that has none, so that no file is read.
    match Policy::parse(text, "fuzzed.toml", Path::new("/proc/1/fdinfo"), &expansion) {
        Ok(loaded) => assert!(loaded.warnings.len() <= 1_000_000),
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
}
