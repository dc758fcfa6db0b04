//! `doorward-conformance POLICY AUDIT DIRECTORY`: asks every case of the suite in one sandbox,
//! and prints one line of JSON for each: front, case, outcome.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
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

fn main() -> ExitCode {
    doorward::init(&[Entry {
        name: ENTRY,
        run: ask,
    }]);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [policy, audit, directory] = words.as_slice() else {
        panic!("doorward-conformance POLICY AUDIT DIRECTORY");
    };
    let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let ports = listeners
        .each_ref()
        .map(|listener| listener.local_addr().unwrap().port());
    let expansion = Expansion {
        cwd: Some(directory.into()),
        home: None,
        uid: rustix::process::geteuid().as_raw(),
    };
    let policy = Policy::load(policy.as_ref(), &expansion).unwrap().policy;
    let arguments = [
        directory.clone(),
        ports[0].to_string(),
        ports[1].to_string(),
    ];
    let program = Program::Entry {
        name: ENTRY.to_owned(),
        arguments: arguments.map(Into::into).into(),
    };
    let sink = File::create(audit).unwrap();
    let running = Sandbox::new(Arc::new(policy), program)
        .audit(sink.into())
        .start();
    let report = running.unwrap().wait().unwrap();
    match report.ended {
        Ended::Program(status) => ExitCode::from(
            status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(98),
        ),
        other => panic!("{other:?}"),
    }
}

/// In the sandbox.
fn ask(sandboxee: Sandboxee) -> u8 {
    let [directory, api, notify] = sandboxee.arguments.as_slice() else {
        return 2;
    };
    let setting = |trees: &str, port: &std::ffi::OsStr| Setting {
        trees: format!("{}/{trees}", directory.to_str().unwrap()),
        port: port.to_str().unwrap().parse().unwrap(),
    };
    let (api, notify) = (setting(TREES[0], api), setting(TREES[1], notify));
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

fn tell(front: &str, case: impl std::fmt::Display, asked: &Asked) {
    let outcome = match asked {
        Ok(value) => format!("ok {value}"),
        Err(errno) => format!("errno {}", errno.raw_os_error()),
    };
    let case = case.to_string();
    println!("{}", serde_json::json!([front, case, outcome]));
}
