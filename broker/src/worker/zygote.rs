//! The host's hold on a zygote, and on the workers it forks.

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use doorward_protocol::arena::ArenaError;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{Answer, Backend, CallError, Connection, Request, Tainted, Terms};
use crate::{
    host::{HostError, Running, Sandbox},
    launcher::Orders,
};

/// The most workers of one zygote at a time: as many ends as its socket holds unread.
const MOST: u32 = 256;
/// How long the end of a worker that is being killed is waited for.
const DYING: Duration = Duration::from_secs(2);
/// How long it may take to learn how a worker that is gone has ended.
const STATUS: Duration = Duration::from_millis(100);

/// What the workers of a zygote are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nest {
    /// Workers that there can be at a time: 1 to 256.
    pub places: u32,
    /// Bytes of each worker's arena, which holds input and output of a call: 4096 to 1 GiB.
    /// Memory is used only as far as calls do.
    pub arena: usize,
}

impl Default for Nest {
    /// Eight workers, with 16 MiB for input and output of a call.
    fn default() -> Self {
        Self {
            places: 8,
            arena: 16 << 20,
        }
    }
}

/// Why there is no zygote or no worker.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The sandbox of the workers was not started.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A zygote cannot have so many places.
    #[error("a zygote has from 1 to {MOST} places, not {0}")]
    Places(u32),
    /// All its places are taken.
    #[error("all places of the zygote are taken; drop a worker first, or give it more")]
    Full,
    /// Socket or arena could not be made.
    #[error("cannot make what the worker shares with its host")]
    Arena(#[from] ArenaError),
    /// The zygote is gone.
    #[error("the zygote is gone")]
    Gone(#[source] Errno),
}

/// A launcher that forks workers, all under one policy. Its workers keep it alive.
#[derive(Debug, Clone)]
pub struct Zygote(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    orders: Orders,
    nest: Nest,
    ends: Mutex<Ends>,
    /// Ends the sandbox with the last of them.
    _running: Running,
}

#[derive(Debug, Default)]
struct Ends {
    last: u32,
    free: Vec<u32>,
    /// By number, the place of those that have not ended, or have and nobody asked how.
    workers: BTreeMap<u32, Life>,
}

#[derive(Debug)]
struct Life {
    place: u32,
    /// Its raw wait status, once it has ended.
    ended: Option<i32>,
    /// Somebody will ask how it ended.
    held: bool,
}

impl Zygote {
    /// Starts one: the entry of `sandbox` is what its workers run, under its policy.
    ///
    /// # Errors
    /// [`StartError`]; then nothing was started.
    pub fn start(sandbox: Sandbox, nest: Nest) -> Result<Self, StartError> {
        if nest.places == 0 || nest.places > MOST {
            return Err(StartError::Places(nest.places));
        }
        let (running, orders) = sandbox.zygote(nest.places)?;
        let ends = Ends {
            free: (0..nest.places).rev().collect(),
            ..Ends::default()
        };
        Ok(Self(Arc::new(Shared {
            orders,
            nest,
            ends: Mutex::new(ends),
            _running: running,
        })))
    }

    /// Forks a worker. It is locked down while this returns, and its first call waits for that.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn fork(&self) -> Result<Worker, StartError> {
        let (connection, socket, arena) = Connection::pair(self.0.nest.arena)?;
        let (number, place) = self.0.place()?;
        if let Err(errno) = self.0.orders.start(number, place, &socket, &arena) {
            self.0.ends().free(number);
            return Err(StartError::Gone(errno));
        }
        Ok(Worker {
            connection,
            zygote: Arc::clone(&self.0),
            number,
            calls: 0,
            born: Instant::now(),
            over: false,
        })
    }

    /// Workers whose end is not known yet.
    #[must_use]
    pub fn living(&self) -> usize {
        let _gone = self.0.settle();
        let ends = self.0.ends();
        let living = ends.workers.values().filter(|life| life.ended.is_none());
        living.count()
    }
}

impl Ends {
    fn end(&mut self, number: u32, raw: i32) {
        let Some(life) = self.workers.get_mut(&number) else {
            return;
        };
        life.ended = Some(raw);
        if !life.held {
            self.free(number);
        }
    }

