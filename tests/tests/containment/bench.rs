//! The probe in a tree of its own.

use std::{path::Path, process::Command, time::Duration};

use doorward_tests::{Level, Run, Tree, longest};

/// A tree with the probe, linked statically, `in/file`, `rw/file` and, named by no rule, `secret/file`.
pub(crate) struct Bench {
    pub(crate) tree: Tree,
}

impl Bench {
    pub(crate) fn new(level: Level) -> Self {
        let tree = Tree::new(level);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/containment/probe.c");
        let place = tempfile::tempdir().unwrap();
        let built = place.path().join("probe");
        let mut command = Command::new("gcc");
        command
            .args(["-O1", "-static", "-o"])
            .arg(&built)
            .arg(source);
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        tree.program("probe", std::fs::read(&built).unwrap());
        for (name, content) in [
            ("in/file", "fine.."),
            ("in/directory/file", "fine.."),
            ("rw/file", "fine.."),
            ("secret/file", "secret"),
        ] {
            tree.file(name, content);
        }
        Self { tree }
    }

    /// A run of the probe with these words; names that begin with `@` are below the tree.
    pub(crate) fn run(&self, words: &[&str]) -> Run<'_> {
        let placed = |word: &&str| match word.strip_prefix('@') {
            Some(name) => self.tree.name(name).into_os_string(),
            None => word.into(),
        };
        let program = self.tree.name("probe").into_os_string();
        let words = std::iter::once(program).chain(words.iter().map(placed));
        Run::new(&self.tree, words).limit(Duration::from_secs(120).max(longest()))
    }

    /// What a file holds.
    pub(crate) fn content(&self, name: &str) -> String {
        std::fs::read_to_string(self.tree.name(name)).unwrap()
    }
}
