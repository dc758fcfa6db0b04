//! `limits.output`: what the host relays is bounded to the byte, and otherwise the same.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use doorward_tests::{Level, Run, Tree, doorward};

use super::{LIMIT, policy, python};

const FLOOD: &str = "import os\nwhile True: os.write(FD, b'x'*4096)";

/// A command of `doorward run` under this limit.
fn run(tree: &Tree, limits: &str, words: &[&str]) -> Command {
    let policy = policy(tree, limits);
    let mut command = doorward(tree.level());
    command
        .current_dir(tree.work())
        .env("PATH", "/usr/bin:/bin")
        .args(["run", "--quiet", "--policy"])
        .arg(&policy)
        .arg("--")
        .args(words)
        .stdin(Stdio::null());
    command
}

fn soon(what: &str, mut met: impl FnMut() -> bool) {
    let started = Instant::now();
    while !met() {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn python_words(program: &str) -> [&str; 5] {
    ["/usr/bin/python3", "-I", "-S", "-c", program]
}

#[test]
fn a_flood_stops_at_the_bound() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let output = python(&tree, "output = 70001", &FLOOD.replace("FD", "1"));
        assert_eq!(output.code(), LIMIT, "{level}: {}", output.error());
        assert!(output.stdout == vec![b'x'; 70001], "{level}");
        let told = "doorward: the sandbox was ended by limits.output = \"70001\"";
        assert!(output.error().starts_with(told), "{}", output.error());
        // Both streams count together.
        let flood = FLOOD.replace("os.write(FD", "os.write(2,b'y'*100); os.write(1");
        // Some of it first, since what both have written is not read in turns.
        let both = format!("import os, time\nos.write(2, b'y'*100)\ntime.sleep(0.3)\n{flood}");
        let ended = python(&tree, "output = \"64KiB\"", &both);
        assert_eq!(ended.code(), LIMIT, "{level}");
        let (text, rest) = ended.stderr.split_at(
            ended
                .stderr
                .iter()
                .take_while(|byte| **byte == b'y')
                .count(),
        );
        assert!(rest.starts_with(b"doorward: "), "{level}");
        assert_eq!(ended.stdout.len() + text.len(), 64 << 10, "{level}");
        assert!(!text.is_empty() && ended.stdout.iter().all(|byte| *byte == b'x'));
    }
}

#[test]
fn who_ends_by_itself_beyond_the_bound_has_met_it() {
    let writes = |count: usize| format!("import os\nos.write(1, b'z'*{count})");
    for level in Level::ALL {
        let tree = Tree::new(level);
        let within = python(&tree, "output = 1000", &writes(1000)).succeeded();
        assert_eq!(within.stdout, vec![b'z'; 1000], "{level}");
        let beyond = python(&tree, "output = 1000", &writes(1001));
        assert_eq!(beyond.code(), LIMIT, "{level}: {}", beyond.error());
        assert_eq!(beyond.stdout, vec![b'z'; 1000], "{level}");
    }
}

#[test]
fn under_the_bound_output_is_the_same() {
    let all: Vec<u8> = (0..300_000_u32).map(|n| (n * 7 % 256) as u8).collect();
    let program = "import sys\ndata=sys.stdin.buffer.read()\nsys.stdout.buffer.write(data)\n\
        sys.stdout.flush()\nsys.stderr.buffer.write(data[::-1])\nsys.exit(3)";
    for level in Level::ALL {
        let tree = Tree::new(level);
        let file = policy(&tree, "output = \"1MiB\"");
        let run = Run::new(&tree, python_words(program))
            .option("--quiet")
            .input(all.clone());
        let (native, held) = (run.native(), run.under_file(&file));
        assert_eq!((native.code(), held.code()), (3, 3), "{}", held.error());
        assert!(native.stdout == all && held.stdout == all, "{level}");
        assert!(native.stderr == held.stderr, "{level}");
    }
}

