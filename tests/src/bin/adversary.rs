//! `doorward-adversary POLICY DIRECTORY SEED SECONDS`: an honest sandbox, and beside it one
//! with an honest process and hostile ones. What is seen goes to standard output, a line at
//! a time; the test `adversary` reads it.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
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
use doorward_tests::adversary::{Asker, Crowd, Role, now, tell};

/// Attackers beside each other.
const ATTACKERS: usize = 3;
const QUIET: Duration = Duration::from_secs(2);

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
    let [policy, directory, seed, seconds] = words.as_slice() else {
        panic!("doorward-adversary POLICY DIRECTORY SEED SECONDS");
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
            arguments: [directory, seed, seconds].map(Into::into).into(),
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
    let number = |at: usize| {
        sandboxee.arguments[at]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let (seed, seconds) = (number(1), Duration::from_secs(number(2)));
    let (mut asker, directory) = asker(&mut sandboxee);
    // So that the broker has found the mount of /dev, which it remembers.
    let _null = File::open("/dev/null").unwrap();
    phase(&mut asker, "idle", QUIET, None, &directory);
    look("before");
    let busy = Crowd::new(Role::Busy, ATTACKERS, seed);
    phase(&mut asker, "busy", QUIET, Some(busy), &directory);
    let hostile = Crowd::new(Role::Hostile, ATTACKERS, seed);
    phase(&mut asker, "attacked", seconds, Some(hostile), &directory);
    std::thread::sleep(Duration::from_secs(1));
    phase(&mut asker, "after", QUIET, None, &directory);
    look("after");
    0
}

fn phase(asker: &mut Asker, name: &str, time: Duration, crowd: Option<Crowd>, directory: &Path) {
    let begun = now();
    let mut crowd = crowd;
    asker.ask(name, time, |client| {
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
    std::thread::sleep(Duration::from_millis(300));
    tell(&format!("look {when}"));
    std::thread::sleep(Duration::from_millis(700));
}
