//! The loop that receives notifications, and the workers for what may block.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use doorward_policy::filter::Arch;
use doorward_protocol::{
    Operation, Row,
    operation::{Call, TABLE},
    syscall::{Copied, Memory as _, decode, layout},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use super::{
    asker::{Last, Waiting, stands},
    memory::Memory,
    responder::{Continuable, Responder},
    seat::Seat,
    written::Written,
};
use crate::{
    audit::Entry,
    control::{self, Defence},
    front::{
        Context,
        process::Holds as _,
        workers::{Slot, Workers},
    },
    service::{Answer, Outcome, Patience},
    sys::notify::{self, Notification},
};

/// How long the serving thread keeps its place without a request.
const SEATED: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

/// Why serving ended before the sandbox did.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// Waiting for notifications failed.
    #[error("cannot wait for notifications")]
    Wait(#[source] Errno),
    /// Receiving a notification failed.
    #[error("cannot receive a notification")]
    Receive(#[source] Errno),
    /// No thread for what may block could be started.
    #[error("cannot start a thread; see the limit of processes of the host user")]
    Thread,
}

/// What was served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyReport {
    /// Notifications received.
    pub served: u64,
    /// Notifications continued in the kernel, by name of the call.
    pub continued: BTreeMap<String, u64>,
}

impl NotifyReport {
    /// Adds what was served elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        self.served = self.served.saturating_add(other.served);
        for (call, count) in other.continued {
            let sum = self.continued.entry(call).or_default();
            *sum = sum.saturating_add(count);
        }
    }
}

/// A notification on its way to a worker, its arguments copied.
struct Job {
    notification: Notification,
    operation: Operation,
    call: &'static Call,
    copied: Copied<Vec<u8>>,
    received: Instant,
}

/// What the serving thread keeps from request to request.
struct Serving {
    seat: Seat,
    last: Last,
}

/// Who performs a request.
#[derive(Clone, Copy)]
enum By<'a> {
    /// The serving thread, which must not block.
    Serving(&'a Serving),
    /// A worker.
    Worker(&'a Slot<'a>),
}

struct Front {
    listener: OwnedFd,
    context: Context,
    calls: Vec<Option<Known>>,
    report: Mutex<NotifyReport>,
}

/// Serves the notifications of one sandbox until all its processes are gone, or
/// `stop` is readable or hung up.
///
/// # Errors
/// [`NotifyError`] when the listener fails; the sandboxee's calls then fail with ENOSYS.
pub fn serve(
    listener: OwnedFd,
    context: Context,
    stop: BorrowedFd<'_>,
) -> Result<NotifyReport, NotifyError> {
    let _same_processor = notify::wake_here(listener.as_fd());
    let front = Front {
        listener,
        context,
        calls: calls(),
        report: Mutex::default(),
    };
    let workers = Workers::new();
    let work = |job: Job, slot: &Slot<'_>| front.fenced(|| front.perform(&job, slot));
    let result = std::thread::scope(|scope| {
        let started = workers.start(scope, &work);
        let result = if !started {
            Err(NotifyError::Thread)
        } else {
            front.receive(&workers, stop)
        };
        workers.close();
        result
    });
    let report = front.report().clone();
    result.map(|()| report)
}

