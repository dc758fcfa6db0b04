//! The number of an asker is another's before its request is done (U-7). In a pid namespace of a
//! hundred numbers the asker is killed while the broker is held between two of its system calls,
//! at each of them in turn, and all numbers are taken by processes that ask for nothing.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::mpsc,
    time::Duration,
};

use doorward_tests::{Broker, Level, built, control, policy_source};

use crate::{bench::Bench, held::Held};

/// Numbers of processes that there are; the first 300 are given once.
const NUMBERS: &str = "400";
/// Sweeps over all calls of a request.
const SWEEPS: usize = 2;
/// How long they may take: whoever waits for what does not come is told so by an end.
const LIMIT: Duration = Duration::from_secs(100);

/// What came of one way to ask.
#[derive(Debug, Default)]
struct Sweep {
    attempts: usize,
    /// The most calls of one request.
    calls: usize,
    /// What nobody asked to have removed was.
    removed: usize,
    /// Attempts after which memory of strangers was another.
    written: usize,
    /// What was asked for was done.
    done: usize,
    /// Attempts that ended the sandbox.
    ended: usize,
}

struct Asking {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Asking {
    fn start(bench: &Bench, doorward: &Path, without: &str, case: &str) -> Self {
        let few = "echo \"$0\" > /proc/sys/kernel/pid_max || exit 9; \"$@\"";
        let maximum = || fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
        let before = maximum();
        let tree = &bench.tree;
        let mut child = Level::Root
            .command("/usr/bin/unshare")
            .args([
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "/bin/sh",
                "-c",
                few,
                NUMBERS,
            ])
            .arg(doorward)
            .args(["run", "--quiet", "--policy"])
            .arg(policy_source("races"))
            .arg("--")
            .arg(tree.name("reused"))
            .args([case.into(), tree.name("rw/decoy"), tree.name("rw/precious")])
            .env("DOORWARD_WITHOUT", without)
            .current_dir(tree.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut asking = Self {
            child,
            input,
            output: BufReader::new(output),
        };
        // It is served when it asks the first time, and so it has begun.
        asking.say('a');
        assert_eq!(asking.told('r'), 0);
        let now = maximum();
        if now != before {
            fs::write("/proc/sys/kernel/pid_max", &before).unwrap();
            panic!("a pid namespace has no pid_max of its own before Linux 6.14");
        }
        asking
    }

    fn say(&mut self, what: char) {
        self.input.write_all(what.to_string().as_bytes()).unwrap();
    }

    fn told(&mut self, what: char) -> usize {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let number = line.trim().strip_prefix(what).map(str::trim);
        let number = number.and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("'{line}' for {what}"))
    }

    /// Its broker, held.
    fn held(&self) -> Held {
        let brokers = Broker::below(self.child.id());
        let [broker] = brokers.as_slice() else {
            panic!("{brokers:?}");
        };
        Held::of(broker.process)
    }
}

/// Kills a process after this time, unless what is returned is dropped before.
fn ends_within(limit: Duration, process: u32) -> mpsc::Sender<()> {
    let (over, waits) = mpsc::channel();
    std::thread::spawn(move || {
        if waits.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            let process = nix::unistd::Pid::from_raw(process.cast_signed());
            let _gone = nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL);
        }
    });
    over
}

/// Sweeps over all calls that the broker makes for a request; what a build for controls is to
/// leave out is `without`.
fn sweep(doorward: &Path, without: &str, case: &str) -> Sweep {
    let bench = Bench::new(Level::Root);
    bench.compile("reused");
    let [decoy, precious] = ["rw/decoy/file", "rw/precious/file"];
    for name in [decoy, precious] {
        bench.tree.file(name, "there");
    }
    let mut asking = Asking::start(&bench, doorward, without, case);
    let mut over = ends_within(LIMIT, asking.child.id());
    let mut held = asking.held();
    let mut seen = Sweep::default();
    let mut begun = true;
    for _ in 0..SWEEPS {
        for calls in 0.. {
            if !begun {
                asking.say('a');
                // It enters its directory.
                held.receive();
                held.serve();
                asking.told('r');
            }
            begun = false;
            asking.say('g');
            held.receive();
            let serves = held.make(calls);
            asking.say('h');
            assert!(asking.told('n') > 50, "too few took numbers");
            seen.attempts += 1;
            if !serves || held.serve() {
                asking.say('o');
                seen.written += usize::from(asking.told('c') > 0);
            } else {
                seen.ended += 1;
                assert!(!asking.child.wait().unwrap().success());
                asking = Asking::start(&bench, doorward, without, case);
                over = ends_within(LIMIT, asking.child.id());
                held = asking.held();
                begun = true;
            }
            seen.calls = seen.calls.max(calls);
            for (name, count) in [(decoy, &mut seen.done), (precious, &mut seen.removed)] {
                if !bench.tree.name(name).exists() {
                    *count += 1;
                    bench.tree.file(name, "there");
                }
            }
            if !serves {
                break;
            }
        }
    }
    drop(held);
    drop(asking.input);
    assert!(asking.child.wait().unwrap().success());
    drop(over);
    println!("| a number used again: {case} | {seen:?} |");
    seen
}

#[test]
fn a_number_of_a_process_used_again_leads_to_nothing_of_its_new_owner() {
    for case in ["name", "directory", "descriptor"] {
        let seen = sweep(&built(), "", case);
        assert_eq!((seen.removed, seen.written), (0, 0), "{case}: {seen:?}");
        assert!(seen.calls >= 4 && seen.done >= SWEEPS, "{case}: {seen:?}");
        assert_eq!(seen.ended, 0, "{case}: {seen:?}");
    }
}

/// What was answered into memory of another ends the sandbox. In a sweep that is the attempt
/// between the last look and the writing.
#[test]
fn an_answer_to_a_number_used_again_ends_the_sandbox() {
    let seen = sweep(&built(), "", "answer");
    assert_eq!((seen.written, seen.removed), (0, 0), "{seen:?}");
    assert!(seen.ended >= SWEEPS, "{seen:?}");
}

/// The control: a broker that leaves it at that look.
#[test]
fn control_a_look_before_the_answer_loses() {
    let seen = sweep(&control("chosen"), "astray-ends", "answer");
    assert_eq!((seen.written, seen.ended), (SWEEPS, 0), "{seen:?}");
}

/// The control: a broker that does not ask whether the request still stands takes the name from
/// the memory, the directory or the descriptor of another process, and answers into its memory.
#[test]
fn control_a_number_believed_loses() {
    let doorward = control("chosen");
    for case in ["name", "directory", "descriptor", "answer"] {
        let seen = sweep(&doorward, "revalidated,astray-ends", case);
        assert!(seen.removed + seen.written > 0, "{case}: {seen:?}");
    }
}