#[test]
fn output_and_error_in_one_pipe_stay_in_order() {
    let program = "import os\nfor i in range(4000): os.write(1+i%2, b'%d\\n' % i)";
    let wanted: String = (0..4000).map(|n| format!("{n}\n")).collect();
    let tree = Tree::new(Level::User);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = run(&tree, "output = \"1MiB\"", &python_words(program));
    command.stdout(OwnedFd::from(theirs.try_clone().unwrap()));
    let mut child = command.stderr(OwnedFd::from(theirs)).spawn().unwrap();
    drop(command);
    let mut seen = String::new();
    ours.read_to_string(&mut seen).unwrap();
    assert!(child.wait().unwrap().success(), "{seen}");
    assert!(seen == wanted, "{seen}");
}

#[test]
fn a_stream_that_is_closed_is_seen_closed() {
    let tree = Tree::new(Level::User);
    // Standard input closed from the start.
    let inner = run(&tree, "output = 100", &["/bin/cat"]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exec \"$@\" <&-", "sh"]);
    command.arg(inner.get_program()).args(inner.get_args());
    let ended = command.current_dir(tree.work()).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.is_empty());
    // The program closes its output and lives on.
    let program = "import os,time\nos.write(1,b'done')\nos.close(1)\ntime.sleep(60)";
    let mut command = run(&tree, "output = 100", &python_words(program));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut seen = String::new();
    let mut output = child.stdout.take().unwrap();
    let started = Instant::now();
    output.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "done");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    // The reader goes away: the program is told as it is without doorward.
    let mut command = run(&tree, "output = \"1GiB\"", &["/usr/bin/yes"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13));
}

#[test]
fn a_standard_input_that_can_be_written_is_no_way_out() {
    let program = "import os\nprint(os.read(0,100))\ntry: os.write(0,b'out')\n\
        except OSError as e: print(e.errno)";
    let tree = Tree::new(Level::User);
    let seen = |limits: &str| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"in").unwrap();
        let mut command = run(&tree, limits, &python_words(program));
        let child = command
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        drop(command);
        let output = child.wait_with_output().unwrap();
        let mut out = String::new();
        ours.read_to_string(&mut out).unwrap();
        (String::from_utf8(output.stdout).unwrap(), out)
    };
    assert_eq!(seen("output = 100"), ("b'in'\n9\n".into(), String::new()));
    assert_eq!(seen("wall = \"30s\""), ("b'in'\n".into(), "out".into()));
}

/// A flood that nobody reads.
fn stalled(tree: &Tree) -> (Child, File) {
    let flood = FLOOD.replace("FD", "1");
    let mut command = run(tree, "output = \"1GiB\"", &python_words(&flood));
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let child = command.stdout(theirs).spawn().unwrap();
    let ours = File::from(ours);
    let waiting = || rustix::io::ioctl_fionread(&ours).unwrap();
    soon("the pipe is not filled", || waiting() > 60_000);
    std::thread::sleep(Duration::from_millis(300));
    (child, ours)
}

#[test]
fn a_reader_that_stalls_costs_no_memory_and_signals_still_end_it() {
    let tree = Tree::new(Level::User);
    let (mut child, output) = stalled(&tree);
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words: Vec<&str> = resident.unwrap().split_whitespace().collect();
    let kilobytes: u64 = words.get(1).unwrap().parse().unwrap();
    assert!(kilobytes < 20_000, "{kilobytes} kB");
    let host = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let terminate = || nix::sys::signal::kill(host, nix::sys::signal::Signal::SIGTERM);
    // The first goes to the program, the second is for who waits to pass on the rest.
    terminate().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    terminate().unwrap();
    soon("it does not end", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    drop(output);
}

#[test]
fn when_doorward_is_killed_its_output_ends() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let (mut child, mut output) = stalled(&tree);
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = Vec::new();
        let started = Instant::now();
        output.read_to_end(&mut rest).unwrap();
        assert!(started.elapsed() < Duration::from_secs(5), "{level}");
        assert!(rest.len() < 200_000, "{level}: {}", rest.len());
    }
}
