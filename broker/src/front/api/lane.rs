//! One lane as it is served: the broker's end, its session, and who is at the other end.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use doorward_protocol::{
    hello::LaneFront,
    lane::{Lane, LaneError},
};
use rustix::{
    event::epoll::{self, EventData, EventFlags},
    io::Errno,
    net::{Shutdown, sockopt},
};

use crate::{
    session::{Completed, Delivery, Limits, Outgoing, Session, Violation},
    sys::socket::{self, Sender},
};

/// Bytes of replies that a client may leave unread; the kernel doubles it for its own needs.
const UNREAD: usize = 32 * 1024;

/// Makes a lane: the broker's end and the client's. The broker's refuses descriptors where
/// the kernel can, and learns who sends.
///
/// # Errors
/// What socketpair(2) and setsockopt(2) meet.
pub fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = Lane::pair()?;
    prepare(ours.as_fd())?;
    Ok((ours.into_fd(), theirs.into_fd()))
}

fn prepare(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    match socket::refuse_descriptors(socket) {
        // Before Linux 6.16 they are closed unseen, and the record is a violation.
        Ok(()) | Err(Errno::NOPROTOOPT) => {}
        Err(errno) => return Err(errno),
    }
    sockopt::set_socket_passcred(socket, true)?;
    match socket::pass_process(socket, true) {
        // Before Linux 6.5 there is no trap front.
        Ok(()) | Err(Errno::NOPROTOOPT) => {}
        Err(errno) => return Err(errno),
    }
    sockopt::set_socket_send_buffer_size(socket, UNREAD)
}

/// What changes while a lane is served.
#[derive(Debug)]
pub(super) struct State {
    pub(super) session: Session<Arc<OwnedFd>>,
    armed: bool,
}

/// Who sent the hello: what the kernel told.
#[derive(Debug, Default)]
struct Named {
    sender: Option<Sender>,
    process: Option<OwnedFd>,
}

/// A lane that is served.
#[derive(Debug)]
pub(super) struct Served {
    key: u64,
    lane: Lane,
    state: Mutex<State>,
    sender: OnceLock<Named>,
    front: OnceLock<LaneFront>,
    gone: AtomicBool,
}

impl Served {
    /// Prepares a lane and has its records reported under `key`.
    pub(super) fn new(socket: OwnedFd, key: u64, poller: &OwnedFd) -> Result<Self, Errno> {
        prepare(socket.as_fd())?;
        epoll::add(poller, &socket, EventData::new_u64(key), EventFlags::IN)?;
        Ok(Self {
            key,
            lane: Lane::from_fd(socket),
            state: Mutex::new(State {
                session: Session::new(Limits::LANE),
                armed: true,
            }),
            sender: OnceLock::new(),
            front: OnceLock::new(),
            gone: AtomicBool::new(false),
        })
    }

    pub(super) fn key(&self) -> u64 {
        self.key
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who sent the hello, where the kernel told.
    pub(super) fn sender(&self) -> Option<Sender> {
        self.sender.get()?.sender
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Whether the session is ready for more.
    pub(super) fn is_armed(&self) -> bool {
        self.state().armed && !self.is_gone()
    }

    /// The process that all records come from, on a lane of the trap front.
    pub(super) fn caller(&self) -> Option<(u32, &OwnedFd)> {
        if self.front.get() != Some(&LaneFront::Trap) {
            return None;
        }
        let named = self.sender.get()?;
        Some((named.sender?.process, named.process.as_ref()?))
    }

    /// By which front it asks.
    pub(super) fn front(&self) -> LaneFront {
        self.front.get().copied().unwrap_or(LaneFront::Api)
    }

    /// Is told by which front it asks, when the hello has said so.
    pub(super) fn greeted(&self, front: LaneFront) -> Result<(), Violation> {
        let _once = self.front.set(front);
        if front == LaneFront::Api {
            return Ok(());
        }
        if self.caller().is_none() {
            return Err(Violation::Unnamed);
        }
        let named = sockopt::set_socket_passcred(&self.lane, true);
        named.map_err(|errno| Violation::Record(LaneError::Failed(errno)))
    }

    /// Receives the next record, if there is one.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<usize, LaneError> {
        if self.sender.get().is_none() {
            let looked = socket::look(self.lane.as_fd())?;
            sockopt::set_socket_passcred(&self.lane, false)?;
            let _off = socket::pass_process(self.lane.as_fd(), false);
            let _first = self.sender.set(Named {
                sender: looked.sender,
                process: looked.process,
            });
        }
        match self.caller() {
            None => Ok(self.lane.receive_bare(buffer)?.length),
            Some((process, _)) => self.receive_from(process, buffer),
        }
    }

    fn receive_from(&self, process: u32, buffer: &mut [u8]) -> Result<usize, LaneError> {
        let record = socket::receive_from(self.lane.as_fd(), buffer)?;
        if record.length == 0 {
            return Err(LaneError::Gone);
        }
        if record.cut {
            return Err(LaneError::Truncated);
        }
        match record.sender {
            Some(sender) if sender.process == process => Ok(record.length),
            _ => Err(LaneError::Stranger),
        }
    }

    /// Has records reported while the session is ready for more, and not otherwise.
    pub(super) fn arm(&self, state: &mut State, poller: &OwnedFd) {
        let ready = state.session.is_ready();
        if ready == state.armed || self.is_gone() {
            return;
        }
        let flags = if ready {
            EventFlags::IN
        } else {
            EventFlags::empty()
        };
        let data = EventData::new_u64(self.key);
        if epoll::modify(poller, &self.lane, data, flags).is_ok() {
            state.armed = ready;
        }
    }

    /// Sends the frame of a session, without waiting.
    pub(super) fn send(&self, out: &Outgoing) -> Result<(), Violation> {
        sent(self.lane.send_now(out.frame(), None))
    }

    /// Completes a request and sends its reply. The broker's copy of a grant is closed
    /// when this returns.
    pub(super) fn complete(
        &self,
        state: &mut State,
        id: u32,
        completed: Completed<'_, Arc<OwnedFd>>,
        grant: Option<OwnedFd>,
    ) -> Result<(), Violation> {
        let mut out = Outgoing::new();
        let grant = match state.session.complete(id, completed, &mut out) {
            Delivery::Nothing => return Ok(()),
            Delivery::Send { descriptor: false } => return self.send(&out),
            Delivery::Send { descriptor: true } => grant,
        };
        let result = match &grant {
            Some(grant) => self.lane.send_now(out.frame(), Some(grant.as_fd())),
            None => Err(LaneError::Failed(Errno::BADF)),
        };
        drop(grant);
        match result {
            // Too many descriptors in flight: the request fails, the lane goes on.
            Err(LaneError::Failed(errno)) => {
                state.session.take_back(errno, &mut out);
                self.send(&out)
            }
            result => sent(result),
        }
    }

    /// Ends the lane: what is in flight is given up, and the other side sees a hang-up.
    pub(super) fn end(&self) {
        self.gone.store(true, Ordering::Release);
        self.state().session.end();
        let _already = rustix::net::shutdown(&self.lane, Shutdown::Both);
    }

    /// Has nothing reported any more.
    pub(super) fn unwatch(&self, poller: &OwnedFd) {
        let _gone = epoll::delete(poller, &self.lane);
    }
}

fn sent(result: Result<(), LaneError>) -> Result<(), Violation> {
    match result {
        Ok(()) => Ok(()),
        Err(LaneError::NotReady) => Err(Violation::NotReading),
        Err(error) => Err(Violation::Record(error)),
    }
}
