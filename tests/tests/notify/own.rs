//! Names that mean the program itself: /proc/self, /dev/fd, /dev/stdin. Never the broker.

use doorward_tests::{Level, Run};

use crate::bench::Bench;

const SCRIPT: &str = r#"
import os, sys, subprocess, threading
print(os.readlink('/proc/self') == str(os.getpid()))
print(os.readlink('/proc/thread-self') == f'{os.getpid()}/task/{threading.get_native_id()}')
print(os.path.basename(os.readlink('/proc/self/exe')))
print(os.readlink('/proc/self/cwd') == os.getcwd())
print(open('/proc/self/cmdline', 'rb').read().split(b'\0')[1:-1])
print([l.split()[1] for l in open('/proc/self/status') if l.startswith(('Pid', 'Name'))][0])
print(open(f'/proc/{os.getpid()}/comm').read().strip() == open('/proc/self/comm').read().strip())
r, w = os.pipe()
os.write(w, b'through a pipe')
print(open(f'/dev/fd/{r}', 'rb').read(7))
print(open('/dev/stdin').read())
with open('/dev/stdout', 'w') as out: out.write('to stdout\n')
listed = sorted(int(n) for n in os.listdir('/proc/self/fd'))
print({0, 1, 2, r, w} <= set(listed))
print(os.readlink(f'/proc/self/fd/{r}').startswith('pipe:['))
f = open('file', 'w')
print(os.path.basename(os.readlink(f'/proc/self/fd/{f.fileno()}')))
os.set_inheritable(w, True)
print(subprocess.run(['/bin/sh', '-c', 'cat /dev/fd/3 2>&1 | head -c 9'], stdin=r, close_fds=True, capture_output=True).returncode)
"#;

#[test]
fn own_names_mean_the_program() {
    // Of a pipe that root made, only root may open the name.
    for level in [Level::Root, Level::Nested] {
        let bench = Bench::new(level, &[]);
        bench.tree.file("own.py", SCRIPT);
        let run = Run::new(&bench.tree, ["/usr/bin/python3", "own.py"]).input("from stdin");
        let native = run.native().succeeded().text();
        let ours = run.under_file(&bench.python_policy());
        assert_eq!(ours.text(), native, "at {level}: {}", ours.error());
    }
}

/// Nothing that leads to the broker shows what the broker was started with; natively the
/// same script finds the canary in its parent.
#[test]
fn the_broker_is_not_to_be_seen() {
    let script = "\
import glob, os
found = set()
for name in ['self', 'thread-self', *map(str, range(1, 64)), str(os.getppid()), *os.listdir('/proc')]:
    for entry in ['environ', 'cmdline', 'maps', 'mem', 'root/etc/shadow', 'cwd/own']:
        try:
            with open(f'/proc/{name}/{entry}', 'rb') as file:
                if b'CANARY-in-environment' in file.read(65536): found.add(entry)
        except OSError: pass
print(sorted(found))
";
    let bench = Bench::new(Level::Root, &[]);
    bench.tree.file("look.py", script);
    let run = Run::new(&bench.tree, ["/usr/bin/python3", "look.py"])
        .variable("CANARY", "CANARY-in-environment");
    let native = run.native().succeeded().text();
    assert!(native.contains("environ"), "the control sees it: {native}");
    let script = std::fs::read_to_string(bench.tree.name("look.py")).unwrap();
    bench
        .tree
        .file("look.py", script.replace("*os.listdir('/proc')", ""));
    let ours = run.under_file(&bench.python_policy());
    assert_eq!(ours.text(), "[]\n", "{}", ours.error());
}
