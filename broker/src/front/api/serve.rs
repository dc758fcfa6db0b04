//! The loop over the lanes of one sandbox, and the workers for what may block.
//!
//! After a turn the loop looks for the next record for a bounded time before it sleeps
//! ([`Polling`]), on all lanes at once, so that none is looked at at the expense of another.
//! There is one such loop a sandbox, which a sandboxee can keep busy by asking anyway; one
//! that asks in just the rhythm that keeps the loop looking gains nothing by it, and all
//! others make it look ever more rarely. A lane that is the only one is read without asking
//! which lanes have records: there is none then that it could keep waiting.

use std::{
    os::fd::{BorrowedFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use doorward_policy::{RuleId, Verdict};
use doorward_protocol::{
    Reply, Request,
    frame::{self, Incoming, LONGEST_REQUEST_FRAME},
    hello::LaneFront,
    lane::LaneError,
    polling::Polling,
};
use rustix::{
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    fs::{Mode, OFlags},
    io::Errno,
};

use super::{
    asker::LaneAsker,
    caller::Caller,
    lane::{Served, pair},
    lanes::Lanes,
    report::ApiReport,
};
use crate::{
    audit::Entry,
    control::{self, Defence},
    front::{
        Context,
        workers::{Slot, Workers},
    },
    service::{Answer, Asker, Decision, Outcome, Patience},
    session::{Completed, Effect, Outgoing, Pins, Violation},
};

/// Lanes that may wait for their hello where processes share the lane that they get them on.
const UNTAKEN: usize = 16;
/// How long a request may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Records that the only lane may have read one after the other before `stop` is looked at.
const UNASKED: u32 = 64;
/// What `stop` is reported under; lanes are numbered from 1.
const STOP: u64 = 0;

/// Why serving ended before the sandbox did.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The lanes could not be watched.
    #[error("cannot watch the lanes of a sandbox")]
    Watch(#[source] Errno),
    /// Waiting failed.
    #[error("cannot wait for requests")]
    Wait(#[source] Errno),
    /// No worker could be started.
    #[error("cannot start a thread for requests that may block; raise the limit of processes")]
    Thread,
}

/// A request on its way to a worker.
struct Job {
    served: Arc<Served>,
    record: Vec<u8>,
    pins: Pins<Arc<OwnedFd>>,
    received: Instant,
}

struct Front {
    context: Context,
    poller: OwnedFd,
    report: Mutex<ApiReport>,
    /// Held while a grant is delivered: nothing else is served until the broker's copy of
    /// it is closed.
    delivering: Mutex<()>,
}

/// Serves the lanes of one sandbox, beginning with `first_lane`, until all of them are
/// closed or `stop` is readable or hung up.
///
/// # Errors
/// [`ApiError`] when waiting fails; all lanes are closed then.
pub fn serve(
    first_lane: OwnedFd,
    context: Context,
    stop: BorrowedFd<'_>,
) -> Result<ApiReport, ApiError> {
    let poller = epoll::create(CreateFlags::CLOEXEC).map_err(ApiError::Watch)?;
    epoll::add(&poller, stop, EventData::new_u64(STOP), EventFlags::IN).map_err(ApiError::Watch)?;
    let front = Front {
        context,
        poller,
        report: Mutex::default(),
        delivering: Mutex::default(),
    };
    let mut lanes = Lanes::default();
    front.add(&mut lanes, first_lane).map_err(ApiError::Watch)?;
    let workers = Workers::new();
    let work = |job: Job, slot: &Slot<'_>| front.perform(&job, slot);
    let result = std::thread::scope(|scope| {
        let started = workers.start(scope, &work);
        let result = if !started {
            Err(ApiError::Thread)
        } else {
            front.receive(&mut lanes, &workers, stop)
        };
        for served in lanes.served.values() {
            served.end();
        }
        workers.close();
        result
    });
    let report = front.report().clone();
    report.tell_rest();
    result.map(|()| report)
}

impl Front {
    fn report(&self) -> MutexGuard<'_, ApiReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn barrier(&self) -> MutexGuard<'_, ()> {
        self.delivering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, lanes: &mut Lanes, socket: OwnedFd) -> Result<(), Errno> {
        let key = lanes.last.checked_add(1).ok_or(Errno::MFILE)?;
        let served = Served::new(socket, key, &self.poller)?;
        lanes.last = key;
        lanes.served.insert(key, Arc::new(served));
        let mut report = self.report();
        report.lanes = report.lanes.saturating_add(1);
        Ok(())
    }

    fn receive(
        &self,
        lanes: &mut Lanes,
        workers: &Workers<Job>,
        stop: BorrowedFd<'_>,
    ) -> Result<(), ApiError> {
        let mut buffer = vec![0; LONGEST_REQUEST_FRAME];
        let mut events: Vec<Event> = Vec::with_capacity(64);
        let mut polling = Polling::default();
        let mut unasked = 0u32;
        while !lanes.served.is_empty() {
            let only = lanes.only().filter(|_| unasked < UNASKED);
            let read = self.wait(only.as_deref(), &mut buffer, &mut events, &mut polling)?;
            if let (Some(only), Some(read)) = (only, read) {
                unasked = unasked.saturating_add(1);
                let record = read.map(|length| buffer.get(..length).unwrap_or_default());
                if self.turn(&only, record, lanes, workers, stop)? {
                    return Ok(());
                }
                continue;
            }
            unasked = 0;
            for event in &events {
                let (key, flags) = (event.data.u64(), event.flags);
                if key == STOP {
                    return Ok(());
                }
                let Some(served) = lanes.served.get(&key).map(Arc::clone) else {
                    continue;
                };
                // One record a lane and turn, so that none keeps another waiting.
                let read = if flags.contains(EventFlags::IN) && !served.is_gone() {
                    served.receive(&mut buffer)
                } else {
                    Err(LaneError::Gone)
                };
                let record = match read {
                    Err(LaneError::NotReady) => continue,
                    read => read.map(|length| buffer.get(..length).unwrap_or_default()),
                };
                if self.turn(&served, record, lanes, workers, stop)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Waits for a record on `only`, where that is the only lane, and returns what it read
    /// of it; else until there are events.
    fn wait(
        &self,
        only: Option<&Served>,
        buffer: &mut [u8],
        events: &mut Vec<Event>,
        polling: &mut Polling,
    ) -> Result<Option<Result<usize, LaneError>>, ApiError> {
        events.clear();
        let look = || match only {
            Some(only) => match only.receive(buffer) {
                Err(LaneError::NotReady) => None,
                read => Some(Ok(Some(read))),
            },
            None => self.look(events, Some(&Timespec::default())),
        };
        let begun = Instant::now();
        let found = polling.seek(|| begun.elapsed(), look);
        if let Some(found) = found {
            return found;
        }
        loop {
            if let Some(found) = self.look(events, None) {
                return found;
            }
        }
    }

    /// Looks for events, for so long; none where there are none yet.
    fn look(
        &self,
        events: &mut Vec<Event>,
        timeout: Option<&Timespec>,
    ) -> Option<Result<Option<Result<usize, LaneError>>, ApiError>> {
        let space = rustix::buffer::spare_capacity(events);
        match epoll::wait(&self.poller, space, timeout) {
            Ok(0) | Err(Errno::INTR) => None,
            Ok(_) => Some(Ok(None)),
            Err(errno) => Some(Err(ApiError::Wait(errno))),
        }
    }

    /// Does what a record asks, or ends its lane; whether serving is to end.
    fn turn(
        &self,
        served: &Arc<Served>,
        record: Result<&[u8], LaneError>,
        lanes: &mut Lanes,
        workers: &Workers<Job>,
        stop: BorrowedFd<'_>,
    ) -> Result<bool, ApiError> {
        let result = match record {
            Ok(record) => {
                if self.context.paced(stop).map_err(ApiError::Wait)? {
                    return Ok(true);
                }
                self.fenced(|| self.take(served, record, lanes, workers))
            }
            Err(error) => Err(error.into()),
        };
        if let Err(violation) = result {
            self.remove(lanes, served, &violation);
        }
        Ok(false)
    }

    fn remove(&self, lanes: &mut Lanes, served: &Served, violation: &Violation) {
        self.end(served, violation);
        served.unwatch(&self.poller);
        lanes.served.remove(&served.key());
    }

    /// Ends a lane. The loop is told by its hang-up, if it is not the loop that ends it.
    fn end(&self, served: &Served, violation: &Violation) {
        served.end();
        if *violation != Violation::Record(LaneError::Gone) {
            self.report().tell(violation);
        }
    }

    /// A panic costs the lane.
    fn fenced(&self, work: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            tracing::error!("a request on a lane ended in a panic");
            Err(Violation::Over)
        })
    }

    /// Does what the session says of one record.
    fn take(
        &self,
        served: &Arc<Served>,
        record: &[u8],
        lanes: &mut Lanes,
        workers: &Workers<Job>,
    ) -> Result<(), Violation> {
        drop(self.barrier());
        let received = Instant::now();
        let mut out = Outgoing::new();
        let (effect, greeted) = {
            let mut state = served.state();
            let fresh = state.session.is_fresh();
            let effect = state.session.receive(record, 0, &mut out);
            served.arm(&mut state, &self.poller);
            let greeted = fresh.then(|| state.session.front()).flatten();
            (effect, greeted)
        };
        if let Some(front) = greeted {
            served.greeted(front)?;
        }
        match effect {
            Ok(Effect::Send) => served.send(&out),
            Ok(Effect::Another { id }) => self.another(served, lanes, id, received),
            Ok(Effect::Perform { id, request, pins }) => {
                self.count();
                let done = self.attempt(served, (id, &request), &pins, received, None)?;
                if !done {
                    workers.push(Job {
                        served: Arc::clone(served),
                        record: record.to_vec(),
                        pins,
                        received,
                    });
                }
                Ok(())
            }
            Err(violation) => {
                if !out.frame().is_empty() {
                    let _told = served.send(&out);
                }
                Err(violation)
            }
        }
    }

    fn count(&self) {
        let mut report = self.report();
        report.served = report.served.saturating_add(1);
    }

    fn perform(&self, job: &Job, slot: &Slot<'_>) {
        let result = self.fenced(|| {
            // The session took this very record; only its borrow could not wait with it.
            let Incoming::Request { id, request } = frame::decode_request(&job.record, 0)? else {
                return Err(Violation::SecondHello);
            };
            let asked = (id, &request);
            if !self.attempt(&job.served, asked, &job.pins, job.received, Some(slot))? {
                self.deliver(&job.served, asked, Answer::Errno(Errno::AGAIN))?;
            }
            Ok(())
        });
        if let Err(violation) = result {
            self.end(&job.served, &violation);
        }
    }

    /// Performs and answers; false if that would block and there is no `slot` to block in.
    fn attempt(
        &self,
        served: &Served,
        (id, request): (u32, &Request<'_>),
        pins: &Pins<Arc<OwnedFd>>,
        received: Instant,
        slot: Option<&Slot<'_>>,
    ) -> Result<bool, Violation> {
        let lane;
        let caller;
        let asker: &dyn Asker = match served.caller() {
            None => {
                lane = LaneAsker {
                    served,
                    pins,
                    deadline: received.checked_add(DEADLINE).unwrap_or(received),
                    slot,
                };
                &lane
            }
            Some((number, pin)) => {
                caller = Caller {
                    served,
                    number,
                    pin,
                    slot,
                };
                &caller
            }
        };
        let patience = match slot {
            None if !control::is_off(Defence::WaitsElsewhere) => Patience::Cached,
            _ => Patience::Blocking,
        };
        let decision = match self.context.services.perform(request, asker, patience) {
            Outcome::Done(decision) => decision,
            Outcome::WouldBlock => return Ok(false),
        };
        self.record(served, request, &decision, received);
        self.deliver(served, (id, request), decision.answer)?;
        Ok(true)
    }

    fn record(
        &self,
        served: &Served,
        request: &Request<'_>,
        decision: &Decision,
        received: Instant,
    ) {
        self.context.audit.record(&Entry {
            front: served.front().name(),
            process: served.sender().map_or(0, |sender| sender.process),
            request,
            decision,
            latency: received.elapsed(),
        });
    }

    fn deliver(
        &self,
        served: &Served,
        (id, request): (u32, &Request<'_>),
        answer: Answer,
    ) -> Result<(), Violation> {
        let (mut directory, mut grant) = (None, None);
        let bytes;
        let reply = match answer {
            Answer::Value(value) => Reply::Value(value),
            Answer::Bytes(text) => {
                bytes = text;
                Reply::Bytes(&bytes)
            }
            Answer::Stat(stat) => Reply::Stat(*stat),
            Answer::FileSystem(stat) => Reply::FileSystem(*stat),
            Answer::Errno(errno) => Reply::Errno(errno.raw_os_error()),
            // What was allowed, the process does itself.
            Answer::Continue if served.front() == LaneFront::Trap => Reply::Value(0),
            Answer::Continue => Reply::Errno(Errno::ACCESS.raw_os_error()),
            Answer::Descriptor { descriptor, .. } if served.front() == LaneFront::Trap => {
                grant = Some(descriptor);
                Reply::Descriptor { handle: None }
            }
            Answer::Descriptor { descriptor, .. } => match directory_pin(request, &descriptor) {
                Ok(pin) => {
                    directory = pin.map(Arc::new);
                    grant = Some(descriptor);
                    Reply::Descriptor { handle: None }
                }
                Err(errno) => Reply::Errno(errno.raw_os_error()),
            },
        };
        let completed = Completed { reply, directory };
        let _barrier = self.barrier();
        let mut state = served.state();
        served.complete(&mut state, id, completed, grant)?;
        served.arm(&mut state, &self.poller);
        Ok(())
    }

    /// Answers nothing, where processes share a lane: one that died before it took its reply has
    /// left that for this one.
    fn unanswered(&self, served: &Served, id: u32) -> Result<(), Violation> {
        let completed = Completed {
            reply: Reply::Errno(Errno::AGAIN.raw_os_error()),
            directory: None,
        };
        let mut state = served.state();
        let _unsent = state.session.complete(id, completed, &mut Outgoing::new());
        served.arm(&mut state, &self.poller);
        Ok(())
    }

    /// Grants a lane more.
    fn another(
        &self,
        served: &Served,
        lanes: &mut Lanes,
        id: u32,
        received: Instant,
    ) -> Result<(), Violation> {
        self.count();
        if self.context.rendezvous
            && lanes.untaken() >= UNTAKEN
            && !control::is_off(Defence::UntakenFew)
        {
            return self.unanswered(served, id);
        }
        let made = if lanes.is_full() {
            Err(Errno::MFILE)
        } else {
            pair().and_then(|(ours, theirs)| self.add(lanes, ours).map(|()| theirs))
        };
        let answer = match made {
            Ok(descriptor) => Answer::Descriptor {
                descriptor,
                close_on_exec: true,
            },
            Err(errno) => Answer::Errno(errno),
        };
        let decision = Decision {
            answer,
            verdict: Verdict::Allow(RuleId::OWN),
            object: Vec::new(),
        };
        self.record(served, &Request::Lane, &decision, received);
        self.deliver(served, (id, &Request::Lane), decision.answer)
    }
}

/// A pin of the directory that was opened to name others by (`O_PATH`), for its handle.
fn directory_pin(request: &Request<'_>, granted: &OwnedFd) -> Result<Option<OwnedFd>, Errno> {
    let Request::Open { flags, .. } = request else {
        return Ok(None);
    };
    if flags & u64::from(OFlags::PATH.bits()) == 0 {
        return Ok(None);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(granted, ".", flags, Mode::empty()) {
        Ok(pin) => Ok(Some(pin)),
        Err(Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}
