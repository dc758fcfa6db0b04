//! Only what a rule names is handed out (B-11, P-9), and a descriptor carries only the access
//! that was asked for and allowed.

use doorward_tests::Level;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::bench::Bench;

const CANARY: &str = "a-canary-in-the-environment-of-the-host";

/// What `read` said of a name.
fn said<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} in {text}"))
}

/// A device with its node where everything may be read, a FIFO, a socket: no rule names them.
#[test]
fn devices_fifos_and_sockets_need_a_rule_of_their_own() {
    let bench = Bench::new(Level::Root);
    let node = bench.tree.name("in/node");
    mknod(
        &node,
        SFlag::S_IFCHR,
        Mode::from_bits_truncate(0o666),
        makedev(1, 5),
    )
    .unwrap();
    let fifo = bench.tree.name("in/fifo");
    nix::unistd::mkfifo(&fifo, Mode::from_bits_truncate(0o666)).unwrap();
    let names = ["@in/node", "@in/fifo", "@in/file"];
    let mut words = vec!["read"];
    words.extend(names);
    words.extend(["/dev/kmsg", "/dev/mem", "/dev/ptmx"]);
    let (ours, native) = (
        bench.run(&words).under("containment").text(),
        bench.run(&words).native().text(),
    );
    for name in [&node, &fifo] {
        let name = name.display().to_string();
        assert!(said(&ours, &name).ends_with("errno 13"), "{ours}");
        assert!(said(&native, &name).contains(" read "), "{native}");
    }
    for name in ["/dev/kmsg", "/dev/mem", "/dev/ptmx"] {
        assert!(said(&ours, name).contains(" errno "), "{ours}");
    }
    let file = bench.tree.name("in/file").display().to_string();
    assert!(said(&ours, &file).ends_with("read 6"), "{ours}");
}

/// Neither the broker's `/proc` entries nor another's, nor the way round by links of them.
#[test]
fn proc_never_shows_the_broker_or_another_process() {
    for level in Level::ALL {
        let bench = Bench::new(level);
        let secret = bench.tree.name("secret/file").display().to_string();
        let host = format!("/proc/{}", std::process::id());
        let through = [
            format!("{host}/environ"),
            format!("{host}/root{secret}"),
            format!("{host}/cwd"),
            "/proc/1/environ".to_owned(),
            format!("/proc/self/root{secret}"),
            format!("/proc/thread-self/root{secret}"),
            "/proc/self/cwd/../work/secret/file".to_owned(),
            "/proc/self/mem".to_owned(),
        ];
        let mut words = vec!["read", "/proc/self/environ", "@in/file"];
        words.extend(through.iter().map(String::as_str));
        let run = bench.run(&words).variable("CANARY", CANARY);
        let ours = run.under("containment");
        let text = ours.text();
        assert!(!text.contains(CANARY), "{level}: {text}");
        assert!(!text.contains("\nsecret"), "{level}: {text}");
        for name in &through {
            assert!(said(&text, name).contains(" errno "), "{level}: {text}");
        }
        assert!(text.contains("fine.."), "{level}: {text}{}", ours.error());
        // The control: without doorward the same names lead there.
        let native = run.native().text();
        assert!(native.contains(CANARY), "{level}: {native}");
        assert!(native.contains("\nsecret"), "{level}: {native}");
    }
}

/// A descriptor for reading is not made one for writing, by whatever name or call.
#[test]
fn a_descriptor_carries_only_what_was_asked_and_allowed() {
    for level in Level::ALL {
        let bench = Bench::new(level);
        let path = bench.tree.name("in/file");
        let mode = |path: &std::path::Path| {
            use std::os::unix::fs::PermissionsExt;
            path.metadata().unwrap().permissions().mode()
        };
        let before = mode(&path);
        let ended = bench.run(&["widen", "@in/file"]).under("containment");
        let text = ended.text();
        assert_eq!(bench.content("in/file"), "fine..", "{level}: {text}");
        assert_eq!(mode(&path), before, "{level}: {text}");
        assert!(
            text.contains("reopen 13") && text.contains("fchmod 13"),
            "{level}: {text}"
        );
        assert!(!text.contains("lease 0"), "{level}: {text}");
        // The control: a write rule lets the mode bits be changed, and without doorward all is.
        let allowed = bench.run(&["widen", "@rw/file"]).under("containment");
        assert!(
            allowed.text().contains("fchmod 0"),
            "{level}: {}",
            allowed.text()
        );
        assert_eq!(mode(&bench.tree.name("rw/file")) & 0o777, 0o777, "{level}");
        let native = bench.run(&["widen", "@in/file"]).native().text();
        assert!(native.contains("reopen 0"), "{level}: {native}");
        assert!(
            bench.content("in/file").starts_with("changed"),
            "{level}: {native}"
        );
        assert_eq!(mode(&path) & 0o777, 0o777, "{level}");
    }
}

