//! Without namespaces other processes of the user are in reach of calls that take a number.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Stdio},
};

use doorward_tests::{Level, Run, Tree};

/// A process of the level's user outside the sandbox.
struct Neighbour(Child);

impl Neighbour {
    fn of(tree: &Tree) -> Self {
        let mut command = tree.level().command("/usr/bin/sleep");
        command.arg("300").stdin(Stdio::null()).process_group(0);
        let child = command.spawn().unwrap();
        let status = format!("/proc/{}/comm", child.id());
        while std::fs::read_to_string(&status).unwrap() != "sleep\n" {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Self(child)
    }

    /// Nice value, and the processors it may use.
    fn state(&self) -> (String, String) {
        let id = self.0.id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let nice = stat.rsplit(')').next().unwrap().split_whitespace().nth(16);
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let cpus = status
            .lines()
            .find(|line| line.starts_with("Cpus_allowed_list"));
        (nice.unwrap().to_owned(), cpus.unwrap().to_owned())
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

const SCRIPT: &str = "import os, sys
outside = int(sys.argv[1])
def tried(name, call):
    try:
        call()
        print(name, 'done')
    except OSError:
        print(name, 'refused')
tried('nice', lambda: os.setpriority(os.PRIO_PROCESS, outside, 5))
tried('group', lambda: os.setpriority(os.PRIO_PGRP, os.getpgid(outside), 6))
tried('affinity', lambda: os.sched_setaffinity(outside, {0}))
tried('own affinity', lambda: os.sched_setaffinity(0, {0}))
tried('own nice', lambda: os.setpriority(os.PRIO_PROCESS, 0, 5))
";

#[test]
fn processes_outside_keep_their_place_and_priority() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let before = Neighbour::of(&tree).state();
        for sandboxed in [false, true] {
            let neighbour = Neighbour::of(&tree);
            let number = neighbour.0.id().to_string();
            let run = Run::new(&tree, ["/usr/bin/python3", "-c", SCRIPT, &number]);
            let ended = if sandboxed {
                run.under("builtin:default")
            } else {
                run.native()
            };
            let text = ended.succeeded().text();
            assert!(
                text.contains("own affinity done\nown nice done"),
                "{level}: {text}"
            );
            assert_eq!(neighbour.state() == before, sandboxed, "{level}: {text}");
        }
    }
}
