//! A tree of a level's user, and what `doorward` says in it.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use doorward_tests::{Level, Tree, doorward};

/// A [`Tree`] in whose `work` the command is run, at its level.
#[derive(Debug)]
pub(crate) struct Place(Tree);

/// What a command said, and its exit status.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn of(level: Level) -> Self {
        Self(Tree::new(level))
    }

    pub(crate) fn level(&self) -> Level {
        self.0.level()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.work()
    }

    /// Writes a file of the user's.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.0.file(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// A copy of the command among the files that `builtin:default` lets run.
    pub(crate) fn copy_of_doorward(&self) -> PathBuf {
        doorward_tests::copied(&doorward_tests::built(), self.path().join("doorward"))
    }

    /// A program run at the level, without doorward.
    pub(crate) fn native(&self, program: impl AsRef<OsStr>) -> Command {
        self.settled(self.level().command(program))
    }

    /// `doorward` with these arguments.
    pub(crate) fn doorward(&self, arguments: &[&str]) -> Said {
        self.said(&[], arguments)
    }

    /// The same with variables of the environment.
    pub(crate) fn said(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let mut command = self.settled(doorward(self.level()));
        command.envs(variables.iter().copied()).args(arguments);
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        Said {
            code: status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&stdout).into_owned(),
            err: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    fn settled(&self, mut command: Command) -> Command {
        command
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.level().home())
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }
}

/// A path as the command takes it.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Said {
    /// Fails unless it ended with this status.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Fails unless it said all of these on standard error.
    #[track_caller]
    pub(crate) fn complained(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing: {self:#?}");
        }
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }
}
