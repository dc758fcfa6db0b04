//! The lanes and listeners of workers, as each hands them over before it serves its host.
//!
//! Most workers ask the broker little or nothing, so threads are made for one only when it
//! first asks. Each has its own, so that none delays another.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    thread::JoinHandle,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

use super::supervise::thread;
use crate::{
    front::{
        Context,
        api::{self, ApiError, ApiReport},
        notify::{self, NotifyError, NotifyReport},
    },
    launcher::{Arrived, arrived},
};

/// A way by which a worker asks.
#[derive(Debug)]
enum Way {
    Lane(OwnedFd),
    Listener(OwnedFd),
}

/// A way by which its worker has not asked yet.
#[derive(Debug)]
struct Silent {
    way: Way,
    /// What it shares with the other way of its worker.
    context: Context,
}

/// What serves one.
enum Serving {
    Lane(JoinHandle<Result<ApiReport, ApiError>>),
    Listener(JoinHandle<Result<NotifyReport, NotifyError>>),
}

/// What all workers of one zygote asked.
type Reports = (NotifyReport, ApiReport);

/// The workers of one zygote.
pub(super) struct Arrivals {
    socket: OwnedFd,
    context: Context,
    stopped: Arc<OwnedFd>,
    silent: Vec<Silent>,
    serving: Vec<Serving>,
    reports: Reports,
}

impl Arrivals {
    pub(super) fn new(socket: OwnedFd, context: Context, stopped: Arc<OwnedFd>) -> Self {
        Self {
            socket,
            context,
            stopped,
            silent: Vec::new(),
            serving: Vec::new(),
            reports: Reports::default(),
        }
    }

    /// Serves them until the sandbox has ended. For a thread of its own.
    pub(super) fn follow(mut self) -> Reports {
        loop {
            let mut waited = vec![
                PollFd::new(&self.stopped, PollFlags::IN),
                PollFd::new(&self.socket, PollFlags::IN),
            ];
            waited.extend(
                self.silent
                    .iter()
                    .map(|one| PollFd::new(&one.way, PollFlags::IN)),
            );
            match poll(&mut waited, None) {
                Err(Errno::INTR) => continue,
                Err(_) => break,
                Ok(_) => {}
            }
            let mut events = waited.iter().map(PollFd::revents);
            let stopped = events.next().is_none_or(|event| !event.is_empty());
            let arriving = events.next().is_none_or(|event| !event.is_empty());
            let asked: Vec<PollFlags> = events.collect();
            if stopped {
                break;
            }
            self.answer(&asked);
            if !arriving {
                continue;
            }
            match arrived(self.socket.as_fd()) {
                Ok(Arrived { lane, listener }) => {
                    let ways = [lane.map(Way::Lane), listener.map(Way::Listener)];
                    let context = self.context.of_worker();
                    let silent = |way| Silent {
                        way,
                        context: context.clone(),
                    };
                    self.silent.extend(ways.into_iter().flatten().map(silent));
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => break,
            }
        }
        self.silent.clear();
        let serving = std::mem::take(&mut self.serving);
        serving.into_iter().for_each(|one| self.collect(one));
        self.reports
    }

    /// Serves those that ask, and forgets those that are gone.
    fn answer(&mut self, events: &[PollFlags]) {
        let mut events = events.iter();
        let mut still = Vec::with_capacity(self.silent.len());
        for one in std::mem::take(&mut self.silent) {
            match events.next().copied().unwrap_or(PollFlags::empty()) {
                event if event.is_empty() => still.push(one),
                event if event.intersects(PollFlags::HUP | PollFlags::ERR) => {}
                _ => self.serve(one),
            }
        }
        self.silent = still;
    }

    fn serve(&mut self, Silent { way, context }: Silent) {
        let (ended, serving) = std::mem::take(&mut self.serving)
            .into_iter()
            .partition::<Vec<Serving>, _>(Serving::has_ended);
        self.serving = serving;
        ended.into_iter().for_each(|one| self.collect(one));
        let stopped = Arc::clone(&self.stopped);
        let started = match way {
            Way::Lane(lane) => {
                thread("api", move || api::serve(lane, context, stopped.as_fd())).map(Serving::Lane)
            }
            Way::Listener(listener) => {
                let serve = move || notify::serve(listener, context, stopped.as_fd());
                thread("notify", serve).map(Serving::Listener)
            }
        };
        match started {
            Ok(serving) => self.serving.push(serving),
            // Its way to the broker is closed by this, so its operations fail.
            Err(errno) => tracing::warn!(%errno, "no thread can be started for a worker"),
        }
    }

    fn collect(&mut self, serving: Serving) {
        match serving {
            Serving::Lane(thread) => {
                if let Ok(Ok(report)) = thread.join() {
                    self.reports.1.add(report);
                }
            }
            Serving::Listener(thread) => {
                if let Ok(Ok(report)) = thread.join() {
                    self.reports.0.add(report);
                }
            }
        }
    }
}

impl Serving {
    fn has_ended(&self) -> bool {
        match self {
            Self::Lane(thread) => thread.is_finished(),
            Self::Listener(thread) => thread.is_finished(),
        }
    }
}

impl AsFd for Way {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Lane(way) | Self::Listener(way) => way.as_fd(),
        }
    }
}
