//! The session of a lane, without I/O: records in, effects out.
//!
//! Every byte of a record is hostile. Safe, because a record is decoded whole before
//! anything of it is kept, every step is legal in one phase only, whatever is not legal
//! ends the session for good, and all that it remembers is bounded. It reads no clock and
//! performs nothing, so tests and fuzzers drive it as the driver of `front::api` does.

mod handles;
#[cfg(test)]
mod tests;
mod violation;

pub use handles::{FIRST_HANDLE, Pins};
pub use violation::Violation;

use doorward_protocol::{
    Operation, Reply, Request,
    frame::{self, Incoming, LONGEST_REPLY_FRAME},
    hello::{Hello, LaneFront, MAGIC, VERSION, Welcome},
};
use handles::Handles;
use rustix::io::Errno;

/// How much a lane may have of what the broker keeps for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests in flight.
    pub in_flight: usize,
    /// Directory handles.
    pub handles: usize,
}

impl Limits {
    /// Those of docs/PROTOCOL.md.
    pub const LANE: Self = Self {
        in_flight: 4,
        handles: 256,
    };
}

/// Room for one frame to the client.
#[derive(Debug, Clone)]
pub struct Outgoing {
    bytes: [u8; LONGEST_REPLY_FRAME],
    length: usize,
    /// The request that a grant in it answers, and the handle given with it.
    grant: Option<(Pending, Option<i32>)>,
}

impl Outgoing {
    /// Without a frame.
    pub const fn new() -> Self {
        Self {
            bytes: [0; LONGEST_REPLY_FRAME],
            length: 0,
            grant: None,
        }
    }

    /// The frame; empty if there is none.
    pub fn frame(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::new()
    }
}

/// What the driver is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect<'a, P> {
    /// Send the frame.
    Send,
    /// Perform the request, then call [`Session::complete`] with its id.
    Perform {
        /// Its id.
        id: u32,
        /// What is asked.
        request: Request<'a>,
        /// The directories that its handles mean.
        pins: Pins<P>,
    },
    /// Make a lane, then call [`Session::complete`] with the id.
    Another {
        /// The id of the request.
        id: u32,
    },
}

/// What came of a request in flight.
#[derive(Debug)]
pub struct Completed<'a, P> {
    /// The reply; for [`Reply::Descriptor`] the handle in it is not looked at.
    pub reply: Reply<'a>,
    /// A pin of the directory granted, where the client shall have a handle for it.
    pub directory: Option<P>,
}

/// Whether a reply is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Send the frame, with the descriptor if `descriptor`; else close it.
    Send {
        /// Whether the descriptor goes with it.
        descriptor: bool,
    },
    /// The session is over: close what was granted.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Hello,
    Open,
    Over,
}

/// A request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    id: u32,
    operation: Operation,
}

/// The session of one lane. `P` is what a directory is pinned by.
#[derive(Debug)]
pub struct Session<P> {
    phase: Phase,
    front: LaneFront,
    limits: Limits,
    pending: Vec<Pending>,
    handles: Handles<P>,
}

impl<P: Clone> Session<P> {
    /// Of a fresh lane.
    pub fn new(limits: Limits) -> Self {
        Self {
            phase: Phase::Hello,
            front: LaneFront::Api,
            limits,
            pending: Vec::new(),
            handles: Handles::new(limits.handles),
        }
    }

    /// How it is asked, once it has been greeted.
    pub fn front(&self) -> Option<LaneFront> {
        (self.phase == Phase::Open).then_some(self.front)
    }

    /// Whether another request may be read: not while as many as allowed are in flight.
    pub fn is_ready(&self) -> bool {
        self.phase != Phase::Over && self.pending.len() < self.limits.in_flight
    }

    /// Whether it awaits the hello.
    pub fn is_fresh(&self) -> bool {
        self.phase == Phase::Hello
    }

    /// How many directory handles it holds.
    pub fn handles(&self) -> usize {
        self.handles.len()
    }

    /// How many requests are in flight.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Ends it: nothing is received or delivered any more, all handles are dropped.
    pub fn end(&mut self) {
        self.phase = Phase::Over;
        self.pending = Vec::new();
        self.handles.clear();
    }