/// A call of the table, and the operation that it asks for.
type Known = (Operation, &'static Call);

/// The table's calls by number on this architecture.
fn calls() -> Vec<Option<Known>> {
    let of = |row: &'static Row| row.calls.iter().map(|call| (row.operation, call));
    let mut calls = Vec::new();
    for (operation, call) in TABLE.iter().flat_map(of) {
        let number = Arch::native()
            .number(call.name)
            .and_then(|number| usize::try_from(number).ok());
        let Some(number) = number else { continue };
        if calls.len() <= number {
            calls.resize(number.saturating_add(1), None);
        }
        if let Some(slot) = calls.get_mut(number) {
            *slot = Some((operation, call));
        }
    }
    calls
}

impl Front {
    fn receive(&self, workers: &Workers<Job>, stop: BorrowedFd<'_>) -> Result<(), NotifyError> {
        let serving = Serving {
            seat: Seat::new(),
            last: Last::default(),
        };
        loop {
            let mut ready = [
                PollFd::new(&self.listener, PollFlags::IN),
                PollFd::from_borrowed_fd(stop, PollFlags::IN),
            ];
            let patience = serving.seat.is_taken().then_some(&SEATED);
            match poll(&mut ready, patience) {
                Err(Errno::INTR) => continue,
                Ok(0) => {
                    serving.seat.leave();
                    serving.last.take();
                    continue;
                }
                other => other.map_err(NotifyError::Wait)?,
            };
            let [listener, stopped] = ready.map(|one| one.revents());
            if !stopped.is_empty()
                || (listener.contains(PollFlags::HUP) && !listener.contains(PollFlags::IN))
            {
                return Ok(());
            }
            // A request waits unreceived: until it is, the kernel answers its signals.
            if self.context.paced(stop).map_err(NotifyError::Wait)? {
                return Ok(());
            }
            match notify::receive(self.listener.as_fd()) {
                Ok(notification) => self.fenced(|| self.take(notification, workers, &serving)),
                Err(Errno::NOENT | Errno::INTR) => {}
                Err(errno) => return Err(NotifyError::Receive(errno)),
            }
        }
    }

    fn report(&self) -> MutexGuard<'_, NotifyReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        let mut report = self.report();
        report.served = report.served.saturating_add(1);
    }

    /// A panic costs the one request: its responder denies when dropped.
    fn fenced(&self, work: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("a request ended in a panic and was denied");
        }
    }

    fn take(&self, notification: Notification, workers: &Workers<Job>, serving: &Serving) {
        let received = Instant::now();
        self.count();
        let responder = Responder::new(self.listener.as_fd(), notification.id);
        let number = usize::try_from(notification.number).ok();
        let Some((operation, call)) =
            number.and_then(|number| self.calls.get(number).copied().flatten())
        else {
            return responder.errno(Errno::NOSYS);
        };
        let Some(memory) = memory(&notification) else {
            return responder.errno(Errno::SRCH);
        };
        let copied = Copied::of(call.name, notification.arguments, &memory);
        if !stands(self.listener.as_fd(), notification.id) {
            return;
        }
        let copied = match copied {
            Ok(copied) => copied,
            Err(errno) => {
                self.context.audit.undecoded(operation, errno);
                return responder.errno(errno);
            }
        };
        let job = Job {
            notification,
            operation,
            call,
            copied,
            received,
        };
        if let Some(responder) = self.attempt(&job, By::Serving(serving), responder) {
            responder.hand_over();
            workers.push(job);
        }
    }

    fn perform(&self, job: &Job, slot: &Slot<'_>) {
        let responder = Responder::new(self.listener.as_fd(), job.notification.id);
        if let Some(left) = self.attempt(job, By::Worker(slot), responder) {
            left.errno(Errno::AGAIN);
        }
    }

    /// Performs and answers; the responder comes back if that would block. Only what has a
    /// slot among the workers may.
    fn attempt<'a>(
        &'a self,
        job: &Job,
        by: By<'_>,
        responder: Responder<'a>,
    ) -> Option<Responder<'a>> {
        let (slot, last, patience) = match by {
            By::Serving(serving) if control::is_off(Defence::WaitsElsewhere) => {
                (None, Some(&serving.last), Patience::Blocking)
            }
            By::Serving(serving) => (None, Some(&serving.last), Patience::Cached),
            By::Worker(slot) => (Some(slot), None, Patience::Blocking),
        };
        let waiting = Waiting {
            listener: self.listener.as_fd(),
            id: job.notification.id,
            thread: i32::try_from(job.notification.thread).unwrap_or(i32::MAX),
            slot,
            starting: self.context.starting.as_deref(),
            last,
        };
        let request = match decode(job.call.name, &job.copied) {
            Ok(request) => request,
            Err(errno) => {
                self.context.audit.undecoded(job.operation, errno);
                responder.errno(errno);
                return None;
            }
        };
        let decision = match self.context.services.perform(&request, &waiting, patience) {
            Outcome::Done(decision) => decision,
            Outcome::WouldBlock => return Some(responder),
        };
        self.context.audit.record(&Entry {
            front: "notify",
            process: job.notification.thread,
            request: &request,
            decision: &decision,
            latency: job.received.elapsed(),
        });
        self.deliver(job, decision.answer, &waiting, responder, by);
        None
    }

    fn deliver(
        &self,
        job: &Job,
        answer: Answer,
        waiting: &Waiting<'_>,
        responder: Responder<'_>,
        by: By<'_>,
    ) {
        let memory = Memory {
            thread: waiting.thread,
        };
        let [_, second, third, _, fifth, _] = job.copied.arguments;
        let written = match answer {
            Answer::Value(value) => return responder.value(value),
            Answer::Errno(errno) => return responder.errno(errno),
            Answer::Descriptor {
                descriptor,
                close_on_exec,
            } => {
                let descriptor = if control::is_off(Defence::OneCopy) {
                    read_again(memory, second).unwrap_or(descriptor)
                } else {
                    descriptor
                };
                let hold = match by {
                    By::Serving(serving) => serving.seat.hold(waiting.thread),
                    By::Worker(_) => None,
                };
                return responder.descriptor(descriptor, close_on_exec, hold);
            }
            Answer::Continue => return self.proceed(job.call, responder),
            Answer::Stat(stat) => match job.call.name {
                "statx" => put(waiting, memory, fifth, layout::statx(&stat).bytes(), 0),
                "newfstatat" => put(waiting, memory, third, layout::stat(&stat).bytes(), 0),
                _ => put(waiting, memory, second, layout::stat(&stat).bytes(), 0),
            },
            Answer::FileSystem(stat) => {
                put(waiting, memory, second, layout::statfs(&stat).bytes(), 0)
            }
            Answer::Bytes(bytes) => bytes_back(job, waiting, memory, bytes),
        };
        match written {
            Ok((value, written)) => {
                if responder.taken(value) {
                    written.keep(waiting);
                } else {
                    written.check();
                }
            }
            Err(errno) => responder.errno(errno),
        }
    }

    fn proceed(&self, call: &'static Call, responder: Responder<'_>) {
        let Some(evidence) = Continuable::of(call) else {
            return responder.errno(Errno::ACCESS);
        };
        let mut report = self.report();
        let count = report
            .continued
            .entry(evidence.name().to_owned())
            .or_default();
        *count = count.saturating_add(1);
        drop(report);
        responder.proceed(evidence);
    }
}

