//! A program run twice: natively, then under a policy.

use std::path::Path;

use doorward_tests::{Ended, Level, Run, Snapshot, Tree};

/// One program as it is compared with itself.
pub(crate) struct Program<'a> {
    /// Of `tests/policies/`.
    pub(crate) policy: &'a str,
    /// Fills the work directory, natively.
    pub(crate) prepare: &'a dyn Fn(&Tree),
    /// The program and its arguments.
    pub(crate) words: &'a [&'a str],
    /// Variables that it needs and its policy passes.
    pub(crate) variables: &'a [(&'a str, &'a str)],
    /// Files that differ between any two runs.
    pub(crate) ignored: &'a dyn Fn(&Path) -> bool,
}

impl Program<'_> {
    /// Compares at these levels; what the program printed is handed to `judge`, so that
    /// two equal failures do not pass.
    pub(crate) fn compare(&self, levels: &[Level], judge: impl Fn(&Ended, &Snapshot)) {
        for &level in levels {
            let tree = Tree::new(level);
            let (native, left) = self.once(&tree, |run| run.native());
            judge(&native, &left);
            tree.clear();
            let (sandboxed, right) = self.once(&tree, |run| run.under(self.policy));
            let words = self.words;
            assert_eq!(
                (sandboxed.code(), sandboxed.text()),
                (native.code(), native.text()),
                "{words:?} at {level}: {}",
                sandboxed.error()
            );
            assert_eq!(
                left.differences(&right),
                Vec::<String>::new(),
                "{words:?} at {level} left other files (native / sandboxed): {}",
                sandboxed.error()
            );
        }
    }

    fn once(&self, tree: &Tree, perform: impl Fn(Run<'_>) -> Ended) -> (Ended, Snapshot) {
        (self.prepare)(tree);
        let mut run = Run::new(tree, self.words);
        for (name, value) in self.variables {
            run = run.variable(name, value);
        }
        let ended = perform(run);
        (ended, Snapshot::of(&tree.work()).without(self.ignored))
    }
}
