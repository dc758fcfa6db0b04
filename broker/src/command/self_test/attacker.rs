//! The hostile program: it is given a place and tries every case in a process of its own.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::OsString,
    io::Write,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use doorward::{Entry, Sandboxee};
use doorward_sandboxee::{Client, ClientError};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use super::{
    case::{self, Attempt, Case, refused},
    permitted, sys,
};

/// The longest that one attempt may take, in seconds.
pub(super) const PATIENCE: u32 = 10;

/// What an attacker is told about the outside.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Target {
    /// Holds `outside`, `granted` and `rw`, each with a directory for a case.
    pub(super) directory: PathBuf,
    /// TCP port of the granted address on 127.0.0.1.
    pub(super) port: u16,
    /// By case: what stands outside.
    pub(super) outside: BTreeMap<String, Outside>,
    /// A key of the session keyring.
    pub(super) key: i64,
    /// A System V message queue.
    pub(super) queue: i64,
}

/// What stands outside for one case.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Outside {
    /// A process, 0 if there is none.
    pub(super) process: i32,
    /// Where it keeps a secret in its memory.
    pub(super) address: u64,
    /// Port of 127.0.0.1, for TCP and UDP.
    pub(super) port: u16,
    /// Abstract name of a stream socket; with `-datagram` behind it one for datagrams.
    pub(super) name: String,
}

/// How operations reach the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Way {
    /// Not at all: the control, without a sandbox.
    Native,
    /// By notification.
    Notify,
    /// By a lane.
    Api,
    /// By system calls that trap.
    Trap,
    /// So, from within a worker.
    Worker,
}

/// What one attempt, or what is permitted beside it, came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Line {
    /// The case.
    pub(super) case: String,
    /// What the attempt got; none when the process ended before it could say so.
    pub(super) attempt: Option<Attempt>,
    /// Its wait status.
    pub(super) status: i32,
    /// Whether what is permitted works.
    pub(super) permitted: bool,
}

/// What the sandbox runs.
pub(crate) const ENTRY: Entry = Entry {
    name: "self-test",
    run: |sandboxee| match begin(sandboxee) {
        Ok(()) => 0,
        Err(_) => 1,
    },
};

fn begin(sandboxee: Sandboxee) -> Result<(), ()> {
    let [way, target, case] = sandboxee.arguments.as_slice() else {
        return Err(());
    };
    perform(way, target, case, sandboxee.lane)
}

/// Tries the case of a name, or all; tells a line of JSON for each.
pub(super) fn perform(
    way: &OsString,
    target: &OsString,
    name: &OsString,
    lane: Option<OwnedFd>,
) -> Result<(), ()> {
    let read = |text: &OsString| text.to_str().map(str::to_owned).ok_or(());
    let way: Way = serde_json::from_str(&read(way)?).map_err(drop)?;
    let target: Target = serde_json::from_str(&read(target)?).map_err(drop)?;
    let lane = lane.map(Client::from_fd).transpose().map_err(drop)?;
    let mut attacker = Attacker::new(way, target, lane);
    let name = read(name)?;
    for case in case::all() {
        if name.is_empty() || name == case.name {
            attacker.case = case.name;
            let line = serde_json::to_string(&attacker.attempt(case)).map_err(drop)?;
            println!("{line}");
        }
    }
    Ok(())
}

/// A process that tries one case.
#[derive(Debug)]
pub(super) struct Attacker {
    /// How it is confined.
    pub(super) way: Way,
    /// What is outside.
    pub(super) target: Target,
    case: &'static str,
    lane: RefCell<Option<Client>>,
}

/// One that tries a case in its own process.
#[derive(Debug)]
pub(super) struct Here {
    attacker: Attacker,
    case: &'static Case,
}

impl Here {
    /// Tries it.
    pub(super) fn attempt(&self) -> Attempt {
        (self.case.attack)(&self.attacker)
    }

    /// Whether what is permitted works.
    pub(super) fn permitted(&self) -> bool {
        permitted::works(&self.attacker, self.case.permitted)
    }
}

impl Attacker {
    /// One that asks on this lane, if there is one.
    pub(super) fn new(way: Way, target: Target, lane: Option<Client>) -> Self {
        Self {
            way,
            target,
            case: "",
            lane: RefCell::new(lane),
        }
    }

