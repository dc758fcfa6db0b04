//! A client: one lane, and one request on it at a time.
//!
//! What the broker says is not trusted. Safe, because each reply is held to the request
//! (its row, its id, its kind, its number of descriptors) before it is used, and the first
//! that does not fit closes the lane.

use std::{
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use doorward_protocol::{
    Reply, Request,
    codec::CodecError,
    frame::{self, LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME},
    hello::{Hello, LaneFront, VERSION, Welcome},
    lane::{Lane, LaneError, Received},
    polling::Polling,
    request::PathArgument,
};
use rustix::io::Errno;

use crate::{At, Broken, ClientError, sys};

/// The variable that names the descriptor of a program's first lane by its number.
pub const LANE: &str = "DOORWARD_LANE";

/// How long a reply is waited for: longer than the broker takes for any request.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells the lanes of this process apart, so that a directory of one is not used on another.
static LANES: AtomicU64 = AtomicU64::new(0);

/// A client of a broker. Each thread should have its own ([`Client::another`]); after a fork
/// only one of the two processes may go on with it.
#[derive(Debug)]
pub struct Client {
    /// None once the broker is gone or broke the protocol.
    lane: Option<Lane>,
    polling: Polling,
    number: u64,
    id: u32,
    welcome: Welcome,
    outgoing: Box<[u8]>,
    incoming: Box<[u8]>,
}

impl Client {
    /// Begins to speak on the lane that was left for this program, which [`LANE`] names. It is
    /// taken once; programs that this one executes do not inherit it from then on.
    ///
    /// # Errors
    /// [`ClientError::NoLane`] where none was left or it is taken; else as [`Client::from_fd`].
    pub fn from_environment() -> Result<Self, ClientError> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let named = std::env::var(LANE).ok().and_then(|text| text.parse().ok());
        let number: i32 = named.ok_or(ClientError::NoLane)?;
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err(ClientError::NoLane);
        }
        Self::from_fd(sys::inherited(number).ok_or(ClientError::NoLane)?)
    }

    /// Begins to speak on a lane: the descriptor that the launcher left for it.
    ///
    /// # Errors
    /// [`ClientError::Gone`] or [`ClientError::Protocol`]; never [`ClientError::Errno`].
    pub fn from_fd(lane: OwnedFd) -> Result<Self, ClientError> {
        let lane = Lane::from_fd(lane);
        // Where the sandbox's filter has no setsockopt, the wait is bounded by the broker's life.
        let _bounded = lane.set_patience(PATIENCE);
        let mut outgoing = vec![0; LONGEST_REQUEST_FRAME].into_boxed_slice();
        let mut incoming = vec![0; LONGEST_REPLY_FRAME].into_boxed_slice();
        let length =
            frame::encode_hello(&mut outgoing, &Hello::new(LaneFront::Api)).map_err(|error| {
                ClientError::Protocol(Broken::Frame(CodecError::from(error).into()))
            })?;
        let mut polling = Polling::default();
        let received = exchange(&lane, &mut polling, outgoing.get(..length), &mut incoming)?;
        let record = incoming.get(..received.length).unwrap_or_default();
        let count = usize::from(received.descriptor.is_some());
        let welcome = frame::decode_welcome(record, count)
            .map_err(|error| ClientError::Protocol(error.into()))?;
        if welcome.version != VERSION {
            return Err(ClientError::Protocol(Broken::Version {
                ours: VERSION,
                theirs: welcome.version,
            }));
        }
        Ok(Self {
            lane: Some(lane),
            polling,
            number: LANES.fetch_add(1, Ordering::Relaxed),
            id: 0,
            welcome,
            outgoing,
            incoming,
        })
    }

    /// A further client of the same sandbox, for another thread.
    ///
    /// # Errors
    /// `EMFILE` when the sandbox has as many lanes as it may.
    pub fn another(&mut self) -> Result<Self, ClientError> {
        Self::from_fd(self.another_lane()?)
    }

    /// A further lane, for a process that was or will be forked: [`Client::from_fd`] begins
    /// to speak on it. The descriptor is close-on-exec.
    ///
    /// # Errors
    /// As [`Client::another`].
    pub fn another_lane(&mut self) -> Result<OwnedFd, ClientError> {
        self.granted(&Request::Lane).map(|(_, lane)| lane)
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The path of a request, if it may be asked on this lane.
    pub(crate) fn path<'a>(&self, at: At<'a>) -> Result<PathArgument<'a>, ClientError> {
        if at.lane.is_none_or(|lane| lane == self.number) {
            Ok(at.path)
        } else {
            Err(ClientError::Errno(Errno::BADF))
        }
    }

    /// Asks, and waits for the reply. A failed operation is an error here.
    pub(crate) fn call(
        &mut self,
        request: &Request<'_>,
    ) -> Result<(Reply<'_>, Option<OwnedFd>), ClientError> {
        let operation = request.operation();
        if !self.welcome.offers(operation) {
            return Err(ClientError::Errno(Errno::NOSYS));
        }
        let lane = self.lane.as_ref().ok_or(ClientError::Gone)?;
        let id = self.id;
        self.id = self.id.wrapping_add(1);
        let length = frame::encode_request(&mut self.outgoing, id, request)
            .map_err(|_| ClientError::Errno(Errno::NAMETOOLONG))?;
        let record = self.outgoing.get(..length);
        let received = match exchange(lane, &mut self.polling, record, &mut self.incoming) {
            Ok(received) => received,
            Err(error) => {
                self.lane = None;
                return Err(error);
            }
        };
        let record = self.incoming.get(..received.length).unwrap_or_default();
        let count = usize::from(received.descriptor.is_some());
        match frame::decode_reply(record, count, operation, id) {
            Ok(Reply::Errno(errno)) => Err(ClientError::Errno(Errno::from_raw_os_error(errno))),
            Ok(reply) => Ok((reply, received.descriptor)),
            Err(error) => {
                self.lane = None;
                Err(ClientError::Protocol(error.into()))
            }
        }
    }

    /// Closes the lane of a broker that broke the protocol.
    pub(crate) fn broken(&mut self, broken: Broken) -> ClientError {
        self.lane = None;
        ClientError::Protocol(broken)
    }

    /// Asks for what is answered by a number.
    pub(crate) fn value(&mut self, request: &Request<'_>) -> Result<i64, ClientError> {
        match self.call(request)? {
            (Reply::Value(value), _) => Ok(value),
            _ => Err(self.broken(Broken::Value)),
        }
    }

    /// Asks for what is answered by nothing but that it is done.
    pub(crate) fn done(&mut self, request: &Request<'_>) -> Result<(), ClientError> {
        match self.value(request)? {
            0 => Ok(()),
            _ => Err(self.broken(Broken::Value)),
        }
    }

    /// Asks for a descriptor.
    pub(crate) fn granted(
        &mut self,
        request: &Request<'_>,
    ) -> Result<(Option<i32>, OwnedFd), ClientError> {
        match self.call(request)? {
            (Reply::Descriptor { handle }, Some(descriptor)) => Ok((handle, descriptor)),
            _ => Err(self.broken(Broken::Value)),
        }
    }
}

/// Sends a record and receives the next.
fn exchange(
    lane: &Lane,
    polling: &mut Polling,
    record: Option<&[u8]>,
    incoming: &mut [u8],
) -> Result<Received, ClientError> {
    let record = record.ok_or(ClientError::Protocol(Broken::Lane(LaneError::Truncated)))?;
    lane.send(record)?;
    let look = || match lane.receive_now(incoming) {
        Err(LaneError::NotReady) => None,
        other => Some(other),
    };
    let begun = Instant::now();
    let looked = polling.seek(|| begun.elapsed(), look);
    Ok(looked.unwrap_or_else(|| lane.receive(incoming))?)
}
