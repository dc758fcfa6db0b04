//! A directory of a user, with a copy of the command that this user can run.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The ordinary user of the tests; `.ci/run` makes it.
const ACCOUNT: &str = "doorward-ci";

/// Whom the command runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    Root,
    Ordinary,
}

impl User {
    pub(crate) const ALL: [Self; 2] = [Self::Root, Self::Ordinary];

    /// User, group and home.
    fn account(self) -> (u32, u32, PathBuf) {
        if self == Self::Root {
            return (0, 0, PathBuf::from("/root"));
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        let line = passwd
            .lines()
            .find(|line| line.starts_with(&format!("{ACCOUNT}:")))
            .unwrap_or_else(|| panic!("no user '{ACCOUNT}': useradd --create-home {ACCOUNT}"));
        let fields: Vec<&str> = line.split(':').collect();
        let number = |index: usize| fields[index].parse().unwrap();
        (number(2), number(3), PathBuf::from(fields[5]))
    }
}

/// Outside /tmp, which a scratch directory covers.
#[derive(Debug)]
pub(crate) struct Place {
    directory: tempfile::TempDir,
    user: User,
}

/// What a command said, and its exit status.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn of(user: User) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "run the tests as root: they also run the command as an ordinary user"
        );
        let (uid, gid, home) = user.account();
        let directory = tempfile::Builder::new()
            .prefix("doorward-command-")
            .tempdir_in(home)
            .unwrap();
        chown(directory.path(), Some(uid), Some(gid)).unwrap();
        // By a process of its own: a descriptor of ours that writes it could be inherited by
        // another test's child, and then it would be busy.
        let copied = Command::new("/bin/cp")
            .args([built(), directory.path().join("doorward")])
            .status();
        assert!(copied.unwrap().success());
        Self { directory, user }
    }

    pub(crate) fn user(&self) -> User {
        self.user
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file of the user's.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.path().join(name);
        let (uid, gid, _) = self.user.account();
        let parent = path.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        chown(parent, Some(uid), Some(gid)).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        chown(&path, Some(uid), Some(gid)).unwrap();
        path
    }

    /// A program run as the user, natively, in the directory.
    pub(crate) fn native(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let (uid, gid, home) = self.user.account();
        let mut command = Command::new(program);
        command
            .uid(uid)
            .gid(gid)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }

    /// `doorward` with these arguments.
    pub(crate) fn doorward(&self, arguments: &[&str]) -> Said {
        self.said(&[], arguments)
    }

    /// The same with variables of the environment.
    pub(crate) fn said(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let mut command = self.native(self.path().join("doorward"));
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
}

impl Said {
    /// Fails unless it ended with this status.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Fails unless it said all of these on standard error, in one line each.
    #[track_caller]
    pub(crate) fn complained(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing: {self:#?}");
        }
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }
}

/// The command under test: `$DOORWARD`, else the release build of this workspace.
fn built() -> PathBuf {
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
