//! Names that others change: ancestors moved, parents exchanged, programs swapped (P-6, P-7,
//! P-8, X-6, X-17).

use doorward_tests::Level;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::bench::{Bench, Told, meanwhile};

/// Down and up again thirty times, through a directory that is moved to the secret and back.
fn climbing(bench: &Bench) -> String {
    bench.tree.directory("in/a/b");
    bench.tree.file("in/a/file", "fine..");
    format!("in/a/{}file", "b/../".repeat(30))
}

fn while_moved(bench: &Bench, act: impl FnOnce() -> Told) -> Told {
    let (here, there) = (bench.tree.name("in/a/b"), bench.tree.name("in/secret/b"));
    let step = || {
        std::fs::rename(&here, &there).unwrap();
        std::fs::rename(&there, &here).unwrap();
    };
    meanwhile(step, act)
}

#[test]
fn a_directory_moved_away_during_a_walk_leads_nowhere_else() {
    let bench = Bench::new(Level::Root);
    let name = climbing(&bench);
    let told = while_moved(&bench, || bench.race("opened", 20_000, &name));
    told.raced();
    assert_eq!(told.number("had"), 0);
}

#[test]
fn control_the_kernel_s_own_walk_loses() {
    let bench = Bench::new(Level::Root);
    let name = climbing(&bench);
    let mut rounds = (0..10).map(|_| while_moved(&bench, || bench.naive("opened", &name)));
    assert!(rounds.any(|told| told.number("had") > 0));
}

/// Exchanges two names until `act` has ended.
fn while_exchanged<T>(bench: &Bench, one: &str, other: &str, act: impl FnOnce() -> T) -> T {
    let (one, other) = (bench.tree.name(one), bench.tree.name(other));
    let step = || renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
    meanwhile(step, act)
}

fn parents(bench: &Bench) {
    bench.tree.directory("rw/d");
    bench.tree.link("../in", "rw/other");
}

/// Whether an entry was made where nothing may be.
fn strays(bench: &Bench) -> bool {
    bench.tree.name("in/new").exists()
}

/// A parent exchanged for a link: nothing is made outside. The canary lies where things may be
/// read, so that only a right to create is missing.
#[test]
fn nothing_is_made_through_an_exchanged_parent() {
    let bench = Bench::new(Level::Root);
    parents(&bench);
    // A stray would be removed again only by the same race: it is looked for all the time.
    let seen = std::sync::atomic::AtomicBool::new(false);
    let (one, other) = (bench.tree.name("rw/d"), bench.tree.name("rw/other"));
    let step = || {
        renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
        seen.fetch_or(strays(&bench), std::sync::atomic::Ordering::Relaxed);
    };
    let told = meanwhile(step, || bench.race("made", 100_000, "rw/d/new"));
    told.raced();
    assert!(!seen.into_inner() && !strays(&bench));
}

#[test]
fn control_a_look_at_the_parent_loses() {
    let bench = Bench::new(Level::Root);
    parents(&bench);
    let told = while_exchanged(&bench, "rw/d", "rw/other", || {
        bench.naive("made", "rw/d/new")
    });
    assert!(strays(&bench), "{told:?}");
}

/// A script that may be executed, and a link to one that may not.
fn scripts(bench: &Bench) {
    let interpreter = bench.tree.name("races");
    let script = |code| format!("#!{} interpret\n{code}\n", interpreter.display());
    bench.tree.program("bin/script", script(7));
    bench.tree.program("in/secret/script", script(9));
    bench.tree.link("../in/secret/script", "bin/other");
}

#[test]
fn a_swapped_script_never_runs() {
    for level in [Level::Root, Level::UserNoNs] {
        let bench = Bench::new(level);
        scripts(&bench);
        let told = while_exchanged(&bench, "bin/script", "bin/other", || {
            bench.race("executed", 2_000, "bin/script")
        });
        told.raced();
        assert_eq!(told.number("had"), 0, "{level}");
    }
}

#[test]
fn control_a_look_at_the_script_loses() {
    let bench = Bench::new(Level::Root);
    scripts(&bench);
    let told = while_exchanged(&bench, "bin/script", "bin/other", || {
        bench.naive_times("executed", "5000", "bin/script")
    });
    assert!(told.number("had") > 0, "{told:?}");
}
