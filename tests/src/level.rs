//! Whom doorward runs as.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

/// The ordinary user of the tests; `.ci/run` makes it.
const ACCOUNT: &str = "doorward-ci";

/// A level of docs/KERNEL.md, entered by the program `doorward-level` of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// All capabilities.
    Root,
    /// An ordinary user who may make user namespaces.
    User,
    /// An ordinary user whom the kernel refuses user namespaces.
    UserNoNs,
    /// Root of a container: few capabilities, and an outer filter that refuses namespaces, mounts and ptrace.
    Nested,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::Root, Self::User, Self::UserNoNs, Self::Nested];

    /// Those where a sandboxee gets namespaces and a view.
    pub const WITH_VIEW: [Self; 2] = [Self::Root, Self::User];

    /// As the documentation spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
            Self::UserNoNs => "user-no-ns",
            Self::Nested => "nested",
        }
    }

    /// A command that runs `program` at this level, with this process's environment.
    #[must_use]
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        assert!(
            rustix::process::geteuid().is_root(),
            "the levels are entered from root: run the tests as root"
        );
        let (user, group) = self.ids();
        let mut command = Command::new(launcher());
        command
            .args([self.name(), &user.to_string(), &group.to_string()])
            .arg(program);
        command
    }

    /// User and group that it runs as.
    #[must_use]
    pub fn ids(self) -> (u32, u32) {
        match self {
            Self::Root | Self::Nested => (0, 0),
            Self::User | Self::UserNoNs => {
                let account = account();
                (account.uid.as_raw(), account.gid.as_raw())
            }
        }
    }

    /// The home directory of that user, below which the test trees are.
    #[must_use]
    pub fn home(self) -> PathBuf {
        match self {
            Self::Root | Self::Nested => {
                std::env::var_os("HOME").map_or_else(|| "/root".into(), PathBuf::from)
            }
            Self::User | Self::UserNoNs => account().dir,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

fn account() -> nix::unistd::User {
    let found = nix::unistd::User::from_name(ACCOUNT).expect("the user database can be read");
    found.unwrap_or_else(|| panic!("no user '{ACCOUNT}': useradd --create-home {ACCOUNT}"))
}

/// The program that enters a level.
fn launcher() -> PathBuf {
    built_beside("doorward-level")
}

/// A program of this crate; cargo builds it beside the tests.
#[must_use]
pub fn built_beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("/proc/self/exe can be read");
    let beside = own.parent().and_then(Path::parent).unwrap_or(&own);
    let program = beside.join(name);
    assert!(
        program.exists(),
        "{} is missing: cargo build -p doorward-tests",
        program.display()
    );
    program
}
