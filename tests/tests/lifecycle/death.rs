//! Z-1 to Z-4: kill -9 of each process of a running sandbox; the oracle is /proc.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use doorward_tests::{Level, Tree, doorward};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A shell with children of every kind: in the background, in a session of its own, orphaned.
const PROGRAM: &str = "sleep 300 & setsid sleep 300 & (sleep 300 &) ; sleep 300";

fn children(pid: i32) -> Vec<i32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .map(|text| text.parse().unwrap())
        .collect()
}

pub(super) fn tree(pid: i32) -> Vec<i32> {
    let below = children(pid).into_iter().flat_map(tree);
    std::iter::once(pid).chain(below).collect()
}

fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|text| !text.rsplit(')').next().unwrap().starts_with(" Z"))
}

pub(super) fn name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

pub(super) fn until(limit: Duration, mut met: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !met() {
        if started.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Kills the process called `victim`; everything else must end within a second.
fn nothing_outlives(level: Level, victim: &str) {
    killed(&Tree::new(level), victim);
}

fn killed(work: &Tree, victim: &str) {
    let level = work.level();
    let mut command = doorward(level);
    command
        .current_dir(work.work())
        .args(["run", "--quiet", "--", "/bin/sh", "-c", PROGRAM])
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", work.work())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut host = command.spawn().unwrap();
    let first = i32::try_from(host.id()).unwrap();
    let sleeping = || {
        tree(first)
            .into_iter()
            .filter(|pid| name(*pid) == "sleep")
            .count()
    };
    assert!(
        until(Duration::from_secs(10), || sleeping() == 4),
        "{level}: the program did not start: {:?}",
        tree(first).into_iter().map(name).collect::<Vec<_>>()
    );
    let all = tree(first);
    let target = all.iter().copied().find(|pid| name(*pid) == victim);
    let target = target.unwrap_or_else(|| panic!("{level}: no process is called {victim}"));
    // The positive control: all of it lives until somebody is killed.
    assert!(all.iter().all(|pid| alive(*pid)));
    kill(Pid::from_raw(target), Signal::SIGKILL).unwrap();
    let gone = until(Duration::from_secs(3), || {
        let _reaped = host.try_wait();
        !all.iter().any(|pid| alive(*pid))
    });
    let left: Vec<String> = all
        .iter()
        .filter(|pid| alive(**pid))
        .map(|pid| name(*pid))
        .collect();
    assert!(
        gone,
        "{level}: after the death of {victim} {left:?} live on"
    );
    let _status = host.wait();
}

#[test]
fn whoever_dies_all_die_where_there_is_a_pid_namespace() {
    for level in Level::WITH_VIEW {
        for victim in [
            "doorward",
            "doorward-keeper",
            "doorward-broker",
            "doorward-launch",
            "doorward-init",
        ] {
            // As root the init of the pid namespace is the launcher.
            if level == Level::Root && victim == "doorward-launch" {
                continue;
            }
            nothing_outlives(level, victim);
        }
    }
}

#[test]
fn without_namespaces_the_keeper_kills_what_the_launcher_left() {
    for level in [Level::UserNoNs, Level::Nested] {
        for victim in ["doorward", "doorward-broker", "doorward-init"] {
            nothing_outlives(level, victim);
        }
    }
}

#[test]
fn the_scratch_directory_goes_with_the_sandbox() {
    for victim in ["doorward", "doorward-broker", "doorward-init"] {
        let work = Tree::new(Level::Root);
        let left = || fs::read_dir(work.work()).unwrap().count();
        killed(&work, victim);
        assert!(
            until(Duration::from_secs(3), || left() == 0),
            "after the death of {victim} the scratch directory is left behind"
        );
    }
}
