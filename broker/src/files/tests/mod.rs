//! The file services over the kernel's file system.

mod attacks;
mod changing;
mod entries;
mod flags;
mod reading;
mod refused;
mod walking;

use std::{
    fs,
    io::{Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

use doorward_policy::Reason;
use rustix::{fs::OFlags, io::Errno};

use super::{
    Attempt, Fault, Files, Kernel, Wanted,
    trial::{TrialAsker, TrialRules, course, files, path},
};

struct Tree {
    _directory: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    fn new() -> Self {
        // Outside /tmp, which the scratch directory backs, wherever the checkout is.
        Self::within(&std::env::home_dir().unwrap())
    }

    fn within(folder: &Path) -> Self {
        let directory = tempfile::tempdir_in(folder).unwrap();
        let root = directory.path().canonicalize().unwrap();
        for folder in ["in/sub", "out", "shut", "s"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("in/a"), "alpha").unwrap();
        fs::write(root.join("in/sub/b"), "beta").unwrap();
        fs::write(root.join("in/secret"), "secret").unwrap();
        fs::write(root.join("shut/c"), "shut").unwrap();
        Self {
            _directory: directory,
            root,
        }
    }

    fn at(&self, below: &str) -> String {
        format!("{}/{below}", self.root.display())
    }

    fn files(&self) -> Files<Kernel> {
        let rule = |key, below| (key, self.at(below));
        let rules = TrialRules {
            rules: vec![
                rule("read", "in/**"),
                rule("read", "out/**"),
                rule("write", "out/**"),
                rule("create", "out/**"),
                rule("delete", "out/**"),
                rule("deny", "in/secret"),
                rule("hide", "in/hidden"),
                ("read", "/proc/meminfo".to_owned()),
                ("special", "/dev/null".to_owned()),
                ("read", "/dev/null".to_owned()),
                ("write", "/dev/null".to_owned()),
                ("read", "/dev/zero".to_owned()),
            ],
            scratch: true,
        };
        files(rules, Some(Path::new(&self.at("s"))))
    }
}

fn open(files: &Files<Kernel>, text: &str, flags: OFlags) -> Attempt<OwnedFd> {
    let asker = TrialAsker::default();
    let wanted = Wanted::of(u64::from(flags.bits()), 0)?;
    let mut course = course(&asker);
    files
        .open(&mut course, &path(text), wanted, 0o4666)
        .map(|grant| grant.file)
}

fn read(files: &Files<Kernel>, text: &str) -> Attempt<String> {
    let mut content = String::new();
    fs::File::from(open(files, text, OFlags::RDONLY)?)
        .read_to_string(&mut content)
        .unwrap();
    Ok(content)
}

fn denied<T: std::fmt::Debug>(attempt: Attempt<T>) -> (Reason, Errno) {
    match attempt {
        Err(Fault::Denied(denial)) => (denial.reason, Errno::from_raw_os_error(denial.errno)),
        other => panic!("not denied: {other:?}"),
    }
}

fn failed<T: std::fmt::Debug>(attempt: Attempt<T>) -> Errno {
    match attempt {
        Err(Fault::Failed(errno)) => errno,
        other => panic!("not failed: {other:?}"),
    }
}
