//! What host and broker say to each other: trusted processes of one executable, on a
//! stream socket that is also the broker's lifeline.
//!
//! The start message is a sealed memory file, since a policy may be larger than a
//! socket's buffer; the descriptors of the sandboxee's standard streams follow it.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use doorward_policy::Policy;
use doorward_protocol::codec::{CodecError, decode_trusted, encode_trusted};
use memfd::{FileSeal, MemfdOptions};
use passfd::FdPassingExt;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    audit::Summary,
    front::{api::ApiReport, notify::NotifyReport},
    limits::{Broken, Usage},
    sys::process,
};

/// The most bytes of one message on the socket.
const LONGEST: usize = 1 << 20;

/// What a sandboxee runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Job {
    /// A program, absolute, and its arguments, the first being its name.
    Command {
        program: Vec<u8>,
        arguments: Vec<Vec<u8>>,
    },
    /// A registered function of this executable, and its arguments.
    Entry {
        name: String,
        arguments: Vec<Vec<u8>>,
    },
    /// Workers that run a registered function, so many at a time.
    Workers { name: String, places: u32 },
}

/// All that a broker is started with. Names of files are bytes: serde refuses a `PathBuf` that
/// is not UTF-8.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) policy: Policy,
    /// Policies that typed spawns start programs under, by the name the policy has for each.
    pub(crate) others: Vec<(String, Policy)>,
    pub(crate) job: Job,
    /// Variables of the sandboxee: name and value.
    pub(crate) environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where it starts.
    pub(crate) directory: OsString,
    /// Where the scratch directory is made.
    pub(crate) temporary: OsString,
    /// Whether its standard input is a terminal of its own, to be the controlling one.
    pub(crate) terminal: bool,
    /// Whether a descriptor for the audit log follows.
    pub(crate) audit: bool,
}

/// What the host asks of a running broker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Send this signal to the program's process group.
    Signal(i32),
    /// Narrow the session by this document.
    Restrict(String),
    /// End the sandbox now.
    Kill,
}

/// How a sandbox ended, as the broker tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Raw wait status of the program.
    Status(i32),
    /// A limit of the policy ended it.
    Limit(Broken),
    /// The program could not be executed: errno.
    Exec(i32),
    /// It was killed because the host asked for it.
    Killed,
    /// Nobody knows: its init was killed.
    Lost,
}

/// What the broker tells its host.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// The sandboxee is locked down and runs.
    Started,
    /// Nothing was started, or serving failed: a sentence.
    Failed(String),
    /// The session was narrowed, or why not: a sentence.
    Restricted(Result<(), String>),
    /// It has ended.
    Ended {
        outcome: Outcome,
        notify: NotifyReport,
        api: ApiReport,
        summary: Summary,
        usage: Box<Usage>,
    },
}

/// What can go wrong between host and broker.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket failed, or the other side is gone.
    #[error("cannot speak to the other side of the control socket")]
    Socket(#[source] io::Error),
    /// The start message could not be put into memory.
    #[error("cannot make the start message")]
    Memory(#[source] memfd::Error),
    /// The start message could not be written or read.
    #[error("cannot read the start message")]
    Codec(#[from] CodecError),
    /// A message could not be written or read.
    #[error("cannot read a message of the control socket")]
    Message(#[from] serde_json::Error),
    /// A message is longer than is ever sent.
    #[error("a message of the control socket is too long")]
    TooLong,
}

/// One end of the control socket.
#[derive(Debug)]
pub(crate) struct Control {
    socket: UnixStream,
}

/// The descriptors that follow a start message.
#[derive(Debug)]
pub(crate) struct Streams {
    /// Standard input, output and error of the sandboxee.
    pub(crate) standard: [OwnedFd; 3],
    /// Where audit records go.
    pub(crate) audit: Option<OwnedFd>,
    /// Where the host orders workers.
    pub(crate) orders: Option<OwnedFd>,
}

impl Control {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self { socket }
    }

    /// The broker's end: its standard input, which is then /dev/null.
    pub(crate) fn from_standard_input() -> io::Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let null = std::fs::File::open("/dev/null")?;
        rustix::stdio::dup2_stdin(null)?;
        Ok(Self::new(UnixStream::from(socket)))
    }

    /// Sends the start message and its descriptors.
    pub(crate) fn start(&self, start: &Start, streams: &Streams) -> Result<(), ControlError> {
        let memory = MemfdOptions::default()
            .allow_sealing(true)
            .close_on_exec(true)
            .create("doorward-start")
            .map_err(ControlError::Memory)?;
        let bytes = encode_trusted(start)?;
        memory
            .as_file()
            .write_all(&bytes)
            .map_err(ControlError::Socket)?;
        memory
            .add_seals(&[
                FileSeal::SealWrite,
                FileSeal::SealShrink,
                FileSeal::SealGrow,
            ])
            .map_err(ControlError::Memory)?;
        let standard = streams.standard.iter().map(OwnedFd::as_raw_fd);
        let others = streams.audit.iter().chain(&streams.orders);
        std::iter::once(memory.as_file().as_raw_fd())
            .chain(standard)
            .chain(others.map(OwnedFd::as_raw_fd))
            .try_for_each(|descriptor| self.socket.send_fd(descriptor))
            .map_err(ControlError::Socket)
    }

    /// Receives them.
    pub(crate) fn started(&self) -> Result<(Start, Streams), ControlError> {
        let next = || process::received(&self.socket).map_err(ControlError::Socket);
        let mut bytes = Vec::new();
        let mut memory = std::fs::File::from(next()?);
        io::Seek::rewind(&mut memory).map_err(ControlError::Socket)?;
        memory
            .read_to_end(&mut bytes)
            .map_err(ControlError::Socket)?;
        let start: Start = decode_trusted(&bytes)?;
        let standard = [next()?, next()?, next()?];
        let audit = start.audit.then(next).transpose()?;
        let orders = matches!(start.job, Job::Workers { .. });
        let orders = orders.then(next).transpose()?;
        let streams = Streams {
            standard,
            audit,
            orders,
        };
        Ok((start, streams))
    }

    /// The same end once more.
    pub(crate) fn try_clone(&self) -> Result<Self, ControlError> {
        self.socket
            .try_clone()
            .map(Self::new)
            .map_err(ControlError::Socket)
    }

    /// Ends the conversation: the other side sees the end of this one.
    pub(crate) fn hang_up(&self) {
        let _gone = self.socket.shutdown(std::net::Shutdown::Both);
    }

    /// Sends one message.
    pub(crate) fn send<T: Serialize>(&self, message: &T) -> Result<(), ControlError> {
        let body = serde_json::to_vec(message)?;
        let length = u32::try_from(body.len()).map_err(|_| ControlError::TooLong)?;
        let whole = [&length.to_ne_bytes()[..], &body].concat();
        (&self.socket)
            .write_all(&whole)
            .map_err(ControlError::Socket)
    }

    /// Waits for one message; `None` when the other side is gone.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> Result<Option<T>, ControlError> {
        let mut length = [0_u8; 4];
        match (&self.socket).read_exact(&mut length) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(ControlError::Socket(error)),
        }
        let length = usize::try_from(u32::from_ne_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(ControlError::TooLong);
        }
        let mut body = vec![0_u8; length];
        (&self.socket)
            .read_exact(&mut body)
            .map_err(ControlError::Socket)?;
        Ok(Some(serde_json::from_slice(&body)?))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
