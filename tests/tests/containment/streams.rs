//! What is handed in with the standard streams, and terminals.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use doorward_tests::{Level, Tree, doorward};
use rustix::pty::OpenptFlags;

const LOOK: &str = "import os
def tried(name, call):
    try: print(name, call())
    except OSError as error: print(name, 'errno', error.errno)
def there():
    os.fchdir(3)
    return open('secret').read()
tried('open', lambda: os.read(os.open('secret', os.O_RDONLY, dir_fd=3), 64))
tried('above', lambda: os.read(os.open('../outside/secret', os.O_RDONLY, dir_fd=3), 64))
tried('own', lambda: open('/proc/self/fd/3/secret').read())
tried('there', there)
tried('link', lambda: os.link('secret', '/tmp/alias', src_dir_fd=3) or open('/tmp/alias').read())
tried('write', lambda: os.open('new', os.O_CREAT | os.O_WRONLY, dir_fd=3))
print('permitted', open('file').read())
";

/// B-4: the directory is the asker's, what lies in it is not.
#[test]
fn a_directory_as_standard_input_leads_nowhere() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        tree.file("../outside/secret", "canary");
        tree.file("file", "fine");
        let outside = tree.name("../outside");
        let perform = |mut command: Command| {
            // Python itself does not start with a directory as its input.
            let moved = "exec 3<&0 </dev/null; exec /usr/bin/python3 -c \"$0\"";
            command.args(["/bin/sh", "-c", moved, LOOK]);
            command.current_dir(tree.work());
            let input = std::fs::File::open(&outside).unwrap();
            let output = command.stdin(input).output().unwrap();
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            (told, String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let mut command = doorward(level);
        command.args(["run", "--quiet", "--policy", "builtin:default", "--"]);
        let (ours, error) = perform(command);
        assert!(!ours.contains("canary"), "{level}: {ours}");
        assert!(ours.contains("permitted fine"), "{level}: {ours}{error}");
        assert!(!outside.join("new").exists(), "{level}: {ours}");
        // The control: without doorward it leads there.
        let (native, _) = perform(level.command("/usr/bin/env"));
        assert!(native.matches("canary").count() >= 4, "{level}: {native}");
        assert!(outside.join("new").exists(), "{level}: {native}");
    }
}

const OPEN: &str = "import os, sys, time
try: os.setsid()
except OSError: pass
terminal = os.open(sys.argv[1], os.O_RDWR)
print('opened', os.ttyname(terminal) == sys.argv[1], flush=True)
time.sleep(30)
";

/// S-34: a leader of a session without a terminal opens one.
#[test]
fn a_granted_terminal_does_not_become_the_controlling_one() {
    let tree = Tree::new(Level::Root);
    let controls = |command: &mut Command| {
        let terminal = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&terminal).unwrap();
        rustix::pty::unlockpt(&terminal).unwrap();
        let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap();
        let name = name.into_string().unwrap();
        let policy = format!(
            "version = 1\nname = \"terminal\"\ninclude = [\"builtin:default\"]\n[fs]\n\
             read = [\"{name}\"]\nwrite = [\"{name}\"]\nspecial = [\"{name}\"]\n"
        );
        tree.file("../terminal.toml", policy);
        let mut child = command
            .args(["/usr/bin/python3", "-c", OPEN, &name])
            .current_dir(tree.work())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let told = child.stdout.take().unwrap();
        BufReader::new(told).read_line(&mut line).unwrap();
        let session = rustix::termios::tcgetsid(&terminal);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(line.starts_with("opened "), "{line}");
        session.is_ok()
    };
    let mut ours = doorward(Level::Root);
    ours.args(["run", "--quiet", "--policy"]);
    ours.arg(tree.name("../terminal.toml")).arg("--");
    assert!(!controls(&mut ours));
    // The control: without doorward it becomes that.
    assert!(controls(&mut Level::Root.command("/usr/bin/env")));
}