/// Writes an answer into the asker's memory while it still waits.
fn put(
    waiting: &Waiting<'_>,
    memory: Memory,
    address: u64,
    bytes: &[u8],
    value: i64,
) -> Result<(i64, Written), Errno> {
    let written = Written::to(waiting);
    if !waiting.valid() {
        return Err(Errno::SRCH);
    }
    if let Err(errno) = memory.write(address, bytes) {
        // A part may have been.
        if !waiting.valid() {
            written.check();
        }
        return Err(errno);
    }
    Ok((value, written))
}

/// The control: what is opened is not what was decided on.
fn read_again(memory: Memory, address: u64) -> Option<OwnedFd> {
    let name = memory.string(address).ok()?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(rustix::fs::CWD, name, flags, Mode::empty()).ok()
}

/// readlink cuts what does not fit; getcwd counts its NUL and refuses.
fn bytes_back(
    job: &Job,
    waiting: &Waiting<'_>,
    memory: Memory,
    mut bytes: Vec<u8>,
) -> Result<(i64, Written), Errno> {
    let [first, second, third, fourth, ..] = job.copied.arguments;
    let size = |register: u64| usize::try_from(register & 0x7fff_ffff).unwrap_or(0);
    let (address, room) = match job.call.name {
        "getcwd" => {
            bytes.push(0);
            let room = usize::try_from(second).unwrap_or(usize::MAX);
            if bytes.len() > room {
                return Err(Errno::RANGE);
            }
            (first, room)
        }
        "readlink" => (second, size(third)),
        _ => (third, size(fourth)),
    };
    bytes.truncate(room);
    let value = i64::try_from(bytes.len()).map_err(|_| Errno::INVAL)?;
    put(waiting, memory, address, &bytes, value)
}

fn memory(notification: &Notification) -> Option<Memory> {
    i32::try_from(notification.thread)
        .ok()
        .filter(|&thread| thread > 0)
        .map(|thread| Memory { thread })
}
