//! A directory in the home of a user, in which the tests run programs as that user.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Command, Stdio},
};

use nix::unistd::User;

/// Removed when dropped.
pub(crate) struct Home {
    directory: tempfile::TempDir,
    pub(crate) user: User,
}

impl Home {
    pub(crate) fn new(account: &str, prefix: &str) -> Self {
        let user = User::from_name(account).unwrap().unwrap_or_else(|| {
            panic!("no user '{account}': run as root, after useradd --create-home {account}")
        });
        let directory = tempfile::Builder::new()
            .prefix(prefix)
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(&user.dir)
            .unwrap();
        Self { directory, user }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a program there.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.at(""))
            .env("HOME", &self.user.dir)
            .uid(self.user.uid.as_raw())
            .gid(self.user.gid.as_raw())
            .stdin(Stdio::null());
        command
    }
}