    /// For the case of a name, if there is one.
    pub(super) fn here(mut self, name: &str) -> Option<Here> {
        let case = case::all().into_iter().find(|case| case.name == name)?;
        self.case = case.name;
        Some(Here {
            attacker: self,
            case,
        })
    }

    fn attempt(&self, case: &Case) -> Line {
        let (attempt, status) = self.apart(|| (case.attack)(self));
        let (permitted, _) = self.apart(|| Attempt {
            result: i64::from(permitted::works(self, case.permitted)),
            data: Vec::new(),
        });
        Line {
            case: case.name.to_owned(),
            attempt,
            status,
            permitted: permitted.is_some_and(|attempt| attempt.result == 1),
        }
    }

    /// Does it in a process of its own, so that one that is killed is one attempt.
    fn apart(&self, act: impl FnOnce() -> Attempt) -> (Option<Attempt>, i32) {
        let Ok((reader, writer)) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC) else {
            return (None, -1);
        };
        let mut writer = std::fs::File::from(writer);
        let status = sys::in_a_child(|| {
            let _none = nix::unistd::alarm::set(PATIENCE);
            let told = serde_json::to_vec(&act()).unwrap_or_default();
            i32::from(writer.write_all(&told).is_err())
        });
        drop(writer);
        let told = std::io::read_to_string(std::fs::File::from(reader)).unwrap_or_default();
        (serde_json::from_str(&told).ok(), status.unwrap_or(-1))
    }

    /// What stands outside for this case.
    pub(super) fn outside(&self) -> Outside {
        let found = self.target.outside.get(self.case);
        found.cloned().unwrap_or_default()
    }

    /// A name in the directory of this case below `outside`, `granted` or `rw`.
    pub(super) fn name(&self, below: &str, name: &str) -> PathBuf {
        self.target.directory.join(below).join(self.case).join(name)
    }

    /// Where everything lies.
    pub(super) fn directory(&self) -> &Path {
        &self.target.directory
    }

    /// Opens by the system call and by the lane, if there is one.
    pub(super) fn open(&self, path: &Path, flags: OFlags, mode: u32) -> Result<OwnedFd, i64> {
        let mode = Mode::from_raw_mode(mode);
        let opened = rustix::fs::open(path, flags | OFlags::CLOEXEC, mode);
        match (opened, self.lane.borrow_mut().as_mut()) {
            (Err(_), Some(client)) => client.open(path, flags, mode).map_err(|error| told(&error)),
            (opened, _) => opened.map_err(refused),
        }
    }

    /// What a file holds, as far as it can be read.
    pub(super) fn read(&self, path: &Path) -> Attempt {
        match self.open(path, OFlags::RDONLY | OFlags::NONBLOCK, 0) {
            Ok(file) => read(&file),
            Err(result) => Attempt {
                result,
                data: Vec::new(),
            },
        }
    }

    /// Asks by the lane, if there is one.
    pub(super) fn ask(&self, act: impl FnOnce(&mut Client) -> Result<(), ClientError>) -> i64 {
        match self.lane.borrow_mut().as_mut() {
            None => refused(Errno::NOSYS),
            Some(client) => act(client).map_or_else(|error| told(&error), |()| 0),
        }
    }

    /// A descriptor by the lane, if there is one.
    pub(super) fn granted(
        &self,
        act: impl FnOnce(&mut Client) -> Result<OwnedFd, ClientError>,
    ) -> Option<OwnedFd> {
        act(self.lane.borrow_mut().as_mut()?).ok()
    }
}

fn told(error: &ClientError) -> i64 {
    match error {
        ClientError::Errno(errno) => refused(*errno),
        ClientError::Protocol(_) | ClientError::NoLane | ClientError::Gone => refused(Errno::PROTO),
    }
}

/// What a descriptor gives, from its beginning if it has one.
pub(super) fn read(file: &OwnedFd) -> Attempt {
    let mut bytes = vec![0; 4096];
    let read = rustix::io::pread(file, bytes.as_mut_slice(), 0)
        .or_else(|_| rustix::io::read(file, bytes.as_mut_slice()));
    let length = match read {
        Ok(length) => length,
        Err(errno) => return Attempt::best([refused(errno)]),
    };
    bytes.truncate(length);
    Attempt {
        result: i64::from(file.as_raw_fd()),
        data: bytes,
    }
}
