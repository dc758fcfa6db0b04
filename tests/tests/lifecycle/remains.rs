//! What a sandbox leaves in its scratch directory, of modes and depth that hinder whoever
//! removes it.

use std::time::Duration;

use doorward_tests::{Level, Run, Tree};

/// Makes in a directory one that is closed to its owner, one that cannot be
/// changed, and so many nested ones, with the like of those in the last.
const MAKE: &str = "
import os, sys
kind = os.O_RDONLY | os.O_DIRECTORY
top = os.open(sys.argv[1], kind)
def closed(at):
    for name, mode in ('closed', 0), ('fixed', 0o500), ('moved-0', 0o100):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, kind, dir_fd=at)
        os.close(os.open('file', os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.mkdir('directory', dir_fd=below)
        os.symlink('file', 'link', dir_fd=below)
        os.close(below)
        os.chmod(name, mode, dir_fd=at)
closed(top)
deep = os.dup(top)
for _ in range(int(sys.argv[2])):
    os.mkdir('deep', dir_fd=deep)
    below = os.open('deep', kind, dir_fd=deep)
    os.close(deep)
    deep = below
closed(deep)
print('made')
";

fn make<'a>(tree: &'a Tree, directory: &str, nested: &str) -> Run<'a> {
    let words = ["/usr/bin/python3", "-c", MAKE, directory, nested];
    Run::new(tree, words).limit(Duration::from_secs(60))
}

#[test]
fn what_hinders_its_removal_is_removed() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let temporary = tree.directory("../temporary");
        let ended = make(&tree, "/tmp", "100").variable("TMPDIR", &temporary);
        let ended = ended.under("remains").succeeded();
        assert_eq!(ended.text(), "made\n", "{level}");
        assert!(!ended.error().contains("left behind"), "{level}");
        let left: Vec<_> = temporary.read_dir().unwrap().flatten().collect();
        assert!(left.is_empty(), "{level}: {left:?}");
    }
}

/// The control: who removes as usual leaves it.
#[test]
fn control_a_usual_removal_leaves_it() {
    let tree = Tree::new(Level::User);
    let directory = tree.directory("rw");
    let words = make(&tree, directory.to_str().unwrap(), "20")
        .native()
        .succeeded();
    assert_eq!(words.text(), "made\n");
    let remove = "import shutil, sys; shutil.rmtree(sys.argv[1])";
    let words = [
        "/usr/bin/python3",
        "-c",
        remove,
        directory.to_str().unwrap(),
    ];
    assert_ne!(Run::new(&tree, words).native().code(), 0);
    assert!(directory.join("closed").exists());
}
