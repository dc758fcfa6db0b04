//! P-44: the kernel copies a file up while it is opened for writing.

use std::{path::Path, process::Command};

use doorward_tests::{Level, Tree, built};

const CHANGE: &str = "file = open('file', 'r+')
file.write('upper')
file.close()
print(open('file').read())
open('new', 'w').write('new')
";

/// In a mount namespace of its own, so that nothing of it is left.
const MOUNT: &str =
    "mount -t overlay none -o lowerdir=../lower,upperdir=../upper,workdir=../inner . &&
cd \"$PWD\" && exec \"$@\"";

#[test]
fn a_file_of_a_lower_layer_is_written_in_the_upper_one() {
    let tree = Tree::new(Level::Root);
    for name in ["../upper", "../inner"] {
        tree.directory(name);
    }
    let lower = tree.file("../lower/file", "lower");
    let policy = "version = 1\nname = \"overlay\"\ninclude = [\"builtin:default\"]\n[fs]\n\
                  write = [\"${CWD}/**\"]\ncreate = [\"${CWD}/**\"]\n";
    let policy = tree.file("../overlay.toml", policy);
    let mut command = Command::new("/usr/bin/unshare");
    command
        .args(["--mount", "/bin/sh", "-c", MOUNT, "sh"])
        .arg(built())
        .args(["run", "--quiet", "--policy"])
        .arg(policy)
        .args(["--", "/usr/bin/python3", "-c", CHANGE])
        .current_dir(tree.work());
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert_eq!(output.stdout, b"upper\n", "{error}");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&lower), "lower");
    assert_eq!(read(&tree.name("../upper/file")), "upper");
    assert_eq!(read(&tree.name("../upper/new")), "new");
}
