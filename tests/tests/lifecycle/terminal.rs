//! An interactive shell on a pseudo-terminal: keys, Ctrl-C, Ctrl-Z, job control, size.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use doorward_tests::{Level, Tree, doorward};
use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcgetattr, tcsetwinsize},
};

/// A terminal that a person would sit at, and what was shown on it.
struct Seat {
    keys: File,
    shown: Receiver<Vec<u8>>,
    seen: String,
    /// What was shown before the text that was waited for last.
    before: String,
    child: Child,
    slave: OwnedFd,
}

impl Seat {
    fn at(tree: &Tree, words: &[&str]) -> Self {
        Self::with(tree, &[], words)
    }

    fn with(tree: &Tree, options: &[&str], words: &[&str]) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        let (user, group) = tree.level().ids();
        std::os::unix::fs::fchown(&slave, Some(user), Some(group)).unwrap();
        let size = Winsize {
            ws_row: 33,
            ws_col: 111,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&slave, size).unwrap();
        let inner = doorward(tree.level());
        // setsid gives it the terminal as controlling one.
        let mut command = Command::new("/usr/bin/setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(inner.get_program())
            .args(inner.get_args())
            .args(["run", "--quiet"])
            .args(options)
            .arg("--")
            .args(words)
            .current_dir(tree.work())
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("TERM", "dumb")])
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::from(slave.try_clone().unwrap()))
            .stderr(Stdio::from(slave.try_clone().unwrap()));
        let child = command.spawn().unwrap();
        let mut screen = File::from(master.try_clone().unwrap());
        let (send, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if send.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            keys: File::from(master),
            shown,
            seen: String::new(),
            before: String::new(),
            child,
            slave,
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `text` is shown behind what was waited for before.
    fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(at) = self.seen.find(text) {
                self.before = self.seen.drain(..at + text.len()).collect();
                self.before.truncate(at);
                return;
            }
            match self.shown.recv_timeout(Duration::from_millis(50)) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => assert!(
                    Instant::now() < deadline,
                    "{text:?} is not shown, but {:?}",
                    self.seen
                ),
            }
        }
    }
}

#[test]
fn a_shell_has_keys_jobs_and_the_size_of_the_window() {
    for level in Level::ALL {
        let tree = Tree::new(level);
        let mut seat = Seat::at(&tree, &["/bin/bash", "--norc", "--noprofile", "-i"]);
        let before = tcgetattr(&seat.slave).unwrap();
        seat.sees("bash-5");
        seat.types("echo one$((1+1))three\n");
        seat.sees("one2three");
        seat.types("stty size\n");
        seat.sees("33 111");
        seat.types("tty >/dev/null && echo terminal$((1+1))\n");
        seat.sees("terminal2");
        seat.types("echo through >/dev/tty; echo wrote$((1+1))\n");
        seat.sees("wrote2");
        // It tells when the terminal is its own: a key before that is bash's.
        seat.types("sh -c 'echo sleeps$((1+1)); exec sleep 300'; echo status $?\n");
        seat.sees("sleeps2");
        seat.types("\x03");
        seat.sees("bash-5");
        seat.types("echo then $?\n");
        seat.sees("then 130");
        seat.types("sh -c 'echo waits$((1+1)); exec sleep 300'\n");
        seat.sees("waits2");
        seat.types("\x1a");
        seat.sees("Stopped");
        seat.types("fg\n");
        std::thread::sleep(Duration::from_millis(500));
        seat.types("\x03");
        seat.sees("bash-5");
        let size = Winsize {
            ws_row: 40,
            ws_col: 99,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&seat.slave, size).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        seat.types("stty size\n");
        seat.sees("40 99");
        seat.types("exit 9\n");
        assert_eq!(seat.child.wait().unwrap().code(), Some(9), "{level}");
        let after = tcgetattr(&seat.slave).unwrap();
        assert_eq!(before.local_modes, after.local_modes, "{level}");
        assert_eq!(before.input_modes, after.input_modes, "{level}");
    }
}

#[test]
fn what_a_terminal_shows_counts_as_output() {
    const POLICY: &str = "version = 1\ninclude = [\"builtin:default\"]\n[limits]\noutput = 50000\n";
    for level in Level::ALL {
        let tree = Tree::new(level);
        let policy = tree.file("../output.toml", POLICY);
        let options = ["--policy", policy.to_str().unwrap()];
        let mut seat = Seat::with(&tree, &options, &["/usr/bin/seq", "100"]);
        seat.sees("\r\n100\r\n");
        assert_eq!(seat.child.wait().unwrap().code(), Some(0), "{level}");
        let before = tcgetattr(&seat.slave).unwrap();
        let words = ["/bin/sh", "-c", "sleep 1; exec yes 12345678"];
        let mut seat = Seat::with(&tree, &options, &words);
        seat.sees("doorward: ");
        let shown = "12345678\r\n".repeat(5000);
        assert_eq!(seat.before, shown, "{level}");
        seat.sees("limits.output = \"50000\"");
        assert_eq!(seat.child.wait().unwrap().code(), Some(124), "{level}");
        let after = tcgetattr(&seat.slave).unwrap();
        assert_eq!(before.local_modes, after.local_modes, "{level}");
    }
}