    /// Takes one record, with which `descriptors` came.
    ///
    /// # Errors
    /// [`Violation`]: the session is over. A frame in `out` tells the client why.
    pub fn receive<'a>(
        &mut self,
        record: &'a [u8],
        descriptors: usize,
        out: &mut Outgoing,
    ) -> Result<Effect<'a, P>, Violation> {
        out.length = 0;
        let effect = self.step(record, descriptors, out);
        if effect.is_err() {
            self.end();
        }
        effect
    }

    fn step<'a>(
        &mut self,
        record: &'a [u8],
        descriptors: usize,
        out: &mut Outgoing,
    ) -> Result<Effect<'a, P>, Violation> {
        if self.phase == Phase::Over {
            return Err(Violation::Over);
        }
        match (frame::decode_request(record, descriptors)?, self.phase) {
            (Incoming::Hello(hello), Phase::Hello) => self.greet(hello, out),
            (Incoming::Hello(_), _) => Err(Violation::SecondHello),
            (Incoming::Request { .. }, Phase::Hello) => Err(Violation::BeforeHello),
            (Incoming::Request { id, request }, _) => self.take(id, request, out),
        }
    }

    fn greet<'a>(&mut self, hello: Hello, out: &mut Outgoing) -> Result<Effect<'a, P>, Violation> {
        if hello.magic != MAGIC {
            return Err(Violation::Magic);
        }
        let count = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let welcome = Welcome::new(
            hello.front,
            count(self.limits.in_flight),
            count(self.limits.handles),
        );
        out.length = frame::encode_welcome(&mut out.bytes, &welcome).map_err(Violation::Reply)?;
        if hello.version != VERSION {
            return Err(Violation::Version(hello.version));
        }
        if usize::try_from(hello.message_limit).is_ok_and(|limit| limit < LONGEST_REPLY_FRAME) {
            return Err(Violation::Size(hello.message_limit));
        }
        self.phase = Phase::Open;
        self.front = hello.front;
        Ok(Effect::Send)
    }

    fn take<'a>(
        &mut self,
        id: u32,
        request: Request<'a>,
        out: &mut Outgoing,
    ) -> Result<Effect<'a, P>, Violation> {
        let operation = request.operation();
        if !operation.row().is_asked_by(self.front) {
            return Err(Violation::OtherFront(operation.name()));
        }
        if self.pending.iter().any(|pending| pending.id == id) {
            return Err(Violation::RepeatedId(id));
        }
        if self.pending.len() >= self.limits.in_flight {
            return Err(Violation::TooMany);
        }
        if let Request::Forget { handle } = request {
            let reply = match self.handles.forget(handle) {
                true => Reply::Value(0),
                false => Reply::Errno(Errno::BADF.raw_os_error()),
            };
            write(out, operation, id, &reply);
            return Ok(Effect::Send);
        }
        self.pending.push(Pending { id, operation });
        Ok(match request {
            Request::Lane => Effect::Another { id },
            request => Effect::Perform {
                id,
                pins: match self.front {
                    LaneFront::Api => self.handles.pins(&request),
                    LaneFront::Trap => Pins::none(),
                },
                request,
            },
        })
    }

    /// Takes what came of a request in flight, and writes the frame of its reply.
    pub fn complete(
        &mut self,
        id: u32,
        completed: Completed<'_, P>,
        out: &mut Outgoing,
    ) -> Delivery {
        out.length = 0;
        let Some(place) = self.pending.iter().position(|pending| pending.id == id) else {
            return Delivery::Nothing;
        };
        let pending = self.pending.swap_remove(place);
        let operation = pending.operation;
        let reply = self.settle(operation, completed);
        let descriptor = reply.descriptors() > 0;
        out.grant = match reply {
            Reply::Descriptor { handle } => Some((pending, handle)),
            _ => None,
        };
        write(out, operation, id, &reply);
        Delivery::Send { descriptor }
    }

    /// Takes back the grant in a frame that could not be sent; the frame becomes that errno.
    pub fn take_back(&mut self, errno: Errno, out: &mut Outgoing) {
        out.length = 0;
        let Some((pending, handle)) = out.grant.take() else {
            return;
        };
        if let Some(handle) = handle {
            self.handles.forget(handle);
        }
        let reply = Reply::Errno(errno.raw_os_error());
        write(out, pending.operation, pending.id, &reply);
    }

    fn settle<'a>(&mut self, operation: Operation, completed: Completed<'a, P>) -> Reply<'a> {
        let reply = match (completed.reply, completed.directory) {
            (Reply::Descriptor { .. }, None) => Reply::Descriptor { handle: None },
            (Reply::Descriptor { .. }, Some(directory)) => match self.handles.add(directory) {
                Some(handle) => Reply::Descriptor {
                    handle: Some(handle),
                },
                None => Reply::Errno(Errno::MFILE.raw_os_error()),
            },
            (reply, _) => reply,
        };
        match reply.kind() {
            Some(kind) if kind != operation.row().reply_by(self.front) => {
                Reply::Errno(Errno::PROTO.raw_os_error())
            }
            _ => reply,
        }
    }
}

/// Writes a reply; one that is longer than its row allows becomes an errno, which fits.
fn write(out: &mut Outgoing, operation: Operation, id: u32, reply: &Reply<'_>) {
    let long = Reply::Errno(Errno::NAMETOOLONG.raw_os_error());
    out.length = frame::encode_reply(&mut out.bytes, operation, id, reply)
        .or_else(|_| frame::encode_reply(&mut out.bytes, operation, id, &long))
        .unwrap_or(0);
}
