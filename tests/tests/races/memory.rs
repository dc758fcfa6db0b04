//! Argument memory and descriptor numbers that another thread or process changes (U-1, U-5,
//! U-23, S-11).

use doorward_tests::Level;

use crate::bench::Bench;

const NAME: &str = "rw/allowed/file";

/// A name that changes: what was decided on is what is opened, changed and removed.
#[test]
fn a_changing_name_never_leads_to_what_is_denied() {
    let bench = Bench::new(Level::Root);
    let before = bench.canaries();
    for call in ["open", "chmod", "truncate", "unlink"] {
        let told = bench.race(&format!("string-{call}"), 100_000, NAME);
        told.raced();
        assert_eq!(told.number("had"), 0, "{call}");
        assert_eq!(bench.canaries(), before, "{call}");
    }
}

#[test]
fn control_a_look_at_the_name_loses() {
    for call in ["open", "chmod", "truncate", "unlink"] {
        let bench = Bench::new(Level::Root);
        let before = bench.canaries();
        let told = bench.naive(&format!("string-{call}"), NAME);
        let lost = told.number("had") > 0 || bench.canaries() != before;
        assert!(lost, "{call}: {told:?}");
    }
}

/// The same where another process writes: one of the same memory that is no thread (S-11), and
/// one that shares a page (U-5).
#[test]
fn a_name_that_another_process_changes_never_leads_to_what_is_denied() {
    let bench = Bench::new(Level::Root);
    let before = bench.canaries();
    for with in ["all", "page"] {
        let told = bench.race(&format!("shared-{with}"), 100_000, NAME);
        told.raced();
        assert_eq!(told.number("had"), 0, "{with}");
        assert_eq!(bench.canaries(), before, "{with}");
    }
}

#[test]
fn control_a_look_at_another_process_s_name_loses() {
    let bench = Bench::new(Level::Root);
    for with in ["all", "page"] {
        let told = bench.naive_times(&format!("shared-{with}"), "50000", NAME);
        assert!(told.number("had") > 0, "{with}: {told:?}");
    }
}

/// A struct that changes: flags that were refused are never used.
#[test]
fn changing_flags_never_change_a_file() {
    let bench = Bench::new(Level::Root);
    let before = bench.canaries();
    bench.race("struct", 100_000, "in/file").raced();
    assert_eq!(bench.canaries(), before);
}

#[test]
fn control_a_look_at_the_flags_loses() {
    let bench = Bench::new(Level::Root);
    let before = bench.canaries();
    let told = bench.naive("struct", "in/file");
    assert_ne!(bench.canaries(), before, "{told:?}");
}

/// A number that is closed and used again: what was judged is what is changed.
#[test]
fn a_number_used_again_never_changes_what_may_only_be_read() {
    let bench = Bench::new(Level::Root);
    let before = bench.canaries();
    for call in ["fchmod", "openat"] {
        bench
            .race(&format!("descriptor-{call}"), 100_000, "rw")
            .raced();
        assert_eq!(bench.canaries(), before, "{call}");
    }
    assert_eq!(bench.mode("rw/file"), 0o600, "what may be changed was");
}

#[test]
fn control_a_look_at_the_number_loses() {
    for call in ["fchmod", "openat"] {
        let bench = Bench::new(Level::Root);
        let before = bench.canaries();
        let told = bench.naive(&format!("descriptor-{call}"), "rw");
        assert_ne!(bench.canaries(), before, "{call}: {told:?}");
    }
}
