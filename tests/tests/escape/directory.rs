//! A granted directory lies outside the view, so `..` leads the kernel out of it.

use std::{os::unix::fs::MetadataExt, path::Path, process::Command};

use doorward_tests::{Level, Run, Tree};

fn tree(level: Level, program: &str) -> Tree {
    let tree = Tree::new(level);
    tree.directory("granted");
    compile(&tree, program);
    tree
}

/// Compiles one of `tests/programs/escape` into the directory that runs start in.
fn compile(tree: &Tree, program: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("programs/escape")
        .join(format!("{program}.c"));
    let place = tempfile::tempdir().unwrap();
    let built = place.path().join(program);
    let mut command = Command::new("gcc");
    command.args(["-O1", "-static", "-pthread", "-o"]);
    let output = command.arg(&built).arg(&source).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    tree.program(program, std::fs::read(&built).unwrap());
}

/// `AT_EMPTY_PATH` says that a path may be empty, not that it is.
#[test]
fn no_status_of_what_lies_outside() {
    for level in Level::ALL {
        let tree = tree(level, "beyond");
        let canary = tree.file("../canary", "canary");
        let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
        let outside = format!("inode {}\n", inode(&canary));
        let inside = format!("inode {}\n", inode(&tree.name("granted")));
        let program = tree.name("beyond");
        let run = Run::new(&tree, [program.as_os_str(), "../../canary".as_ref()]);
        let native = run.native().succeeded().text();
        assert_eq!(native.matches(&outside).count(), 2, "{native}");
        let ours = run.under("notify").succeeded().text();
        assert_eq!(ours.matches(&outside).count(), 0, "at {level}: {ours}");
        assert_eq!(ours.matches("refused").count(), 2, "at {level}: {ours}");
        assert!(ours.contains(&inside), "at {level}: {ours}");
    }
}

/// The kernel reads the name of a program again after it was judged.
#[test]
fn no_memory_file_is_started_by_its_name_outside() {
    for level in Level::ALL {
        let tree = tree(level, "remembered");
        compile(&tree, "seven");
        let (program, seven) = (tree.name("remembered"), tree.name("seven"));
        let run = Run::new(&tree, [program, seven]);
        let native = run.native().succeeded().text();
        assert!(native.contains("from memory: ran"), "{native}");
        let ours = run.under("notify").succeeded().text();
        assert_eq!(ours, "allowed: ran\nfrom memory: never\n", "at {level}");
    }
}
