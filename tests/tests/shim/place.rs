//! The files of a program whose calls trap, and its runs.

use std::{os::unix::fs::lchown, path::PathBuf};

use doorward_tests::{Ended, Level, Run, Tree};

/// How many files there are: tests/src/bin/shim/own.rs.
const FILES: usize = 10;

pub(crate) struct Place {
    pub(crate) tree: Tree,
    pub(crate) program: PathBuf,
}

impl Place {
    /// With the program that was built beside this one.
    pub(crate) fn new(level: Level) -> Self {
        Self::with(level, &doorward_tests::built_beside("doorward-shim"))
    }

    /// With a build of the program.
    pub(crate) fn with(level: Level, built: &std::path::Path) -> Self {
        let tree = Tree::new(level);
        let program = doorward_tests::copied(built, tree.name("../shim"));
        let (user, group) = level.ids();
        let owned = |path: &PathBuf| lchown(path, Some(user), Some(group)).unwrap();
        for number in 0..FILES {
            let text = number.to_string().repeat(number + 1);
            tree.file(&format!("own/file{number}"), &text);
            owned(&tree.link(&text, &format!("own/link{number}")));
            if number % 2 == 0 {
                tree.file(&format!("own/maybe{number}"), "");
            }
        }
        let fifo = tree.name("own/fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
        owned(&fifo);
        Self { tree, program }
    }

    /// Runs a case that has to end well; what it printed.
    pub(crate) fn passes(&self, case: &str) -> String {
        let text = self.told(case, "").succeeded().text();
        println!("{}: {case}: {text}", self.tree.level());
        text
    }

    /// Runs a case that is told something.
    pub(crate) fn told(&self, case: &str, word: &str) -> Ended {
        self.broken(case, word, "")
    }

    /// Runs one while a promise is broken, in a build that can.
    pub(crate) fn broken(&self, case: &str, word: &str, promise: &str) -> Ended {
        self.run(case, word, promise).native()
    }

    /// Runs one while the broker lacks a defence, in a build that can.
    pub(crate) fn without(&self, case: &str, defence: &str) -> Ended {
        let run = self.run(case, "", "");
        run.variable("DOORWARD_WITHOUT", defence).native()
    }

    fn run(&self, case: &str, word: &str, promise: &str) -> Run<'_> {
        let directory = self.tree.name("own");
        let words = [
            self.program.as_os_str(),
            case.as_ref(),
            directory.as_os_str(),
            word.as_ref(),
            promise.as_ref(),
        ];
        Run::new(&self.tree, words)
    }
}
