//! A sandbox whose broker obeys, and what stands outside of it.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    time::{Duration, Instant},
};

use doorward_tests::{Level, Tree, copied};

/// What no rule of a policy gives.
pub(crate) const CANARY: &str = "canary-of-the-user";

/// Starts another process of the user, whose environment and standard input hold the canary,
/// then doorward in its place.
const HOST: &str = r#"CANARY=canary-of-the-user sleep 60 <secret/file >/dev/null 2>&1 & echo $!
exec "$@" 2>&1"#;

/// Passes each line on as an order.
const SANDBOXEE: &str = r#"echo ready
while read -r order; do /usr/bin/readlink -n "/taken-over/$order" || echo -n refused; echo; done"#;

/// Who listens outside.
pub(crate) struct Outside {
    pub(crate) allowed: TcpListener,
    pub(crate) denied: TcpListener,
    pub(crate) datagrams: UdpSocket,
    pub(crate) unix: UnixListener,
    pub(crate) abstracts: UnixListener,
    pub(crate) abstract_name: String,
}

impl Outside {
    fn new(tree: &Tree) -> Self {
        let unix = UnixListener::bind(tree.name("secret/socket")).unwrap();
        std::os::unix::fs::chown(
            tree.name("secret/socket"),
            Some(tree.level().ids().0),
            Some(tree.level().ids().1),
        )
        .unwrap();
        let abstract_name = format!("{}", tree.path().display());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let outside = Self {
            allowed: TcpListener::bind("127.0.0.1:0").unwrap(),
            denied: TcpListener::bind("127.0.0.1:0").unwrap(),
            datagrams: UdpSocket::bind("127.0.0.1:0").unwrap(),
            unix,
            abstracts: UnixListener::bind_addr(&address).unwrap(),
            abstract_name,
        };
        outside.allowed.set_nonblocking(true).unwrap();
        outside.denied.set_nonblocking(true).unwrap();
        outside.datagrams.set_nonblocking(true).unwrap();
        outside.unix.set_nonblocking(true).unwrap();
        outside.abstracts.set_nonblocking(true).unwrap();
        outside
    }
}

/// A sandbox that takes orders, and the processes around it.
pub(crate) struct Session {
    pub(crate) tree: Tree,
    pub(crate) outside: Outside,
    host: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Another process of the same user.
    pub(crate) victim: i32,
}

impl Session {
    /// `policy` is what it has beside the readable directory `in`; `without` names the layers
    /// that are left out.
    pub(crate) fn start(command: &Path, level: Level, policy: &str, without: &str) -> Self {
        let tree = Tree::new(level);
        tree.file("in/file", "granted");
        tree.file("secret/file", CANARY);
        tree.directory("in/mounted");
        tree.directory("rw");
        tree.program("secret/mark", "#!/bin/sh\n: > secret/marked\n");
        let outside = Outside::new(&tree);
        let port = outside.allowed.local_addr().unwrap().port();
        let text = format!(
            "version = 1\nname = \"taken-over\"\ninclude = [\"builtin:runtime\"]\n\
             [exec]\nallow = [\"/usr/bin/readlink\", \"/usr/bin/dash\"]\n{}",
            policy.replace("PORT", &port.to_string())
        );
        let policy = tree.file("../policy.toml", text);
        let mut host = level.command("/bin/sh");
        host.args(["-c", HOST, "sh"])
            .arg(copied(command, tree.name("../doorward")));
        host.args(["run", "--quiet", "--policy"]).arg(policy);
        host.args(["--", "/usr/bin/dash", "-c", SANDBOXEE]);
        let mut host = host
            .current_dir(tree.work())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("DOORWARD_WITHOUT", without)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(host.stdout.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let victim = line().parse().unwrap();
        let ready = line();
        assert_eq!(ready, "ready", "{level} without '{without}'");
        Self {
            tree,
            outside,
            input: host.stdin.take(),
            host,
            output,
            victim,
        }
    }

    /// What the broker answers to an order; nothing when it is gone.
    pub(crate) fn ask(&mut self, order: &str) -> String {
        let _gone = writeln!(self.input.as_mut().unwrap(), "{order}");
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The process of the sandbox of this name.
    pub(crate) fn process(&self, name: &str) -> i32 {
        let found = below(self.host.id().cast_signed());
        let named = |pid: &i32| proc(*pid, "comm").trim() == name;
        found.into_iter().find(named).unwrap()
    }

    /// Whether something becomes true.
    pub(crate) fn soon(&self, mut met: impl FnMut(&Self) -> bool) -> bool {
        let end = Instant::now() + Duration::from_millis(300);
        loop {
            if met(self) {
                return true;
            }
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn name(&self, name: &str) -> PathBuf {
        self.tree.name(name)
    }

    pub(crate) fn end(mut self) {
        drop(self.input.take());
        let _gone = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.victim),
            nix::sys::signal::Signal::SIGKILL,
        );
        let _status = self.host.wait().unwrap();
    }
}

/// A file of `/proc/PID`, as text.
pub(crate) fn proc(pid: i32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

/// Where the environment of a process begins in its memory.
pub(crate) fn environment(pid: i32) -> u64 {
    let status = proc(pid, "stat");
    let fields = status.rsplit(')').next().unwrap();
    fields.split_whitespace().nth(47).unwrap().parse().unwrap()
}

fn below(pid: i32) -> Vec<i32> {
    let children = proc(pid, &format!("task/{pid}/children"));
    let children = children
        .split_whitespace()
        .map(|text| text.parse().unwrap());
    children
        .flat_map(|child| std::iter::once(child).chain(below(child)))
        .collect()
}