/// A policy that says nothing of files gives none.
#[test]
fn what_is_not_set_gives_nothing() {
    for level in Level::ALL {
        let bench = Bench::new(level);
        let words = [
            "read",
            "@in/file",
            "@secret/file",
            "/etc/passwd",
            "/dev/null",
            "/",
            ".",
        ];
        let ours = bench.run(&words).under("nothing");
        let text = ours.text();
        let denied = text
            .lines()
            .filter(|line| line.ends_with("errno 13"))
            .count();
        assert_eq!(denied, words.len() - 1, "{level}: {text}{}", ours.error());
        assert_eq!(ours.code(), 0, "{level}: the probe itself may run");
    }
}

/// P-15: to look what something is, it is not opened. Whoever waits for an opener is the witness.
#[test]
fn what_is_denied_was_never_opened() {
    for level in Level::ALL {
        let bench = Bench::new(level);
        let fifo = bench.tree.name("in/fifo");
        nix::unistd::mkfifo(&fifo, Mode::from_bits_truncate(0o666)).unwrap();
        let writing = fifo.clone();
        let witness = std::thread::spawn(move || {
            let opened = std::fs::OpenOptions::new().write(true).open(writing);
            assert!(opened.is_ok());
        });
        let run = bench.run(&["read", "@in/fifo", "@in/file"]);
        let ours = run.under("containment").text();
        assert!(ours.contains("fine.."), "{level}: {ours}");
        assert!(!witness.is_finished(), "{level}: {ours}");
        // The control: without doorward it is opened, and the witness goes on.
        let native = run.native().text();
        witness.join().unwrap();
        assert!(said(&native, &fifo.display().to_string()).contains(" read "));
    }
}

const ORACLE: &str = "import os, sys
calls = {
    'open': lambda p: os.open(p, os.O_RDONLY),
    'write': lambda p: os.open(p, os.O_WRONLY),
    'create': lambda p: os.open(p, os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    'directory': lambda p: os.open(p, os.O_RDONLY | os.O_DIRECTORY),
    'pin': lambda p: os.open(p, os.O_PATH | os.O_NOFOLLOW),
    'stat': os.stat, 'lstat': os.lstat, 'readlink': os.readlink, 'statfs': os.statvfs,
    'access': lambda p: print('there') if os.access(p, os.F_OK) else None,
    'list': os.listdir, 'mkdir': os.mkdir, 'rmdir': os.rmdir, 'unlink': os.unlink,
    'symlink': lambda p: os.symlink('x', p),
    'link': lambda p: os.link(p, 'rw'), 'rename': lambda p: os.rename(p, 'rw'),
    'over': lambda p: os.rename('in', p), 'truncate': lambda p: os.truncate(p, 0),
    'chmod': lambda p: os.chmod(p, 0o777), 'chown': lambda p: os.chown(p, 0, 0),
    'times': os.utime, 'attribute': lambda p: os.getxattr(p, 'user.x'),
}
for name, call in calls.items():
    try: print(name, call(sys.argv[1]) and 'done')
    except OSError as error: print(name, error.errno)
";

/// L-8: what lies outside, of whatever kind, is answered as what does not.
#[test]
fn answers_do_not_tell_what_lies_outside() {
    for level in Level::ALL {
        let bench = Bench::new(level);
        bench.tree.directory("secret/directory");
        bench.tree.link("nowhere", "secret/link");
        let asked = |name: &str, sandboxed: bool| {
            let path = bench.tree.name(name).into_os_string();
            let words = ["/usr/bin/python3".into(), "-c".into(), ORACLE.into(), path];
            let run = doorward_tests::Run::new(&bench.tree, words);
            let ended = if sandboxed {
                run.under("python-alone")
            } else {
                run.native()
            };
            ended.succeeded().text()
        };
        let missing = asked("secret/missing", true);
        assert!(missing.contains("open 13\n"), "{level}: {missing}");
        for there in [
            "secret/file",
            "secret/directory",
            "secret/link",
            "secret/file/x",
        ] {
            assert_eq!(asked(there, true), missing, "{level}: {there}");
        }
        // The control: without doorward each is told from what is not there.
        assert_ne!(asked("secret/file", false), asked("secret/missing", false));
    }
}
