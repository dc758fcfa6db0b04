//! Sockets of sandboxed programs, against servers on loopback that stand outside: what a rule
//! names is reached as natively, and of all else the server sees nothing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod client;
mod denied;
mod fidelity;
mod programs;
mod unix;
mod waiting;

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use doorward_tests::{Ended, Level, Run, Tree};

/// A python script in a tree, and the policy it runs under.
struct Client {
    tree: Tree,
    script: PathBuf,
    policy: PathBuf,
}

impl Client {
    /// Under these lines of `[net]`.
    fn new(level: Level, script: &str, net: &str) -> Self {
        Self::reading(level, script, net, "")
    }

    /// That may also read these names, each in quotes and with a comma behind it.
    fn reading(level: Level, script: &str, net: &str, read: &str) -> Self {
        let tree = Tree::new(level);
        let script = tree.file("client.py", script);
        let text = format!(
            r#"version = 1
name = "network"
include = ["builtin:runtime"]
[fs]
read = [{read} "${{CWD}}/**", "/etc/ssl/openssl.cnf"]
[exec]
allow = ["{}"]
[net]
{net}
[env]
pass = ["PATH", "LANG", "LC_*"]
"#,
            python().display()
        );
        let policy = tree.file("../policies/network.toml", text);
        Self {
            tree,
            script,
            policy,
        }
    }

    fn run(&self, arguments: &[&str]) -> Run<'_> {
        let script = self.script.to_str().unwrap();
        let python = python();
        let words = [python.to_str().unwrap(), script];
        Run::new(&self.tree, words.iter().chain(arguments))
    }

    fn sandboxed(&self, arguments: &[&str]) -> Ended {
        self.run(arguments).under_file(&self.policy)
    }

    /// The same output and status natively and sandboxed.
    #[track_caller]
    fn same(&self, arguments: &[&str]) -> String {
        let native = self.run(arguments).native().succeeded();
        let sandboxed = self.sandboxed(arguments).succeeded();
        assert_eq!(sandboxed.text(), native.text());
        assert!(!native.text().is_empty());
        native.text()
    }
}

/// The interpreter itself, not the link to it.
fn python() -> PathBuf {
    std::fs::canonicalize("/usr/bin/python3").unwrap()
}

/// A server that answers what it hears and counts who came.
struct Echo {
    address: SocketAddr,
    came: Arc<AtomicUsize>,
}

impl Echo {
    fn on(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&came);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || echo(stream));
            }
        });
        Self { address, came }
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// How many have come; who is on the way is waited for.
    fn came(&self) -> usize {
        std::thread::sleep(Duration::from_millis(100));
        self.came.load(Ordering::SeqCst)
    }
}

fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// A listener with a full backlog: a further connect waits.
struct Full {
    listener: TcpListener,
    _filling: Vec<TcpStream>,
}

impl Full {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let address = listener.local_addr().unwrap();
        let filling = (0..4)
            .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok())
            .collect();
        Self {
            listener,
            _filling: filling,
        }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Lets everybody in for a while.
    fn drain(self, patience: Duration) {
        self.listener.set_nonblocking(true).unwrap();
        let begun = Instant::now();
        let mut kept = Vec::new();
        while begun.elapsed() < patience {
            match self.listener.accept() {
                Ok(one) => kept.push(one),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
}
