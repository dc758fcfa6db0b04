//! Names that others change: ancestors moved, parents exchanged, programs and sockets swapped,
//! and entries that several make and remove (P-6, P-7, P-8, P-37, P-47, X-6, X-17).

use std::{
    os::unix::net::UnixListener,
    sync::atomic::{AtomicU64, Ordering},
};

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

/// Two programs, of which one may be executed.
fn programs(bench: &Bench) {
    for (name, status) in [("in/allowed/file", 7), ("in/secret/file", 9)] {
        bench.ending(name, status);
    }
}

/// A name in memory that changes while it is executed.
#[test]
fn a_program_whose_name_changes_is_never_another() {
    for level in [Level::Root, Level::UserNoNs] {
        let bench = Bench::new(level);
        programs(&bench);
        let told = bench.race("started", 2_000, "in/allowed/file");
        told.raced();
        assert_eq!(told.number("had"), 0, "{level}");
    }
}

#[test]
fn control_a_look_at_the_program_s_name_loses() {
    let bench = Bench::new(Level::Root);
    programs(&bench);
    let told = bench.naive_times("started", "2000", "in/allowed/file");
    assert!(told.number("had") > 0, "{told:?}");
}

/// Several make the same name at once: one of them has made it.
#[test]
fn one_name_is_made_once() {
    let bench = Bench::new(Level::Root);
    let told = bench.race("at-once", 50_000, "rw/turn");
    let (made, removed) = (told.number("made"), told.number("removed"));
    println!("made {made}, removed {removed}");
    assert!(made >= 1000 && made == removed, "{told:?}");
}

#[test]
fn control_a_look_before_making_makes_twice() {
    let bench = Bench::new(Level::Root);
    let told = bench.naive_times("at-once", "100000", "rw/turn");
    assert!(told.number("made") > told.number("removed"), "{told:?}");
}

/// Several make, remove and rename the same names: what was made and not removed is left, and
/// no file has another mode or owner than was asked for.
#[test]
fn what_was_made_and_not_removed_is_left() {
    for level in [Level::Root, Level::UserNoNs] {
        let bench = Bench::new(level);
        bench.tree.directory("rw/storm");
        let told = bench.race("storm", 5_000, "rw/storm/name");
        let (made, removed) = (told.number("made"), told.number("removed"));
        println!("{level}: made {made}, removed {removed}");
        let left = std::fs::read_dir(bench.tree.name("rw/storm")).unwrap();
        let left = u64::try_from(left.count()).unwrap();
        assert_eq!(made - removed, left, "{level}: {told:?}");
        assert!(removed > 1000, "{level}: {told:?}");
        assert_eq!(told.number("odd"), 0, "{level}: {told:?}");
    }
}

/// Two services and a link to the one that no rule names; how often that was reached.
fn between_services(bench: &Bench, act: impl FnOnce() -> Told) -> (Told, u64) {
    let listen = |name: &str| {
        let path = bench.tree.name(name);
        let listener = UnixListener::bind(&path).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&path, open).unwrap();
        listener
    };
    let (named, secret) = (listen("rw/socket"), listen("in/secret/socket"));
    bench.tree.link("../in/secret/socket", "rw/other");
    let reached = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let ends = [&named, &secret].map(|end| end.try_clone().unwrap());
        for (listener, count) in [(&named, false), (&secret, true)] {
            let reached = &reached;
            scope.spawn(move || {
                while let Ok((_stream, _)) = listener.accept() {
                    reached.fetch_add(u64::from(count), Ordering::Relaxed);
                }
            });
        }
        let told = while_exchanged(bench, "rw/socket", "rw/other", act);
        for end in ends {
            rustix::net::shutdown(end, rustix::net::Shutdown::Both).unwrap();
        }
        (told, reached.load(Ordering::Relaxed))
    })
}

#[test]
fn a_service_exchanged_for_a_link_is_never_another() {
    let bench = Bench::new(Level::Root);
    let race = || bench.race("connected", 20_000, "rw/socket");
    let (told, reached) = between_services(&bench, race);
    told.raced();
    assert_eq!(reached, 0, "{told:?}");
}

#[test]
fn control_a_look_at_the_socket_loses() {
    let bench = Bench::new(Level::Root);
    let naive = || bench.naive_times("connected", "50000", "rw/socket");
    let (told, reached) = between_services(&bench, naive);
    assert!(reached > 0, "{told:?}");
}
