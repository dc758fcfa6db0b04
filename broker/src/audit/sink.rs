//! Where lines go: a bounded queue and a thread that writes them. Nobody who offers a line
//! waits for the disk or for whoever reads the pipe; what finds no room is counted, and the
//! count is written as soon as there is room again.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// Lines that wait, and their bytes.
const LINES: usize = 4096;
const BYTES: usize = 1 << 20;
/// How long one line waits for a sink that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Dropped since the last note of it.
    unnoted: u64,
    /// Dropped in all.
    dropped: u64,
    /// One is being written.
    writing: bool,
    /// No more lines come.
    closed: bool,
    /// The writer has ended.
    ended: bool,
}

impl State {
    fn drop_one(&mut self) {
        self.unnoted = self.unnoted.saturating_add(1);
        self.dropped = self.dropped.saturating_add(1);
    }

    fn has_room(&self, line: &[u8]) -> bool {
        self.lines.len() < LINES && self.bytes.saturating_add(line.len()) <= BYTES
    }

    fn push(&mut self, line: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(line.len());
        self.lines.push_back(line);
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, at most until `deadline`; whether there was time left.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        deadline: Instant,
    ) -> (MutexGuard<'a, State>, bool) {
        let left = deadline.saturating_duration_since(Instant::now());
        let (state, _) = self
            .changed
            .wait_timeout(state, left)
            .unwrap_or_else(PoisonError::into_inner);
        (state, !left.is_zero())
    }
}

/// Makes the line that says how many are missing before it.
pub(super) type Note = Box<dyn Fn(u64) -> Option<Vec<u8>> + Send>;

/// A queue with its writer.
#[derive(Debug)]
pub(super) struct Sink {
    shared: Arc<Shared>,
}

impl Sink {
    /// Starts the writer. If no thread can be had, every line is a counted drop.
    pub(super) fn new(descriptor: OwnedFd, note: Note) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let started = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || write_all(&theirs, descriptor, &note));
        if started.is_err() {
            let mut state = shared.lock();
            state.closed = true;
            state.ended = true;
        }
        Self { shared }
    }

    /// Queues a line, or drops and counts it.
    pub(super) fn offer(&self, line: Option<Vec<u8>>) {
        let mut state = self.shared.lock();
        match line {
            Some(line) if !state.closed && state.has_room(&line) => state.push(line),
            _ => state.drop_one(),
        }
        self.shared.changed.notify_all();
    }

    /// Queues a line, waiting for room until `deadline`.
    pub(super) fn offer_by(&self, line: Option<Vec<u8>>, deadline: Instant) {
        let mut state = self.shared.lock();
        let mut in_time = true;
        while let Some(line) = &line
            && !state.closed
            && !state.has_room(line)
            && in_time
        {
            (state, in_time) = self.shared.wait(state, deadline);
        }
        drop(state);
        self.offer(line);
    }

    /// Ends it: what is queued is written until `deadline`. How many were dropped in all.
    pub(super) fn close(&self, deadline: Instant) -> u64 {
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.changed.notify_all();
        let mut in_time = true;
        while !state.ended && in_time {
            (state, in_time) = self.shared.wait(state, deadline);
        }
        let left = u64::try_from(state.lines.len()).unwrap_or(u64::MAX);
        state.lines.clear();
        let left = left.saturating_add(u64::from(state.writing));
        state.dropped.saturating_add(left)
    }

    /// How many were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }
}

/// The writer's life. The sink is closed before anybody hears of its end.
fn write_all(shared: &Shared, descriptor: OwnedFd, note: &Note) {
    write_lines(shared, &descriptor, note);
    drop(descriptor);
    shared.lock().ended = true;
    shared.changed.notify_all();
}

fn write_lines(shared: &Shared, descriptor: &OwnedFd, note: &Note) {
    let mut torn = false;
    loop {
        let mut state = shared.lock();
        while state.lines.is_empty() && !state.closed {
            state = shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let Some(line) = state.lines.pop_front() else {
            return;
        };
        state.bytes = state.bytes.saturating_sub(line.len());
        state.writing = true;
        let missing = std::mem::take(&mut state.unnoted);
        drop(state);
        shared.changed.notify_all();
        let noted = missing == 0
            || note(missing).is_some_and(|note| write(descriptor, &note, &mut torn).is_ok());
        let written = noted && write(descriptor, &line, &mut torn).is_ok();
        let mut state = shared.lock();
        state.writing = false;
        if !noted {
            state.unnoted = state.unnoted.saturating_add(missing);
        }
        if !written {
            state.drop_one();
        }
    }
}

/// Writes one line. After one that was cut short (a full disk) the next begins on a line of its own.
fn write(descriptor: &OwnedFd, line: &[u8], torn: &mut bool) -> Result<(), Errno> {
    let whole;
    let mut rest = line;
    if *torn {
        whole = [b"\n", line].concat();
        rest = &whole;
    }
    let length = rest.len();
    let deadline = Instant::now().checked_add(PATIENCE);
    let result = loop {
        if rest.is_empty() {
            break Ok(());
        }
        let step = ready(descriptor, deadline).and_then(|()| rustix::io::write(descriptor, rest));
        match step {
            Ok(0) => break Err(Errno::IO),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => break Err(errno),
        }
    };
    match result {
        Ok(()) => *torn = false,
        Err(_) => *torn |= rest.len() < length,
    }
    result
}

/// Waits until the sink takes bytes.
fn ready(descriptor: &OwnedFd, deadline: Option<Instant>) -> Result<(), Errno> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = left.and_then(|left| Timespec::try_from(left).ok());
    let mut polled = [PollFd::from_borrowed_fd(descriptor.as_fd(), PollFlags::OUT)];
    match poll(&mut polled, timeout.as_ref())? {
        0 => Err(Errno::TIMEDOUT),
        _ => Ok(()),
    }
}
