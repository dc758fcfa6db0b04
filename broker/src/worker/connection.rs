//! The host's end of the socket to one worker, and one call on it at a time.
//!
//! The worker is hostile. Safe, because a record is received once, into memory of the host's
//! and no longer than the caller takes; each frame is held to the call that was made; the output
//! is copied out of the arena once, after its span was checked; and nothing waits past the
//! deadline.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use doorward_protocol::{
    arena::{Arena, ArenaError, Span},
    call::{self as frame, FromWorker, HEADER, LONGEST_FRAME, Status},
    lane::{Lane, LaneError},
    polling::Polling,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::sockopt,
};
use serde::Serialize;

use super::{Breach, CallError, Death, Reply, Request, Terms};
use crate::sys::socket;

/// What a worker may ask at a time, in bytes, where it may ask.
const LONGEST_QUESTION: usize = 4096;

/// The host's side of one worker.
#[derive(Debug)]
pub(crate) struct Connection {
    lane: Lane,
    arena: Arena,
    polling: Polling,
    /// Of the last call; 0 before the first.
    id: u32,
    outgoing: Box<[u8]>,
    incoming: Box<[u8]>,
    /// The worker's process, as the kernel tells it with the first record.
    sender: Option<u32>,
    /// Whether that record is still to come.
    asks_sender: bool,
}

/// A reply, as it was received.
struct Replied {
    /// Bytes of the result, behind the header in the buffer.
    length: usize,
    status: Status,
    output: Span,
}

impl Connection {
    /// Makes one: the host's side, and the two descriptors of the worker's.
    pub(crate) fn pair(arena: usize) -> Result<(Self, OwnedFd, OwnedFd), ArenaError> {
        let (ours, theirs) = Lane::pair().map_err(ArenaError::System)?;
        match socket::refuse_descriptors(ours.as_fd()) {
            // Before Linux 6.16 they are closed unseen, and the record is a breach.
            Ok(()) | Err(Errno::NOPROTOOPT) => {}
            Err(errno) => return Err(ArenaError::System(errno)),
        }
        sockopt::set_socket_passcred(&ours, true).map_err(ArenaError::System)?;
        let (arena, file) = Arena::create(arena)?;
        let connection = Self {
            lane: ours,
            arena,
            polling: Polling::default(),
            id: 0,
            outgoing: vec![0; LONGEST_FRAME].into_boxed_slice(),
            incoming: vec![0; LONGEST_FRAME].into_boxed_slice(),
            sender: None,
            asks_sender: true,
        };
        Ok((connection, theirs.into_fd(), file))
    }

