//! The profiles that ship: each passes its own tests, and none carries limits.
#![allow(clippy::unwrap_used, clippy::panic)]

use doorward_policy::policy::Limits;
use doorward_policy::{AbsName, Access, Expansion, Policy, profile};

fn expansion(cwd: &str) -> Expansion {
    Expansion {
        cwd: Some(cwd.into()),
        home: Some("/home/u".into()),
        uid: 1000,
    }
}

#[test]
fn each_profile_passes_its_own_tests() {
    for name in profile::names() {
        for cwd in ["/srv/project", "/home/u/project", "/root/x", "/tmp/x"] {
            let loaded = Policy::builtin(name, &expansion(cwd)).unwrap();
            assert_eq!(loaded.policy.limits, Limits::default(), "{name}");
            assert!(loaded.warnings.is_empty(), "{name}: {:?}", loaded.warnings);
            assert!(!loaded.tests.is_empty(), "{name}");
            for test in &loaded.tests {
                let outcome = test.run(&loaded.policy);
                assert!(
                    outcome.passed,
                    "{name} in {cwd}: {:?}: {outcome:?}",
                    test.at
                );
            }
        }
    }
}

#[test]
fn a_system_directory_is_not_given_as_a_whole() {
    for cwd in [
        "/",
        "/etc",
        "/home",
        "/var",
        "/proc/1",
        "/sys",
        "/run/user/0",
    ] {
        for profile in ["default", "build"] {
            let loaded = Policy::builtin(profile, &expansion(cwd)).unwrap();
            assert!(!loaded.warnings.is_empty(), "{cwd}");
            for canary in [
                "/etc/shadow",
                "/root/x",
                "/home/v/x",
                "/var/x",
                "/run/x",
                "/proc/1/mem",
                "/sys/x",
            ] {
                let name = AbsName::parse(canary.as_bytes()).unwrap();
                for access in [Access::Read, Access::Stat, Access::Write, Access::Execute] {
                    let verdict = loaded.policy.decide_asked(&name, access);
                    assert!(!verdict.is_allow(), "{profile} in {cwd}: {canary}");
                }
            }
        }
    }
}

#[test]
fn an_unknown_profile_names_those_there_are() {
    let error = Policy::builtin("defualt", &expansion("/srv")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("runtime, default, decoder, build")
    );
}
