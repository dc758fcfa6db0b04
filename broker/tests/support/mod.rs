//! A sandbox's services over a tree of its own, served on lanes within this process.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
    thread::JoinHandle,
};

use doorward::{
    front::{
        Context,
        api::{self, ApiError, ApiReport},
    },
    service::{Services, Setup},
};
use doorward_policy::{Expansion, Policy};
use doorward_sandboxee::Client;

/// What is served, and the end of its first lane.
pub(crate) struct Bench {
    _directory: tempfile::TempDir,
    pub(crate) root: String,
    stop: Option<OwnedFd>,
    server: Option<JoinHandle<Result<ApiReport, ApiError>>>,
    first: Option<OwnedFd>,
}

impl Bench {
    /// Below the tree `in` may be read, `out` changed, `shut` is named by no rule.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With more in its policy.
    pub(crate) fn with(more: &str) -> Self {
        let directory = tempfile::tempdir_in(std::env::home_dir().unwrap()).unwrap();
        let root = directory.path().canonicalize().unwrap();
        for (name, content) in [("in", "in"), ("out", "out"), ("shut", "shut")] {
            fs::create_dir(root.join(name)).unwrap();
            fs::write(root.join(name).join("file"), content).unwrap();
        }
        fs::create_dir(root.join(".scratch")).unwrap();
        let root = root.to_str().unwrap().to_owned();
        let text = format!(
            "version = 1\nname = \"lanes\"\n[fs]\n\
             read = [\"{root}/in/**\", \"{root}/out/**\"]\n\
             write = [\"{root}/out/**\"]\ncreate = [\"{root}/out/**\"]\n\
             delete = [\"{root}/out/**\"]\nspecial = [\"{root}/out/fifo\"]\n\
             scratch = \"1MiB\"\n{more}"
        );
        let expansion = Expansion {
            cwd: None,
            home: None,
            uid: 0,
        };
        let loaded = Policy::parse(&text, "lanes.toml", Path::new("/"), &expansion).unwrap();
        let services = Services::new(Setup {
            policy: Arc::new(loaded.policy),
            scratch: Some(fs::File::open(format!("{root}/.scratch")).unwrap().into()),
            view: false,
            network: false,
            map_foreign_ids: false,
            spawn: None,
        })
        .unwrap();
        let context = Context {
            services: Arc::new(services),
            audit: Arc::default(),
            starting: None,
            rendezvous: false,
        };
        let (ours, theirs) = api::pair().unwrap();
        let (stopped, stop) = rustix::pipe::pipe().unwrap();
        let server = std::thread::spawn(move || api::serve(ours, context, stopped.as_fd()));
        Self {
            _directory: directory,
            root,
            stop: Some(stop),
            server: Some(server),
            first: Some(theirs),
        }
    }

    pub(crate) fn at(&self, below: &str) -> String {
        format!("{}/{below}", self.root)
    }

    /// The client's end of the first lane.
    pub(crate) fn lane(&mut self) -> OwnedFd {
        self.first.take().unwrap()
    }

    pub(crate) fn client(&mut self) -> Client {
        Client::from_fd(self.lane()).unwrap()
    }

    /// Waits for the server to end by itself: when all lanes are closed.
    pub(crate) fn ended(&mut self) -> ApiReport {
        self.server.take().unwrap().join().unwrap().unwrap()
    }

    /// Ends the server.
    pub(crate) fn stop(&mut self) -> ApiReport {
        self.stop = None;
        self.ended()
    }
}

/// How many descriptors this process has.
pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}
