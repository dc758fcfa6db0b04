//! The state of sandboxee and broker as `/proc` shows it to others (B-2, B-3): what each gave up.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use doorward_tests::{Level, doorward};

use crate::bench::Bench;

/// The fields of `/proc/PID/status`.
pub(crate) fn status(process: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(process.join("status")).unwrap();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// A process and all below it.
pub(crate) fn family(first: u32) -> Vec<PathBuf> {
    let mut found = vec![first.to_string()];
    let mut next = 0;
    while let Some(parent) = found.get(next).cloned() {
        next += 1;
        for entry in std::fs::read_dir("/proc").unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let text = std::fs::read_to_string(format!("/proc/{name}/status"));
            if text.is_ok_and(|text| text.contains(&format!("\nPPid:\t{parent}\n"))) {
                found.push(name);
            }
        }
    }
    found
        .iter()
        .map(|one| Path::new("/proc").join(one))
        .collect()
}

/// In the host's environment, and passed on by no policy.
pub(crate) const CANARY: &str = "a secret of the host's environment";

/// Whether a process's memory holds a text anywhere.
pub(crate) fn holds(process: &Path, text: &str) -> bool {
    let memory = std::fs::File::open(process.join("mem")).unwrap();
    let maps = std::fs::read_to_string(process.join("maps")).unwrap();
    maps.lines().any(|line| {
        let (range, rest) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        rest.starts_with('r')
            && memory.read_exact_at(&mut bytes, from).is_ok()
            && String::from_utf8_lossy(&bytes).contains(text)
    })
}

/// A sandbox whose probe waits: the sandboxee and what serves it.
pub(crate) struct Waiting {
    host: Child,
    pub(crate) sandboxee: PathBuf,
    broker: PathBuf,
}

impl Waiting {
    pub(crate) fn new(bench: &Bench) -> Self {
        let text = std::fs::read(doorward_tests::policy_source("containment")).unwrap();
        let policy = bench.tree.file("../containment.toml", text);
        let mut command = doorward(bench.tree.level());
        command.args(["run", "--policy"]).arg(policy).arg("--");
        command.arg(bench.tree.name("probe")).arg("wait");
        command.current_dir(bench.tree.work());
        command.env("OF_THE_HOST", CANARY);
        let mut host = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(host.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        let family = family(host.id());
        let sandboxee = family.iter().find(|one| status(one)["Name"] == "probe");
        // Of the broker's processes the one with threads serves.
        let serves = |one: &&PathBuf| {
            let command = std::fs::read(one.join("cmdline")).unwrap();
            command.starts_with(b"doorward-broker") && status(one)["Threads"] != "1"
        };
        Self {
            sandboxee: sandboxee.unwrap().clone(),
            broker: family.iter().find(serves).unwrap().clone(),
            host,
        }
    }

    pub(crate) fn end(mut self) {
        drop(self.host.stdin.take());
        assert!(self.host.wait().unwrap().success());
    }
}

pub(crate) const CAPABILITIES: [&str; 4] = ["CapInh", "CapPrm", "CapEff", "CapAmb"];
pub(crate) const NONE: &str = "0000000000000000";

#[test]
fn sandboxee_and_broker_have_given_everything_up() {
    for level in Level::ALL {
        let bench = Bench::new(level);
        let waiting = Waiting::new(&bench);
        for (who, process) in [
            ("sandboxee", &waiting.sandboxee),
            ("broker", &waiting.broker),
        ] {
            let status = status(process);
            let told = format!("{level} {who}: {status:?}");
            assert_eq!(status["Seccomp"], "2", "{told}");
            assert_eq!(status["NoNewPrivs"], "1", "{told}");
            for set in CAPABILITIES {
                assert_eq!(status[set], NONE, "{set}: {told}");
            }
        }
        assert_eq!(status(&waiting.sandboxee)["Threads"], "1", "{level}");
        waiting.end();
    }
    // The control: a process that gave up nothing shows it by the same fields.
    let own = status(Path::new("/proc/self"));
    assert_eq!(own["Seccomp"], "0");
    assert_eq!(own["NoNewPrivs"], "0");
    assert_ne!(own["CapEff"], NONE);
}

/// Where the executable lies in a process's memory; each execution finds another place.
fn place(process: &Path) -> String {
    let maps = std::fs::read_to_string(process.join("maps")).unwrap();
    maps.split('-').next().unwrap().to_owned()
}

/// The command forks them; nothing of its environment goes with them.
#[test]
fn what_the_command_forks_has_forgotten_its_environment() {
    for level in [Level::Root, Level::User] {
        let bench = Bench::new(level);
        let waiting = Waiting::new(&bench);
        let (hosts, forked): (Vec<PathBuf>, Vec<PathBuf>) = family(waiting.host.id())
            .into_iter()
            .partition(|process| status(process)["Name"] == "doorward");
        // Keeper, broker, init and sandboxee at least.
        assert!(forked.len() > 3, "{level}: {forked:?}");
        for process in &forked {
            let name = &status(process)["Name"];
            assert!(!holds(process, CANARY), "{level} {name}");
            // One that had executed itself anew would have forgotten for another reason.
            let ours = name.starts_with("doorward-");
            assert_eq!(place(process) == place(&hosts[0]), ours, "{level} {name}");
        }
        // The control: it is seen where it is.
        assert!(holds(&hosts[0], CANARY), "{level}");
        waiting.end();
    }
}

/// Standard streams and nothing else: no directory, no listener, no lane of another.
#[test]
fn a_sandboxee_has_its_standard_streams_alone() {
    for level in Level::ALL {
        let bench = Bench::new(level);
        let waiting = Waiting::new(&bench);
        let listed = |process: &Path| {
            let mut numbers: Vec<u32> = std::fs::read_dir(process.join("fd"))
                .unwrap()
                .map(|entry| {
                    entry
                        .unwrap()
                        .file_name()
                        .to_str()
                        .unwrap()
                        .parse()
                        .unwrap()
                })
                .collect();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(listed(&waiting.sandboxee), [0, 1, 2], "{level}");
        // The control: the broker has more, and they are seen the same way.
        assert!(listed(&waiting.broker).len() > 3, "{level}");
        waiting.end();
    }
}

/// Where there is a view every namespace is another, and what others own is not theirs to see.
#[test]
fn with_a_view_a_sandboxee_shares_no_namespace() {
    for level in Level::WITH_VIEW {
        let bench = Bench::new(level);
        let waiting = Waiting::new(&bench);
        for kind in ["mnt", "pid", "net", "ipc", "uts"] {
            let space = |process: &Path| std::fs::read_link(process.join("ns").join(kind)).unwrap();
            assert_ne!(
                space(&waiting.sandboxee),
                space(Path::new("/proc/self")),
                "{level} {kind}"
            );
        }
        waiting.end();
    }
}

/// Another process of the same user can neither read the broker's memory nor its environment.
#[test]
fn the_broker_is_closed_to_other_processes_of_its_user() {
    for level in [Level::User, Level::UserNoNs] {
        let bench = Bench::new(level);
        let waiting = Waiting::new(&bench);
        let reads = |process: &Path| {
            let mut command = level.command("/bin/cat");
            let output = command.arg(process.join("environ")).output().unwrap();
            output.status.success()
        };
        assert!(!reads(&waiting.broker), "{level}");
        // The control: a process of that user that does nothing for itself is read.
        let mut open = level.command("/bin/sh");
        open.args(["-c", "sleep 60 & sleep 0.2; cat /proc/$!/environ; kill $!"]);
        let output = open.env("CANARY", "shown").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("CANARY=shown"), "{level}: {text}");
        waiting.end();
    }
}
