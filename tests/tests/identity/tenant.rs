//! A sandbox that runs until it is told to end.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use doorward_tests::{Level, Tree, below, called, doorward};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long an end is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A policy like the default one with these further lines, of this user.
pub(crate) fn policy(tree: &Tree, user: &str, more: &str) -> PathBuf {
    let text = format!(
        "version = 1\ninclude = [\"builtin:default\"]\n[identity]\nuser = \"{user}\"\n{more}"
    );
    tree.file(&format!("../{user}.toml"), text)
}

/// A directory that everybody may write to.
pub(crate) fn open(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

/// One sandbox: a shell that has said something and waits.
pub(crate) struct Tenant {
    host: Child,
    /// The first line that it said.
    pub(crate) said: String,
}

impl Tenant {
    /// Runs `script`, which ends with its first line, and what follows when it is told so.
    pub(crate) fn start(tree: &Tree, policy: &Path, script: &str) -> Self {
        Self::start_in(tree, policy, script, Path::new("/tmp"))
    }

    /// With its scratch directory in this one.
    pub(crate) fn start_in(tree: &Tree, policy: &Path, script: &str, temporary: &Path) -> Self {
        Self::begun(Self::begin(tree, policy, script, temporary))
    }

    /// Waits until it has said something.
    pub(crate) fn begun(mut host: Child) -> Self {
        let mut said = String::new();
        let mut output = BufReader::new(host.stdout.take().unwrap());
        output.read_line(&mut said).unwrap();
        Self {
            host,
            said: said.trim().to_owned(),
        }
    }

    /// Its host, which has just been started.
    pub(crate) fn begin(tree: &Tree, policy: &Path, script: &str, temporary: &Path) -> Child {
        let mut command: Command = doorward(Level::Root);
        let script = format!("{script}; read told");
        command
            .args(["run", "--quiet", "--policy"])
            .arg(policy)
            .args(["--", "/bin/sh", "-c", &script])
            .current_dir(tree.work())
            .env("TMPDIR", temporary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    /// The user that it said it is.
    pub(crate) fn user(&self) -> u32 {
        self.said
            .parse()
            .unwrap_or_else(|_| panic!("{:?}", self.said))
    }

    /// Host and all processes below it.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let host = self.host.id().cast_signed();
        std::iter::once(host).chain(below(host)).collect()
    }

    /// The one of its processes that is called so.
    pub(crate) fn process(&self, name: &str) -> i32 {
        let mut all = self.processes().into_iter();
        all.find(|process| called(*process) == name)
            .unwrap_or_else(|| panic!("no {name}"))
    }

    /// Lets it end by itself.
    pub(crate) fn end(mut self) {
        let mut input = self.host.stdin.take().unwrap();
        input.write_all(b"\n").unwrap();
        assert!(self.host.wait().unwrap().success());
    }

    /// Kills every part of it at once, and waits until all are gone.
    pub(crate) fn kill(self) {
        let all = self.processes();
        self.lose(&all);
    }

    /// Kills these of its processes, and waits until all are gone.
    pub(crate) fn lose(mut self, victims: &[i32]) {
        let all = self.processes();
        for process in victims {
            let _gone = kill(Pid::from_raw(*process), Signal::SIGKILL);
        }
        self.host.wait().unwrap();
        let begun = Instant::now();
        // A process counts for its user until somebody has reaped it.
        while all
            .iter()
            .any(|process| Path::new(&format!("/proc/{process}")).exists())
        {
            assert!(begun.elapsed() < PATIENCE, "{all:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A field of /proc/PID/status.
pub(crate) fn field(process: i32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim_start_matches(':').trim().to_owned()
}
