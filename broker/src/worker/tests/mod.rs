//! Calls against workers that are played by a thread: honest ones and hostile ones. Beside each
//! attack stands what it does to a host that trusts.

mod bounds;
mod honest;
mod hostile;

use std::{
    os::fd::OwnedFd,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use doorward_protocol::{
    arena::{Arena, Span},
    call::{self as frame, FromHost, LONGEST_FRAME, Status},
    lane::Lane,
};
use std::os::fd::AsFd;

use super::{Answer, CallError, Connection, Reply, Request, Tainted, Terms};

const ARENA: usize = 64 * 1024;
/// Longer than any of these calls takes.
const LONG: Duration = Duration::from_secs(20);

/// The worker's side, in the hands of a test.
struct Puppet {
    lane: Lane,
    arena: Arena,
}

impl Puppet {
    fn new(socket: OwnedFd, arena: OwnedFd) -> Self {
        Self {
            lane: Lane::from_fd(socket),
            arena: Arena::map(arena.as_fd()).unwrap(),
        }
    }

    /// Waits for a call.
    fn called(&self) -> Option<frame::Call> {
        let mut buffer = vec![0; LONGEST_FRAME];
        let received = self.lane.receive(&mut buffer).ok()?;
        match frame::decode_from_host(&buffer[..received.length]).unwrap() {
            FromHost::Call(call, _) => Some(call),
            other => panic!("{other:?}"),
        }
    }

    /// Replies with a number.
    fn reply(&self, id: u32, output: Span, number: u64) {
        let _gone = self.lane.send(&reply(id, output, number));
    }
}

/// A reply as an honest worker makes it.
fn reply(id: u32, output: Span, number: u64) -> Vec<u8> {
    let mut buffer = vec![0; LONGEST_FRAME];
    let body = super::encode(&number, frame::body(&mut buffer)).unwrap();
    let length = frame::encode_reply(&mut buffer, id, Status::Done, output, body).unwrap();
    buffer.truncate(length);
    buffer
}

/// A host, and what its worker does in a thread.
fn against<T: Send + 'static>(
    play: impl FnOnce(Puppet) -> T + Send + 'static,
) -> (Connection, JoinHandle<T>) {
    let (connection, socket, arena) = Connection::pair(ARENA).unwrap();
    let thread = std::thread::spawn(move || play(Puppet::new(socket, arena)));
    (connection, thread)
}

/// Asks for a number.
fn number(
    connection: &mut Connection,
    mut terms: Terms<'_>,
) -> Result<Tainted<Answer<u64>>, CallError> {
    let request = Request {
        method: 0,
        name: "number",
        idempotent: false,
        arguments: &(),
    };
    connection
        .call(&request, &mut terms)
        .and_then(Reply::decoded)
}

/// One call of a host whose worker does that, and how long it took.
fn once(
    terms: Terms<'_>,
    play: impl FnOnce(Puppet) + Send + 'static,
) -> (Result<Tainted<Answer<u64>>, CallError>, Duration) {
    let (mut connection, worker) = against(play);
    let begun = Instant::now();
    let result = number(&mut connection, terms);
    let took = begun.elapsed();
    drop(connection);
    worker.join().unwrap();
    (result, took)
}
