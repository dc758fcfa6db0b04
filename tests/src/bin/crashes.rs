//! `doorward-crashes POLICY CYCLES plain|leaky`: a host that lives long, and whose sandboxes crash
//! again and again. What it holds goes to standard output, a line at a time; the test `faults`
//! reads it. The leaky one forgets a descriptor and a page in each cycle.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a harness fails its test by panicking"
)]

use std::{
    fs::{self, File},
    os::fd::{IntoRawFd, OwnedFd},
    sync::Arc,
};

use doorward::host::{Ended, HostError, Program, Running, Sandbox};
use doorward_policy::{Expansion, Policy};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Asks on and on.
const ASKING: &str = "while :; do read -r line < /etc/passwd; echo $line > /tmp/file; done";
const CRASHING: &str = "read -r line < /etc/passwd; echo $line > /tmp/file; kill -9 $$";
/// So many times it tells what it holds, in equal distances.
const LOOKS: u32 = 5;

fn main() {
    doorward::init(&[]);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [policy, cycles, way] = words.as_slice() else {
        panic!("doorward-crashes POLICY CYCLES plain|leaky");
    };
    let expansion = Expansion {
        cwd: None,
        home: None,
        uid: rustix::process::geteuid().as_raw(),
    };
    let policy = Policy::load(policy.as_ref(), &expansion).unwrap().policy;
    let policy = Arc::new(policy);
    let cycles: u32 = cycles.parse().unwrap();
    let every = cycles / LOOKS;
    // What is made once and kept.
    for cycle in 0..every.min(100) {
        crash(&policy, cycle);
    }
    look(0);
    for cycle in 1..=cycles {
        crash(&policy, cycle);
        if way == "leaky" {
            let _forgotten = null().into_raw_fd();
            Vec::leak(vec![1_u8; 4096]);
        }
        if cycle % every == 0 {
            look(cycle);
        }
    }
    // What the last one left is taken away by the next start.
    crash(&policy, 0);
}

fn null() -> OwnedFd {
    let file = File::options().read(true).write(true).open("/dev/null");
    file.unwrap().into()
}

fn start(policy: &Arc<Policy>, program: &str) -> Result<Running, HostError> {
    let words = ["/usr/bin/dash", "-c", program].map(Into::into);
    Sandbox::new(Arc::clone(policy), Program::Command(words.into()))
        .audit(null())
        .streams([null(), null(), null()])
        .start()
}

/// One sandbox, ended in one of seven ways.
fn crash(policy: &Arc<Policy>, cycle: u32) {
    let victims: &[&str] = match cycle % 7 {
        0 => {
            let report = start(policy, CRASHING).unwrap().wait().unwrap();
            assert!(
                matches!(report.ended, Ended::Program(status) if !status.success()),
                "{report:?}"
            );
            return;
        }
        1 => {
            let running = start(policy, ASKING).unwrap();
            running.kill().unwrap();
            let report = running.wait().unwrap();
            assert_eq!(report.ended, Ended::Killed);
            return;
        }
        2 => return drop(start(policy, ASKING).unwrap()),
        3 => &["doorward-keeper"],
        4 => &["doorward-broker"],
        5 => &["doorward-init", "doorward-launch"],
        _ => &["dash"],
    };
    let running = start(policy, ASKING).unwrap();
    let own = std::process::id().cast_signed();
    let below = doorward_tests::below(own);
    let victim = below
        .iter()
        .find(|pid| victims.contains(&doorward_tests::called(**pid).as_str()));
    let victim = victim.unwrap_or_else(|| panic!("no {victims:?} among {below:?}"));
    kill(Pid::from_raw(*victim), Signal::SIGKILL).unwrap();
    // An error is as good as a report.
    let _told = running.wait();
}

/// Tells what this process holds.
fn look(cycle: u32) {
    let lines = |file: &str| fs::read_to_string(file).unwrap().lines().count();
    let entries = |directory: &str| fs::read_dir(directory).unwrap().count();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    println!(
        "{cycle} {} {} {} {} {}",
        memory.unwrap().trim().trim_end_matches(" kB"),
        entries("/proc/self/fd"),
        entries("/proc/self/task"),
        lines("/proc/self/net/unix"),
        children(),
    );
}

/// Those that a short wait does not see the end of.
fn children() -> usize {
    let own = std::process::id().cast_signed();
    let mut left = 0;
    for _ in 0..200 {
        left = doorward_tests::below(own).len();
        if left == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    left
}
