//! `doorward-conformance POLICY AUDIT DIRECTORY`: asks every case of the suite, by typed calls
//! and notifications in one sandbox and by traps in another, and prints one line of JSON for each: front, case, outcome.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a harness fails its test by panicking"
)]

use std::{fs::File, net::TcpListener, process::ExitCode, sync::Arc};

use doorward::{
    Entry, Sandboxee,
    host::{Ended, Program, Sandbox},
};
use doorward_policy::{Expansion, Policy};
use doorward_sandboxee::Client;
use doorward_tests::conformance::{
    Asked, Setting, TREES, after, by_call, by_client, cases, programs,
};

const ENTRY: &str = "cases";
const TRAPPED: &str = "trapped";

fn main() -> ExitCode {
    doorward::init(&[
        Entry {
            name: ENTRY,
            run: ask,
        },
        Entry {
            name: TRAPPED,
            run: ask_by_trap,
        },
    ]);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [policy, audit, directory] = words.as_slice() else {
        panic!("doorward-conformance POLICY AUDIT DIRECTORY");
    };
    let listeners = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let ports = listeners.each_ref().map(|listener| {
        let port = listener.local_addr().unwrap().port();
        port.to_string()
    });
    let expansion = Expansion {
        cwd: Some(directory.into()),
        home: None,
        uid: rustix::process::geteuid().as_raw(),
    };
    let mut policy = Policy::load(policy.as_ref(), &expansion).unwrap().policy;
    let sink = File::create(audit).unwrap();
    for name in [ENTRY, TRAPPED] {
        let mut arguments = vec![directory.clone()];
        arguments.extend(ports.clone());
        let program = Program::Entry {
            name: name.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
        };
        let running = Sandbox::new(Arc::new(policy.clone()), program)
            .audit(sink.try_clone().unwrap().into())
            .start();
        match running.unwrap().wait().unwrap().ended {
            Ended::Program(status) if status.success() => {}
            other => panic!("{name}: {other:?}"),
        }
        policy.front = doorward_policy::policy::Front::Trap;
    }
    ExitCode::SUCCESS
}

fn setting(sandboxee: &Sandboxee, front: usize) -> Setting {
    let word = |index: usize| sandboxee.arguments.get(index).unwrap().to_str().unwrap();
    Setting {
        trees: format!("{}/{}", word(0), TREES.get(front).unwrap()),
        port: word(front + 1).parse().unwrap(),
    }
}

/// In the sandbox of typed calls and notifications.
fn ask(sandboxee: Sandboxee) -> u8 {
    let (api, notify) = (setting(&sandboxee, 0), setting(&sandboxee, 1));
    let mut client = Client::from_fd(sandboxee.lane.unwrap()).unwrap();
    // As the masks of lanes are.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    for (number, case) in cases().into_iter().enumerate() {
        tell("api", number, &by_client(&mut client, &api, case));
        tell("notify", number, &by_call(&notify, case));
    }
    for (row, asked) in programs(&mut client, &api) {
        tell("api", row, &asked);
    }
    for (row, asked) in after(&notify) {
        tell("notify", row, &asked);
    }
    0
}

/// In the sandbox whose calls trap.
fn ask_by_trap(sandboxee: Sandboxee) -> u8 {
    let trap = setting(&sandboxee, 2);
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    for (number, case) in cases().into_iter().enumerate() {
        tell("trap", number, &by_call(&trap, case));
    }
    for (row, asked) in after(&trap) {
        tell("trap", row, &asked);
    }
    0
}

fn tell(front: &str, case: impl std::fmt::Display, asked: &Asked) {
    let outcome = match asked {
        Ok(value) => format!("ok {value}"),
        Err(errno) => format!("errno {}", errno.raw_os_error()),
    };
    let case = case.to_string();
    println!("{}", serde_json::json!([front, case, outcome]));
}
