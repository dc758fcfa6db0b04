//! One run of a program, natively or under doorward.

use std::{
    ffi::{OsStr, OsString},
    io::{Read, Write},
    os::{
        fd::OwnedFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{Level, Tree, control};

/// How long after its end a program's output may stay open.
const LINGER: Duration = Duration::from_secs(5);

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The wait status.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
    /// How long it took.
    pub time: Duration,
}

impl Ended {
    /// The exit status as a shell tells it: 128+n for signal n.
    #[must_use]
    pub fn code(&self) -> i32 {
        let signal = self.status.signal().map(|signal| signal + 128);
        self.status.code().or(signal).unwrap_or(-1)
    }

    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn error(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Panics unless it ended with status 0.
    #[must_use]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code(), 0, "{}\n{}", self.text(), self.error());
        self
    }
}

/// A program to be run in a tree, at the tree's level, with a small environment.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    tree: &'a Tree,
    words: Vec<OsString>,
    input: Vec<u8>,
    environment: Vec<(OsString, OsString)>,
    options: Vec<OsString>,
    command: Option<PathBuf>,
    limit: Duration,
}

impl<'a> Run<'a> {
    /// `words` are the program, absolute, and its arguments.
    pub fn new<W: AsRef<OsStr>>(tree: &'a Tree, words: impl IntoIterator<Item = W>) -> Self {
        let home = tree.level().home();
        let environment = [
            ("PATH", OsStr::new("/usr/bin:/bin")),
            ("HOME", home.as_os_str()),
            ("LANG", OsStr::new("C.UTF-8")),
            ("LC_ALL", OsStr::new("C.UTF-8")),
        ];
        Self {
            tree,
            words: words
                .into_iter()
                .map(|word| word.as_ref().to_owned())
                .collect(),
            input: Vec::new(),
            environment: environment
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            options: Vec::new(),
            command: None,
            limit: Duration::from_secs(60),
        }
    }

    /// What it reads from standard input.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// A variable of its environment, which the policy must pass.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// An option of `doorward run`.
    #[must_use]
    pub fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Another build of doorward than the one under test.
    #[must_use]
    pub fn command(mut self, command: impl Into<PathBuf>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// By the build that leaves a defence out.
    #[must_use]
    pub fn without(self, defence: &str) -> Self {
        self.command(control("chosen"))
            .variable("DOORWARD_WITHOUT", defence)
    }

    /// How long it may take; one minute if nothing is said.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it without doorward.
    #[must_use]
    pub fn native(&self) -> Ended {
        let (program, arguments) = self.words.split_first().expect("a program is named");
        let mut command = self.tree.level().command(program);
        command.args(arguments);
        self.perform(command)
    }

    /// Runs it under `tests/policies/NAME.toml`, or under `builtin:NAME`.
    #[must_use]
    pub fn under(&self, policy: &str) -> Ended {
        if policy.starts_with("builtin:") {
            return self.under_file(Path::new(policy));
        }
        self.under_file(&placed(self.tree, policy))
    }

    /// Runs it under this policy file, which the level's user must be able to read.
    #[must_use]
    pub fn under_file(&self, policy: &Path) -> Ended {
        let mut command = match &self.command {
            Some(command) => self.tree.level().command(command),
            None => doorward(self.tree.level()),
        };
        command.args(["run", "--policy"]).arg(policy);
        command.args(&self.options).arg("--").args(&self.words);
        self.perform(command)
    }

    /// A pipe of the level's user, who may then open /dev/stdout.
    fn pipe(&self) -> (OwnedFd, OwnedFd) {
        let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let (user, group) = self.tree.level().ids();
        std::os::unix::fs::fchown(&theirs, Some(user), Some(group)).unwrap();
        (ours, theirs)
    }

    fn perform(&self, mut command: Command) -> Ended {
        command
            .current_dir(self.tree.work())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .process_group(0);
        let (stdout, theirs) = self.pipe();
        command.stdout(theirs);
        let (stderr, theirs) = self.pipe();
        command.stderr(theirs);
        let started = Instant::now();
        let mut child = command.spawn().expect("the program can be started");
        drop(command);
        let (stdout, stderr) = (collect(stdout), collect(stderr));
        let (input, stdin) = (self.input.clone(), child.stdin.take());
        std::thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&input)));
        let status = wait(&mut child, self.limit);
        let time = started.elapsed();
        let taken = |pipe: mpsc::Receiver<Vec<u8>>| pipe.recv_timeout(LINGER).ok();
        let (stdout, stderr) = (taken(stdout), taken(stderr));
        let Some(status) = status else {
            let shown = |bytes: Option<Vec<u8>>| {
                String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
            };
            panic!(
                "{:?} at {} did not end within {:?}\n{}\n{}",
                self.words,
                self.tree.level(),
                self.limit,
                shown(stdout),
                shown(stderr)
            );
        };
        let open = "something that outlived the program holds its output open";
        Ended {
            status,
            stdout: stdout.expect(open),
            stderr: stderr.expect(open),
            time,
        }
    }
}

/// Reads a pipe to its end.
fn collect(pipe: OwnedFd) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    let mut pipe = std::fs::File::from(pipe);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _end = pipe.read_to_end(&mut bytes);
        send.send(bytes)
    });
    receive
}

/// Its status, or `None` after `limit`, when its process group is killed.
fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if Instant::now() > deadline {
            let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
            let _gone = killpg(group, Signal::SIGKILL);
            let _reaped = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The command under test at a level: `$DOORWARD`, else the release build of this workspace.
#[must_use]
pub fn doorward(level: Level) -> Command {
    level.command(built())
}

/// Where the command under test is.
#[must_use]
pub fn built() -> PathBuf {
    let built = || {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
            PathBuf::from,
        );
        target.join("release/doorward")
    };
    let path = std::env::var_os("DOORWARD").map_or_else(built, PathBuf::from);
    path.canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}; cargo build --release", path.display()))
}

/// A copy of a build of the command, for a user who may not reach the repository.
#[must_use]
pub fn copied(command: &Path, copy: PathBuf) -> PathBuf {
    // By a process of its own: a descriptor of ours that writes it could be inherited by
    // another test's child, and then it would be busy.
    let copying = Command::new("/bin/cp").arg(command).arg(&copy).status();
    assert!(
        copying.is_ok_and(|status| status.success()),
        "{} cannot be made",
        copy.display()
    );
    copy
}

/// Where `tests/policies/NAME.toml` is in the repository.
#[must_use]
pub fn policy_source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("policies")
        .join(format!("{name}.toml"))
}

/// A copy of a committed policy in the tree, since its user may not reach the repository.
fn placed(tree: &Tree, name: &str) -> PathBuf {
    let source = policy_source(name);
    let text =
        std::fs::read(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    tree.file(&format!("../policies/{name}.toml"), text)
}
