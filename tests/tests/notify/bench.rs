//! What the tests of the notify front share: C programs of `tests/programs/notify`, run
//! natively and under `tests/policies/notify.toml`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use doorward_tests::{Ended, Level, Run, Tree, longest};

/// A tree with compiled programs in it.
pub(crate) struct Bench {
    pub(crate) tree: Tree,
}

impl Bench {
    /// With these programs compiled into the directory they run in.
    pub(crate) fn new(level: Level, programs: &[&str]) -> Self {
        let bench = Self {
            tree: Tree::new(level),
        };
        for name in programs {
            bench.compile(name, &["-O1", "-pthread"]);
        }
        bench
    }

    /// Compiles one program with these options.
    pub(crate) fn compile(&self, name: &str, options: &[&str]) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("programs/notify")
            .join(format!("{name}.c"));
        let place = tempfile::tempdir().unwrap();
        let built = place.path().join(name);
        let mut command = Command::new("gcc");
        command.args(options).arg("-o").arg(&built).arg(&source);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.tree.program(name, std::fs::read(&built).unwrap())
    }

    /// Removes all that runs have left beside these programs.
    pub(crate) fn empty(&self, programs: &[&str]) {
        for entry in std::fs::read_dir(self.tree.work()).unwrap() {
            let path = entry.unwrap().path();
            if programs.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let removed = match path.symlink_metadata().unwrap().is_dir() {
                true => std::fs::remove_dir_all(&path),
                false => std::fs::remove_file(&path),
            };
            removed.unwrap();
        }
    }

    /// A FIFO named `fifo`.
    pub(crate) fn fifo(&self) -> PathBuf {
        let path = self.tree.name("fifo");
        let (user, group) = self.tree.level().ids();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
        std::os::unix::fs::chown(&path, Some(user), Some(group)).unwrap();
        path
    }

    /// A run of these words, the first being a program in the tree or an absolute one.
    pub(crate) fn run(&self, words: &[&str]) -> Run<'_> {
        let program = self.tree.name(words[0]);
        let words = std::iter::once(program.into_os_string())
            .chain(words[1..].iter().map(std::convert::Into::into));
        Run::new(&self.tree, words).limit(Duration::from_secs(120).max(longest()))
    }

    /// The policy with python, its library and the shell added, as a file of the tree.
    pub(crate) fn python_policy(&self) -> PathBuf {
        let policy = std::fs::read_to_string(doorward_tests::policy_source("notify")).unwrap();
        let policy = policy
            .replace("read = [", "read = [\"/usr/bin/**\", \"/bin\", ")
            .replace("allow = [", "allow = [\"/usr/bin/**\", ");
        self.tree.file("../python.toml", policy)
    }

    /// Runs natively and under the policy and holds the two outputs and statuses together.
    #[track_caller]
    pub(crate) fn same(&self, words: &[&str]) -> Ended {
        let native = self.run(words).native();
        let ours = self.run(words).under("notify");
        assert_eq!(
            (ours.text(), ours.code()),
            (native.text(), native.code()),
            "{words:?} at {}\nsandboxed: {}\nnatively: {}",
            self.tree.level(),
            ours.error(),
            native.error()
        );
        ours
    }
}