    fn free(&mut self, number: u32) {
        if let Some(life) = self.workers.remove(&number) {
            self.free.push(life.place);
        }
    }
}

impl Shared {
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the zygote has told.
    fn settle(&self) -> Result<(), Errno> {
        let mut ends = self.ends();
        while let Some((number, raw)) = self.orders.next_end()? {
            ends.end(number, raw);
        }
        Ok(())
    }

    /// A number and a free place; waits for a worker that is being killed.
    fn place(&self) -> Result<(u32, u32), StartError> {
        let free = |ends: &mut Ends| {
            let place = ends.free.pop()?;
            ends.last = ends.last.wrapping_add(1);
            let life = Life {
                place,
                ended: None,
                held: true,
            };
            ends.workers.insert(ends.last, life);
            Some((ends.last, place))
        };
        let dying = |ends: &Ends| ends.workers.values().any(|life| !life.held);
        self.until(DYING, |ends| match free(ends) {
            Some(place) => Some(Ok(place)),
            None if dying(ends) => None,
            None => Some(Err(StartError::Full)),
        })
        .map_err(StartError::Gone)?
        .unwrap_or(Err(StartError::Full))
    }

    /// Takes what the zygote tells until that gives something; none in this time.
    fn until<T>(
        &self,
        time: Duration,
        mut look: impl FnMut(&mut Ends) -> Option<T>,
    ) -> Result<Option<T>, Errno> {
        let begun = Instant::now();
        loop {
            self.settle()?;
            if let Some(found) = look(&mut self.ends()) {
                return Ok(Some(found));
            }
            let left = time.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            // Another thread may take what this one waits for.
            let timeout = Timespec::try_from(left.min(Duration::from_millis(5))).ok();
            let mut waited = [PollFd::new(&self.orders, PollFlags::IN)];
            match poll(&mut waited, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// How a worker ended, if that is told soon.
    fn status(&self, number: u32) -> Option<ExitStatus> {
        let raw = self.until(STATUS, |ends| ends.workers.get(&number)?.ended);
        raw.ok().flatten().map(ExitStatus::from_raw)
    }

    /// Nobody asks any more how it ended.
    fn release(&self, number: u32) {
        let mut ends = self.ends();
        match ends.workers.get_mut(&number) {
            Some(life) if life.ended.is_none() => {
                life.held = false;
                let _gone = self.orders.kill(number);
            }
            _ => ends.free(number),
        }
    }
}

/// A sandboxee that was forked to serve calls. Dropped, it is killed.
#[derive(Debug)]
pub struct Worker {
    connection: Connection,
    zygote: Arc<Shared>,
    number: u32,
    calls: u64,
    born: Instant,
    over: bool,
}

impl Worker {
    /// Calls that were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How long ago it was forked.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// Bytes that it has resident, as the kernel tells; none before its first reply.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        let process = self.connection.process()?;
        let text = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
        let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
    }

    /// Whether it can be called no more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether it could be called: it is not over, not dead, and has said nothing unasked.
    pub fn is_well(&mut self) -> bool {
        self.over = self.over || self.connection.is_silent().is_err();
        !self.over
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.over = true;
        let _gone = self.zygote.orders.kill(self.number);
    }
}

impl Backend for Worker {
    fn call<A: Serialize, R: DeserializeOwned>(
        &mut self,
        request: &Request<'_, A>,
        terms: &mut Terms<'_>,
    ) -> Result<Tainted<Answer<R>>, CallError> {
        if self.over {
            return Err(CallError::Over);
        }
        self.calls = self.calls.saturating_add(1);
        let called = self.connection.call(request, terms);
        let mut answered = called.and_then(super::Reply::decoded);
        match &mut answered {
            // It may still be on its way to its end; killed, it would not say how.
            Err(CallError::Died(death)) => {
                death.status = self.zygote.status(self.number);
                self.kill();
            }
            Err(error) if !error.spares_the_worker() => self.kill(),
            _ => {}
        }
        answered
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.zygote.release(self.number);
    }
}