    /// Makes a call and waits for its reply. After an error that does not spare the worker
    /// nothing more may be asked here.
    pub(crate) fn call<A: Serialize>(
        &mut self,
        request: &Request<'_, A>,
        terms: &mut Terms<'_>,
    ) -> Result<Reply<'_>, CallError> {
        let until = self.begin(request, terms)?;
        self.finish(terms, until)
    }

    /// Makes a call; until when its reply is waited for.
    fn begin<A: Serialize>(
        &mut self,
        request: &Request<'_, A>,
        terms: &Terms<'_>,
    ) -> Result<Instant, CallError> {
        let until = terms.until();
        self.is_silent()?;
        let frame = self.prepare(request, terms)?;
        self.send(frame)?;
        Ok(until)
    }

    /// Waits for the reply of a call.
    fn finish(&mut self, terms: &mut Terms<'_>, until: Instant) -> Result<Reply<'_>, CallError> {
        let replied = match self.replied(terms, until) {
            Err(error @ (CallError::Late | CallError::Cancelled)) => {
                self.give_up(terms.grace);
                return Err(error);
            }
            other => other?,
        };
        match replied.status {
            Status::Done => {}
            Status::TooLong => return Err(CallError::ResultTooLong),
            Status::NoMethod | Status::Arguments => return Err(Breach::Interface.into()),
        }
        let output = self.arena.read(replied.output, terms.longest_output);
        let result = self.incoming.get(HEADER..).unwrap_or_default();
        Ok(Reply {
            output: output.map_err(Breach::Output)?,
            result: result.get(..replied.length).unwrap_or_default(),
        })
    }

    /// The worker's process, once it has replied.
    pub(crate) fn process(&self) -> Option<u32> {
        self.sender
    }

    /// A call whose worker says just these records, some with its arena beside them, and ends.
    #[cfg(fuzzing)]
    pub(crate) fn told<'a>(
        &mut self,
        (worker, arena): (OwnedFd, OwnedFd),
        records: impl Iterator<Item = (&'a [u8], bool)>,
        terms: &mut Terms<'_>,
    ) -> Result<Reply<'_>, CallError> {
        let request = Request {
            method: 0,
            name: "told",
            idempotent: false,
            arguments: &(),
        };
        let until = self.begin(&request, terms)?;
        let worker = Lane::from_fd(worker);
        for (record, beside) in records {
            let _full = worker.send_now(record, beside.then_some(arena.as_fd()));
        }
        drop(worker);
        self.finish(terms, until)
    }

    /// Nothing may have come before a call: a reply belongs to one call, and there is but one.
    pub(crate) fn is_silent(&mut self) -> Result<(), CallError> {
        if self.asks_sender {
            self.asks_sender = asks_still(&self.lane, &mut self.sender)?;
        }
        match self.lane.receive_bare(&mut self.incoming) {
            Err(LaneError::NotReady) => Ok(()),
            Ok(received) => Err(self.unasked(received.length)),
            Err(error) => Err(refused(error)),
        }
    }

    /// A worker that could not be locked down says why, and nothing else.
    fn unasked(&self, length: usize) -> CallError {
        let record = self.incoming.get(..length).unwrap_or_default();
        match frame::decode_from_worker(record) {
            Ok(FromWorker::Failed(why)) => failed(why),
            _ => Breach::Unasked.into(),
        }
    }

    /// Puts input and arguments in their places; the length of the frame.
    fn prepare<A: Serialize>(
        &mut self,
        request: &Request<'_, A>,
        terms: &Terms<'_>,
    ) -> Result<usize, CallError> {
        let body = super::encode(request.arguments, frame::body(&mut self.outgoing))
            .map_err(CallError::Arguments)?;
        self.id = self.id.wrapping_add(1).max(1);
        let call = terms.place(&self.arena, self.id, request.method)?;
        let encoded = call.encode(&mut self.outgoing, body);
        encoded.map_err(|error| Breach::Frame(error).into())
    }

    fn send(&self, length: usize) -> Result<(), CallError> {
        let record = self.outgoing.get(..length).unwrap_or_default();
        match self.lane.send_now(record, None) {
            Ok(()) => Ok(()),
            Err(LaneError::NotReady) => Err(Breach::NotReading.into()),
            Err(error) => Err(refused(error)),
        }
    }

    /// Waits for the reply, and answers questions meanwhile.
    fn replied(&mut self, terms: &mut Terms<'_>, until: Instant) -> Result<Replied, CallError> {
        let mut asked = 0_u32;
        loop {
            let length = self.received(terms, until)?;
            let record = self.incoming.get(..length).unwrap_or_default();
            let question = match frame::decode_from_worker(record).map_err(Breach::Frame)? {
                FromWorker::Failed(why) => return Err(failed(why)),
                FromWorker::Reply { id, .. } | FromWorker::Question { id, .. } if id != self.id => {
                    return Err(Breach::OtherCall { id, due: self.id }.into());
                }
                // The record was bounded by the longer of the two.
                FromWorker::Reply { result, .. } if result.len() > terms.longest_result => {
                    return Err(Breach::Record(LaneError::Truncated).into());
                }
                FromWorker::Question { question, .. } if question.len() > LONGEST_QUESTION => {
                    return Err(Breach::Record(LaneError::Truncated).into());
                }
                FromWorker::Reply {
                    status,
                    output,
                    result,
                    ..
                } => {
                    return Ok(Replied {
                        length: result.len(),
                        status,
                        output,
                    });
                }
                FromWorker::Question { question, .. } => question,
            };
            let most = terms.questions;
            let answer = terms.answer.as_mut().filter(|_| asked < most);
            let answer = answer.ok_or(Breach::Questions(most))?;
            asked = asked.saturating_add(1);
            let body = answer(question, frame::body(&mut self.outgoing))?;
            let length = frame::encode_answer(&mut self.outgoing, self.id, body);
            self.send(length.map_err(Breach::Frame)?)?;
        }
    }

    /// Receives the next record, no longer than the caller takes.
    fn received(&mut self, terms: &Terms<'_>, until: Instant) -> Result<usize, CallError> {
        let questions = terms.answer.as_ref().map_or(0, |_| LONGEST_QUESTION);
        let most = HEADER.saturating_add(terms.longest_result.max(questions));
        let most = most.min(self.incoming.len());
        let buffer = self.incoming.get_mut(..most).unwrap_or_default();
        let lane = &self.lane;
        if self.asks_sender {
            await_record(lane, terms, until)?;
            self.asks_sender = asks_still(lane, &mut self.sender)?;
        }
        let look = |buffer: &mut [u8]| match lane.receive_bare(buffer) {
            Err(LaneError::NotReady) => None,
            other => Some(other),
        };
        let begun = Instant::now();
        let mut looked = self.polling.seek(|| begun.elapsed(), || look(buffer));
        while looked.is_none() {
            await_record(lane, terms, until)?;
            looked = look(buffer);
        }
        match looked {
            Some(Ok(received)) => Ok(received.length),
            Some(Err(error)) => Err(refused(error)),
            None => Err(CallError::Late),
        }
    }

    /// Tells the worker that its call was given up, and waits whether it stops.
    fn give_up(&mut self, grace: Duration) {
        self.arena.cancel(self.id);
        let none = Terms::within(grace);
        let until = none.until();
        let _stopped = await_record(&self.lane, &none, until);
    }
}

