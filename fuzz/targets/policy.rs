//! Policy documents: whatever the text, parsing ends with a policy or with errors that can
//! be shown.
#![no_main]

use std::path::Path;

use doorward_fuzz::{Cost, bounded};
use doorward_policy::{Expansion, Policy};
use libfuzzer_sys::fuzz_target;

/// What the parser of TOML makes, and every finding with the line it is about.
const COST: Cost = Cost {
    base: 64 << 10,
    each: 4 << 10,
};

fuzz_target!(|text: &str| bounded(text.len(), COST, || load(text)));

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
