//! `doorward-adversary POLICY DIRECTORY WHO SEED QUIET TIME`: an honest sandbox, and beside it
//! one with an honest process and hostile ones: attackers, or peers of these names, which follow
//! one another. A quiet phase and each attack take so many milliseconds. What is seen goes to
//! standard output, a line at a time; the test `adversary` reads it.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a harness fails its test by panicking"
)]

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use doorward::{
    Entry, Sandboxee,
    host::{Ended, Program, Running, Sandbox},
};
use doorward_policy::{Expansion, Policy};
use doorward_sandboxee::Client;
use doorward_tests::adversary::{Asker, Crowd, Peer, Role, now, tell};

/// Attackers beside each other.
const ATTACKERS: usize = 3;

fn main() -> ExitCode {
    doorward::init(&[
        Entry {
            name: "neighbour",
            run: neighbour,
        },
        Entry {
            name: "attacked",
            run: attacked,
        },
    ]);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [policy, directory, _, _, _, _] = words.as_slice() else {
        panic!("doorward-adversary POLICY DIRECTORY WHO SEED QUIET TIME");
    };
    let expansion = Expansion {
        cwd: Some(directory.into()),
        home: None,
        uid: rustix::process::geteuid().as_raw(),
    };
    let policy = Policy::load(policy.as_ref(), &expansion).unwrap().policy;
    let policy = Arc::new(policy);
    let start = |name: &str| -> Running {
        let program = Program::Entry {
            name: name.to_owned(),
            arguments: words.iter().skip(1).map(Into::into).collect(),
        };
        // Every denial becomes a record; they are many.
        let sink = File::options().write(true).open("/dev/null").unwrap();
        let sandbox = Sandbox::new(Arc::clone(&policy), program).audit(sink.into());
        sandbox.start().unwrap()
    };
    let honest = start("neighbour");
    std::thread::sleep(Duration::from_millis(500));
    let report = start("attacked").wait().unwrap();
    tell(&format!("served notify {}", report.notify.served));
    tell(&format!("served lanes {}", report.api.served));
    tell(&format!(
        "ended {} lanes of {}: {:?}",
        report.api.violations.values().sum::<u64>(),
        report.api.lanes,
        report.api.violations
    ));
    tell(&format!("denied {}", report.summary.totals.denied));
    honest.kill().unwrap();
    let spared = honest.wait().unwrap();
    assert!(matches!(spared.ended, Ended::Killed), "{:?}", spared.ended);
    match report.ended {
        Ended::Program(status) if status.success() => ExitCode::SUCCESS,
        other => panic!("{other:?}"),
    }
}

fn asker(sandboxee: &mut Sandboxee) -> (Asker, PathBuf) {
    let directory = PathBuf::from(&sandboxee.arguments[0]);
    let asker = Asker {
        client: Client::from_fd(sandboxee.lane.take().unwrap()).unwrap(),
        file: directory.join("in/file"),
        content: b"fine",
    };
    (asker, directory)
}

/// In the sandbox that is only a neighbour.
fn neighbour(mut sandboxee: Sandboxee) -> u8 {
    let (mut asker, _) = asker(&mut sandboxee);
    loop {
        asker.ask("neighbour", Duration::from_secs(3600), |_| {});
    }
}

/// In the sandbox whose broker is attacked.
fn attacked(mut sandboxee: Sandboxee) -> u8 {
    let word = |at: usize| sandboxee.arguments[at].to_str().unwrap().to_owned();
    let number = |at: usize| word(at).parse::<u64>().unwrap();
    let (attackers, seed) = (word(1), number(2));
    let [quiet, time] = [3, 4].map(|at| Duration::from_millis(number(at)));
    let (mut asker, directory) = asker(&mut sandboxee);
    // So that the broker has found the mounts of /dev and of /sys, where an allocator counts the
    // processors: it remembers them.
    let _null = File::open("/dev/null").unwrap();
    let _processors = File::open("/sys/devices/system/cpu/online");
    phase(&mut asker, "idle", quiet, None, &directory);
    look("before");
    let busy = Crowd::new(Role::Busy, ATTACKERS, seed);
    phase(&mut asker, "busy", quiet, Some(busy), &directory);
    for who in attackers.split(',') {
        tell(&format!("begin {who}"));
        let role = Peer::named(who).map_or(Role::Hostile, Role::Peer);
        let crowd = Crowd::new(role, ATTACKERS, seed);
        phase(&mut asker, who, time, Some(crowd), &directory);
        std::thread::sleep(quiet / 2);
        look(who);
    }
    phase(&mut asker, "after", quiet, None, &directory);
    0
}

fn phase(asker: &mut Asker, name: &str, time: Duration, crowd: Option<Crowd>, directory: &Path) {
    let begun = now();
    let mut crowd = crowd;
    asker.ask(&format!("beside {name}"), time, |client| {
        if let Some(crowd) = &mut crowd {
            crowd.keep(client, directory);
        }
    });
    tell(&format!("phase {name} {begun} {}", now()));
    if let Some(crowd) = crowd {
        tell(&format!("made {} for {name}", crowd.made));
        crowd.end();
    }
}

/// Lets the test look at the broker.
fn look(when: &str) {
    std::thread::sleep(Duration::from_millis(50));
    tell(&format!("look {when}"));
    std::thread::sleep(Duration::from_millis(350));
}
