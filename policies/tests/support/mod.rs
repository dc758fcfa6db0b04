//! What the tests of this folder share.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::path::Path;

use doorward_policy::{AbsName, Access, Denial, Expansion, Policy, Reason, Verdict};

pub fn expansion() -> Expansion {
    Expansion {
        cwd: Some("/srv/work [1]".into()),
        home: Some("/home/u".into()),
        uid: 1000,
    }
}

pub fn parse(body: &str) -> Policy {
    let text = format!("version = 1\n{body}");
    match Policy::parse(&text, "p.toml", Path::new("/nowhere"), &expansion()) {
        Ok(loaded) => loaded.policy,
        Err(errors) => panic!("{errors}"),
    }
}

pub fn name(text: &str) -> AbsName {
    AbsName::parse(text.as_bytes()).unwrap()
}

/// The accesses that are allowed to a regular file of this name.
pub fn allowed(policy: &Policy, text: &str) -> Vec<Access> {
    use Access::{Create, Delete, Execute, Read, Stat, Write};
    let all = [Read, Write, Create, Delete, Stat, Execute];
    let of = |access: &Access| policy.decide_file(&name(text), *access, false).is_allow();
    all.into_iter().filter(of).collect()
}

pub fn denial(verdict: Verdict) -> Denial {
    match verdict {
        Verdict::Deny(denial) => denial,
        Verdict::Allow(rule) => panic!("allowed by {rule:?}"),
    }
}

pub fn file_reason(policy: &Policy, text: &str, access: Access) -> (Reason, i32) {
    let denial = denial(policy.decide_file(&name(text), access, false));
    (denial.reason, denial.errno)
}
