//! The worker's side of typed calls: a loop that takes a call, does it, and replies.
//!
//! An interface is written once, with `doorward::interface!`, which makes a [`Dispatch`] of its
//! trait. What the worker is given is the host's; what it returns the host does not trust.

mod call;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use doorward_protocol::{
    arena::{Arena, ArenaError},
    call::{self as frame, CallFrameError, FromHost, LONGEST_FRAME, Status},
    codec::{CodecError, TooLong},
    lane::{Lane, LaneError},
    polling::Polling,
};

pub use call::{AskError, Call, Link, OutputError};

/// The methods of an interface by their number.
pub trait Dispatch {
    /// Decodes the arguments, calls the method, and encodes what it returned into `result`,
    /// of which it says how many bytes it used.
    ///
    /// # Errors
    /// [`Refused`]: the method was not called, or its result does not fit.
    fn dispatch(
        &mut self,
        method: u16,
        arguments: &[u8],
        call: &mut Call<'_>,
        result: &mut [u8],
    ) -> Result<usize, Refused>;
}

/// Why a call was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The interface has no such method.
    #[error("the interface has no method {0}")]
    Method(u16),
    /// The arguments are not those of the method.
    #[error("the arguments cannot be decoded")]
    Arguments(#[source] CodecError),
    /// The result is longer than the host allowed.
    #[error("the result does not fit")]
    Result(#[source] TooLong),
}

impl Refused {
    fn status(&self) -> Status {
        match self {
            Self::Method(_) => Status::NoMethod,
            Self::Arguments(_) => Status::Arguments,
            Self::Result(_) => Status::TooLong,
        }
    }
}

/// Why a worker stopped serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The host's arena cannot be used.
    #[error(transparent)]
    Arena(#[from] ArenaError),
    /// The socket failed.
    #[error("cannot receive calls or reply")]
    Lane(#[source] LaneError),
    /// The host sent what is no call.
    #[error("the host does not keep to the protocol")]
    Frame(#[from] CallFrameError),
    /// The host answered what was not asked.
    #[error("the host answered without having been asked")]
    Unasked,
}

/// The host, as its worker has it: a socket, and the file of the arena.
#[derive(Debug)]
pub struct Host {
    socket: OwnedFd,
    arena: OwnedFd,
}

impl Host {
    /// Of what the launcher was given by the host.
    pub fn new(socket: OwnedFd, arena: OwnedFd) -> Self {
        Self { socket, arena }
    }

    /// The descriptors of it.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.socket.as_fd(), self.arena.as_fd()]
    }

    /// The same, given away: the socket and the file of the arena.
    #[must_use]
    pub fn into_descriptors(self) -> [OwnedFd; 2] {
        [self.socket, self.arena]
    }

    /// Tells the host why nothing was started.
    pub fn failed(self, why: &str) {
        let mut buffer = [0; frame::HEADER + frame::LONGEST_FAILURE];
        let Ok(length) = frame::encode_failure(&mut buffer, why) else {
            return;
        };
        let record = buffer.get(..length).unwrap_or_default();
        let _gone = Lane::from_fd(self.socket).send_now(record, None);
    }

    /// Serves calls until the host is gone.
    ///
    /// # Errors
    /// [`ServeError`] when host or kernel do what they never do.
    pub fn serve<D: Dispatch + ?Sized>(self, interface: &mut D) -> Result<(), ServeError> {
        let arena = Arena::map(self.arena.as_fd())?;
        drop(self.arena);
        let mut socket = Socket {
            lane: Lane::from_fd(self.socket),
            polling: Polling::default(),
            outgoing: vec![0; LONGEST_FRAME].into_boxed_slice(),
        };
        let mut incoming = vec![0; LONGEST_FRAME].into_boxed_slice();
        let mut result = vec![0; frame::LONGEST_BODY].into_boxed_slice();
        loop {
            let length = match socket.receive(&mut incoming) {
                Ok(length) => length,
                Err(LaneError::Gone) => return Ok(()),
                Err(error) => return Err(ServeError::Lane(error)),
            };
            let record = incoming.get(..length).unwrap_or_default();
            let FromHost::Call(asked, arguments) = frame::decode_from_host(record)? else {
                return Err(ServeError::Unasked);
            };
            match socket.serve(interface, &arena, &asked, arguments, &mut result) {
                Err(ServeError::Lane(LaneError::Gone)) => return Ok(()),
                served => served?,
            }
        }
    }
}

/// The socket to the host, and the room for what is sent.
struct Socket {
    lane: Lane,
    polling: Polling,
    outgoing: Box<[u8]>,
}

impl Socket {
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, LaneError> {
        let lane = &self.lane;
        let look = || match lane.receive_now(buffer) {
            Err(LaneError::NotReady) => None,
            other => Some(other),
        };
        let begun = std::time::Instant::now();
        let looked = self.polling.seek(|| begun.elapsed(), look);
        let received = match looked {
            Some(received) => received,
            None => lane.receive(buffer),
        };
        received.map(|received| received.length)
    }

    fn send(&self, length: usize) -> Result<(), LaneError> {
        self.lane
            .send(self.outgoing.get(..length).unwrap_or_default())
    }

    /// Does one call and replies.
    fn serve<D: Dispatch + ?Sized>(
        &mut self,
        interface: &mut D,
        arena: &Arena,
        asked: &frame::Call,
        arguments: &[u8],
        result: &mut [u8],
    ) -> Result<(), ServeError> {
        let longest = usize::try_from(asked.longest).unwrap_or(usize::MAX);
        // A question in the middle of the call uses the other buffer.
        let longest = longest.min(result.len());
        let result = result.get_mut(..longest).unwrap_or_default();
        let mut call = Call::new(arena, asked, self);
        let done = interface.dispatch(asked.method, arguments, &mut call, result);
        let output = call.into_output();
        let (status, output, body) = match done {
            Ok(length) => (
                Status::Done,
                output,
                result.get(..length).unwrap_or_default(),
            ),
            Err(refused) => (refused.status(), Default::default(), Default::default()),
        };
        if let Some(space) = frame::body(&mut self.outgoing).get_mut(..body.len()) {
            space.copy_from_slice(body);
        }
        let outgoing = &mut self.outgoing;
        let length = frame::encode_reply(outgoing, asked.id, status, output, body.len())?;
        self.send(length).map_err(ServeError::Lane)
    }
}

impl Link for Socket {
    fn ask(&mut self, id: u32, question: &[u8]) -> Result<Vec<u8>, AskError> {
        let space = frame::body(&mut self.outgoing).get_mut(..question.len());
        space.ok_or(AskError::TooLong)?.copy_from_slice(question);
        let length = frame::encode_question(&mut self.outgoing, id, question.len())
            .map_err(|_| AskError::TooLong)?;
        self.send(length).map_err(|_| AskError::Gone)?;
        let mut incoming = vec![0; LONGEST_FRAME];
        let length = self.receive(&mut incoming).map_err(|_| AskError::Gone)?;
        let record = incoming.get(..length).unwrap_or_default();
        match frame::decode_from_host(record) {
            Ok(FromHost::Answer { id: of, answer }) if of == id => Ok(answer.to_vec()),
            _ => Err(AskError::Gone),
        }
    }
}
