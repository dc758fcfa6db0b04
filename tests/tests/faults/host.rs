//! One start of doorward that something will go wrong with.

use std::{
    io::Read,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use doorward_tests::{Tree, built};

/// How long a host may take to tell of a fault.
const DEADLINE: Duration = Duration::from_secs(15);

/// Asks the broker for files, then ends.
pub(crate) const PROGRAM: &str = "exec 2>/dev/null; for one in 1 2 3 4 5; do read -r line < /etc/passwd; echo $one > /tmp/file; done; exit 0";

/// What a scratch and a control group are made for.
const POLICY: &str = "version = 1\nname = \"faults\"\ninclude = [\"builtin:runtime\"]\n\
    [fs]\nread = [\"/etc/passwd\"]\nscratch = \"1MiB\"\n[exec]\nallow = [\"/usr/bin/dash\"]\n\
    [limits]\nprocesses = 16\n";

/// Makes what [`start`] needs.
pub(crate) fn place(level: doorward_tests::Level) -> Tree {
    let tree = Tree::new(level);
    tree.file("../policy.toml", POLICY);
    tree.directory("../temporary");
    tree
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Told {
    /// As a shell tells it.
    pub(crate) code: i32,
    pub(crate) error: String,
}

impl Told {
    /// How often doorward spoke. What a program says when its broker is gone is its own, and
    /// may be half a line.
    pub(crate) fn sentences(&self) -> usize {
        self.error.matches("doorward: ").count()
    }

    /// Whether it went well, or doorward said one sentence, or the program failed for itself.
    /// A broker without memory is ended by its allocator, which says so too.
    pub(crate) fn is_clear(&self) -> bool {
        let ours = |line: &&str| line.starts_with("doorward: ");
        let theirs = |line: &str| {
            line.is_empty()
                || [
                    "/usr/bin/dash: ",
                    "memory allocation of ",
                    "note: run with ",
                ]
                .iter()
                .any(|start| line.starts_with(start))
        };
        let sentences = self.error.lines().filter(ours).count();
        let strange = self.error.lines().any(|line| !ours(&line) && !theirs(line));
        let said = sentences == 1 || (sentences == 0 && !self.error.is_empty());
        !strange && (self.code == 0 || said)
    }
}

/// Starts doorward below `around`, words that a command begins with.
pub(crate) fn start(tree: &Tree, around: &[&str], program: &str) -> Child {
    start_built(built(), tree, around, program)
}

/// As [`start`], of this build.
pub(crate) fn start_built(doorward: PathBuf, tree: &Tree, around: &[&str], program: &str) -> Child {
    command(doorward, tree, around, program).spawn().unwrap()
}

/// What [`start_built`] starts.
pub(crate) fn command(doorward: PathBuf, tree: &Tree, around: &[&str], program: &str) -> Command {
    let mut command: Command = match around.split_first() {
        Some((first, rest)) => {
            let mut command = tree.level().command(first);
            command.args(rest).arg(doorward);
            command
        }
        None => tree.level().command(doorward),
    };
    command
        .current_dir(tree.work())
        .args(["run", "--quiet", "--policy"])
        .arg(tree.name("../policy.toml"))
        .args(["--", "/usr/bin/dash", "-c", program])
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", tree.name("../temporary"))
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Waits for its end.
pub(crate) fn finish(mut host: Child) -> Told {
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = host.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > DEADLINE {
            let _killed = host.kill();
            panic!("the host said nothing for {DEADLINE:?}");
        }
        std::thread::sleep(Duration::from_micros(500));
    };
    let mut error = String::new();
    let pipe = host.stderr.take();
    pipe.unwrap().read_to_string(&mut error).unwrap();
    let signal = status.signal().map(|signal| signal + 128);
    Told {
        code: status.code().or(signal).unwrap_or(-1),
        error,
    }
}
