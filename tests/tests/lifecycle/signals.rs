//! Exit status and signals, as without doorward.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::Duration,
};

use doorward_tests::{Level, Run, Tree, doorward};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

#[test]
fn the_exit_status_is_the_programs() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let script = |text: &'static str| Run::new(&tree, ["/bin/sh", "-c", text]);
        for (text, code) in [
            ("exit 0", 0),
            ("exit 42", 42),
            ("kill -TERM $$", 143),
            ("kill -KILL $$", 137),
            ("kill -SEGV $$", 139),
        ] {
            let run = script(text);
            assert_eq!(run.native().code(), code, "{level}: {text}");
            assert_eq!(run.under("builtin:default").code(), code, "{level}: {text}");
        }
    }
}

#[test]
fn a_broken_pipe_ends_a_program() {
    let tree = Tree::new(Level::Root);
    let words = ["/bin/bash", "-c", "yes | head -1; echo ${PIPESTATUS[@]}"];
    let native = std::process::Command::new(words[0])
        .args(&words[1..])
        .output()
        .unwrap();
    assert_eq!(native.stdout, b"y\n141 0\n");
    let run = Run::new(&tree, words);
    assert_eq!(run.under("builtin:default").text(), "y\n141 0\n");
}

/// A program that says `ready`, and what it got, until SIGTERM.
const TRAPS: &str = "import signal, sys
def got(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(7)
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
    signal.signal(number, got)
print('ready', flush=True)
while True:
    signal.pause()
";

#[test]
fn signals_to_doorward_reach_the_program() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let mut child = doorward(level)
            .current_dir(tree.work())
            .args(["run", "--quiet", "--", "/usr/bin/python3", "-c", TRAPS])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let host = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready", "{level}");
        for signal in [
            Signal::SIGINT,
            Signal::SIGHUP,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
            Signal::SIGTERM,
        ] {
            kill(host, signal).unwrap();
            assert_eq!(lines.next().unwrap().unwrap(), signal.as_str(), "{level}");
        }
        assert_eq!(child.wait().unwrap().code(), Some(7), "{level}");
    }
}

#[test]
fn an_output_that_the_program_closes_is_closed() {
    let tree = Tree::new(Level::Root);
    // The reader sees the end while the program goes on, natively and sandboxed.
    let words = ["/bin/sh", "-c", "echo early; exec >&- 2>&-; sleep 2"];
    let mut command = doorward(tree.level());
    let mut child = command
        .current_dir(tree.work())
        .args(["run", "--quiet", "--"])
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let started = std::time::Instant::now();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut text).unwrap();
    assert_eq!(text, "early\n");
    let open = started.elapsed();
    let status = child.wait().unwrap();
    assert!(status.success());
    assert!(started.elapsed() > Duration::from_millis(1500));
    assert!(
        open < Duration::from_millis(1500),
        "something else held the program's output open for {open:?}"
    );
}
