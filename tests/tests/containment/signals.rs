//! Identity (S-23): no signal leaves the sandbox, also not to the process group of its host.

use std::{
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::Duration,
};

use doorward_tests::{Level, Run, Tree, doorward};

use crate::{bench::Bench, confined::Waiting};

/// Runs `command` in one process group with another process; whether that lives on.
fn neighbour_lives(mut command: Command, tree: &Tree) -> bool {
    let mut neighbour = tree.level().command("/bin/sleep");
    let mut neighbour = neighbour.arg("60").process_group(0).spawn().unwrap();
    // The program that enters the level has to be gone before the group is signalled.
    std::thread::sleep(Duration::from_millis(300));
    let group = i32::try_from(neighbour.id()).unwrap();
    let output = command
        .current_dir(tree.work())
        .stdin(Stdio::null())
        .process_group(group)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("group "),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::thread::sleep(Duration::from_millis(100));
    let lives = neighbour.try_wait().unwrap().is_none();
    neighbour.kill().unwrap();
    neighbour.wait().unwrap();
    lives
}

#[test]
fn a_signal_to_its_group_stays_inside() {
    for level in Level::ALL {
        let bench = Bench::new(level);
        let text = std::fs::read(doorward_tests::policy_source("containment")).unwrap();
        let policy = bench.tree.file("../containment.toml", text);
        let mut command = doorward(level);
        command.args(["run", "--policy"]).arg(policy).arg("--");
        command.arg(bench.tree.name("probe")).arg("signals");
        assert!(neighbour_lives(command, &bench.tree), "{level}");
    }
}

/// The control: without doorward the neighbour dies. As a user, who cannot signal all others.
#[test]
fn control_a_signal_to_its_group_ends_a_neighbour() {
    let bench = Bench::new(Level::User);
    // `kill(-1)` of the probe would reach all of that user's processes, so only the group is signalled.
    let mut command = Level::User.command("/bin/sh");
    command.args(["-c", "trap '' TERM; echo 'group '; kill -TERM 0"]);
    assert!(!neighbour_lives(command, &bench.tree));
}

const NEIGHBOUR: &str = "import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
other = int(sys.argv[1])
def tried(name, call):
    try: print(name, call())
    except OSError as error: print(name, 'errno', error.errno)
tried('kill', lambda: os.kill(other, 9))
tried('group', lambda: os.killpg(os.getpgid(other), 9))
tried('descriptor', lambda: os.pidfd_open(other))
tried('input', lambda: os.open(f'/proc/{other}/fd/1', os.O_WRONLY))
tried('memory', lambda: open(f'/proc/{other}/mem', 'rb+'))
tried('directory', lambda: os.listdir(f'/proc/{other}/cwd'))
tried('trace', lambda: libc.ptrace(16, other, 0, 0))
tried('own', lambda: os.kill(os.getpid(), 0))
";

/// B-14: two of one user, started by one host, side by side.
#[test]
fn two_sandboxes_share_nothing() {
    for level in Level::ALL {
        let bench = Bench::new(level);
        let first = Waiting::new(&bench);
        let number = first.sandboxee.file_name().unwrap().to_str().unwrap();
        let run = Run::new(&bench.tree, ["/usr/bin/python3", "-c", NEIGHBOUR, number]);
        let ours = run.under("builtin:default").succeeded().text();
        assert!(ours.contains("own None"), "{level}: {ours}");
        for name in ["kill", "group", "input", "memory", "directory"] {
            assert!(ours.contains(&format!("{name} errno")), "{level}: {ours}");
        }
        assert!(ours.contains("trace -1"), "{level}: {ours}");
        // It lives on, and ends when it is told to.
        first.end();
        // The control: without doorward the first one is killed.
        let mut sleeping = level.command("/bin/sleep");
        let mut sleeping = sleeping.arg("60").process_group(0).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let number = sleeping.id().to_string();
        let run = Run::new(&bench.tree, ["/usr/bin/python3", "-c", NEIGHBOUR, &number]);
        let native = run.native().text();
        assert!(native.contains("kill None"), "{level}: {native}");
        assert!(!sleeping.wait().unwrap().success(), "{level}: {native}");
    }
}