/// Asks the kernel who sent the first record, if that has come; whether it is to be asked again.
fn asks_still(lane: &Lane, sender: &mut Option<u32>) -> Result<bool, CallError> {
    match socket::look(lane.as_fd()).map(|record| record.sender) {
        Err(Errno::AGAIN) => return Ok(true),
        told => *sender = told.ok().flatten().map(|sender| sender.process),
    }
    sockopt::set_socket_passcred(lane, false).map_err(CallError::System)?;
    Ok(false)
}

/// Waits until there is a record, or the end of the worker.
fn await_record(lane: &Lane, terms: &Terms<'_>, until: Instant) -> Result<(), CallError> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(CallError::Late);
        }
        let timeout = Timespec::try_from(left).ok();
        let mut waited = [
            PollFd::new(lane, PollFlags::IN),
            PollFd::from_borrowed_fd(
                terms.cancel.map_or(lane.as_fd(), AsFd::as_fd),
                PollFlags::IN,
            ),
        ];
        match poll(&mut waited, timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => continue,
            Err(errno) => return Err(CallError::System(errno)),
            Ok(_) => {}
        }
        let [_, cancelled] = waited.map(|one| !one.revents().is_empty());
        if terms.cancel.is_some() && cancelled {
            return Err(CallError::Cancelled);
        }
        return Ok(());
    }
}

fn refused(error: LaneError) -> CallError {
    match error {
        LaneError::Gone => CallError::Died(Death::default()),
        error => Breach::Record(error).into(),
    }
}

/// What a worker that could not be locked down says.
fn failed(why: &[u8]) -> CallError {
    let why = why.get(..frame::LONGEST_FAILURE).unwrap_or(why);
    let text = String::from_utf8_lossy(why);
    let text = text.chars().filter(|one| !one.is_control()).collect();
    CallError::Died(Death {
        status: None,
        failure: Some(text),
    })
}
