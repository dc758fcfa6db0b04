//! From the locked-down sandboxee to its end: serves it, does what the host orders, and
//! ends what is left of it.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use nix::sys::{
    signal::{Signal, kill},
    wait::waitpid,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    BrokerError, Launched,
    arrivals::Arrivals,
    control::{Control, Event, Order, Outcome},
};
use crate::{
    front::{
        Context, Starting,
        api::{self, ApiReport},
        notify::{self, NotifyReport},
    },
    launcher::{self, Programs, Spawned},
    limits::{Held, Waited, Watch},
    service::Services,
    sys::process,
};

/// What serves one sandbox.
pub(super) struct Session<'a> {
    pub(super) control: &'a Control,
    pub(super) context: &'a Context,
    /// Programs of typed spawns.
    pub(super) programs: Option<Arc<Programs>>,
    /// The services of programs that run under another policy.
    pub(super) others: BTreeMap<String, Arc<Services>>,
    /// Where workers hand over what is to be served.
    pub(super) arrivals: Option<OwnedFd>,
    /// What holds its limits.
    pub(super) limits: &'a Held,
}

type Served = Result<NotifyReport, notify::NotifyError>;

/// The threads that serve notifications: the first sandboxee's, and those of typed spawns.
#[derive(Default)]
struct Fronts(Mutex<Vec<JoinHandle<Served>>>);

impl Session<'_> {
    /// Serves until the program has ended; tells the host how.
    pub(super) fn supervise(mut self, mut launched: Launched) -> Result<(), BrokerError> {
        let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|errno| BrokerError::System("make a pipe", errno))?;
        let stopped = Arc::new(stopped);
        let fronts = Arc::new(Fronts::default());
        let failed = |errno| BrokerError::System("start the serving thread", errno);
        if let Some(listener) = launched.listener.take() {
            fronts
                .serve(listener, self.context.clone(), Arc::clone(&stopped))
                .map_err(failed)?;
        }
        let lanes = launched
            .lane
            .take()
            .map(|lane| {
                let (context, stopped) = (self.context.clone(), Arc::clone(&stopped));
                thread("api", move || api::serve(lane, context, stopped.as_fd()))
            })
            .transpose()
            .map_err(failed)?;
        self.serve_programs(&fronts, &stopped).map_err(failed)?;
        let workers = self.arrivals.take().map(|arrivals| {
            let (context, stopped) = (self.context.clone(), Arc::clone(&stopped));
            thread("arrivals", move || {
                Arrivals::new(arrivals, context, stopped).follow()
            })
        });
        let workers = workers.transpose().map_err(failed)?;
        tracing::debug!("the broker serves");
        let watched = self.limits.watch(self.context.services.scratch());
        let (outcome, waited) = self.outcome(&launched, &watched)?;
        let wall = watched.elapsed();
        tracing::debug!(?outcome, "the sandbox has ended");
        let _gone = kill(launched.launcher, Signal::SIGKILL);
        self.limits.kill();
        let _reaped = waitpid(launched.launcher, None);
        drop(stop);
        let mut served = fronts.finish()?;
        let mut lanes = match lanes {
            Some(lanes) => lanes.join().unwrap_or_else(|_| Ok(ApiReport::default()))?,
            None => ApiReport::default(),
        };
        if let Some(workers) = workers {
            let (notified, asked) = workers.join().unwrap_or_default();
            served.add(notified);
            lanes.add(asked);
        }
        self.control.send(&Event::Ended {
            outcome,
            notify: served,
            api: lanes,
            summary: self.context.audit.finish(),
            usage: Box::new(watched.usage(wall, waited)),
        })?;
        Ok(())
    }

    /// Lets the programs of typed spawns be served, and their ends be told.
    fn serve_programs(&self, fronts: &Arc<Fronts>, stopped: &Arc<OwnedFd>) -> Result<(), Errno> {
        let Some(programs) = &self.programs else {
            return Ok(());
        };
        let (fronts, stopped) = (Arc::clone(fronts), Arc::clone(stopped));
        // The services own the programs, so the programs must not own the services.
        let services = Arc::downgrade(&self.context.services);
        let others = self.others.clone();
        let audit = Arc::clone(&self.context.audit);
        programs.serve_with(Box::new(move |spawned: Spawned| {
            let services = match &spawned.policy {
                Some(policy) => others.get(policy).cloned(),
                None => services.upgrade(),
            };
            let context = Context {
                services: services.ok_or(Errno::AGAIN)?,
                audit: Arc::clone(&audit),
                starting: Some(Arc::new(Starting::new(spawned.name))),
                rendezvous: false,
            };
            fronts.serve(spawned.listener, context, Arc::clone(&stopped))
        }));
        let followed = Arc::clone(programs);
        thread("programs", move || followed.follow()).map(drop)
    }

    /// How it ended, and what the kernel told of the program if it ended by itself.
    fn outcome(
        &self,
        launched: &Launched,
        watched: &Watch<'_>,
    ) -> Result<(Outcome, Option<Waited>), BrokerError> {
        if let Some(errno) = launcher::exec_failure(launched.setup.as_fd()) {
            return Ok((Outcome::Exec(errno.raw_os_error()), None));
        }
        self.control.send(&Event::Started)?;
        let status = launched.status.as_fd();
        let outcome = self.watch(watched, status, launched.program.as_fd());
        if !matches!(outcome, Outcome::Status(_)) {
            return Ok((outcome, None));
        }
        let waited = launcher::wait_status(&launched.status);
        let outcome = waited.map_or(Outcome::Lost, |Waited { raw, .. }| {
            let broken = watched.ended(raw);
            broken.map_or(Outcome::Status(raw), Outcome::Limit)
        });
        Ok((outcome, waited))
    }

    /// Narrows the session as the host orders; a sentence where it is not.
    fn restrict(&self, document: &str) -> Result<(), String> {
        let narrowed = self.context.services.restrict(document.as_bytes());
        let number = narrowed.map_err(|error| crate::host::told(&error))?;
        self.context
            .audit
            .restricted(None, number, document.as_bytes());
        Ok(())
    }

    /// Waits for the program's end, an order, the host's end, or a limit that is used up.
    /// [`Outcome::Status`] means that the status can be read.
    fn watch(
        &self,
        watched: &Watch<'_>,
        status: BorrowedFd<'_>,
        program: BorrowedFd<'_>,
    ) -> Outcome {
        loop {
            if let Some(broken) = watched.broken() {
                return Outcome::Limit(broken);
            }
            let timeout = watched
                .pause()
                .and_then(|pause| Timespec::try_from(pause).ok());
            let mut ready = [
                PollFd::from_borrowed_fd(status, PollFlags::IN),
                PollFd::new(self.control, PollFlags::IN),
            ];
            match poll(&mut ready, timeout.as_ref()) {
                Ok(0) | Err(Errno::INTR) => continue,
                Err(_) => return Outcome::Lost,
                Ok(_) => {}
            }
            let [ended, ordered] = ready.map(|one| !one.revents().is_empty());
            if ended {
                return Outcome::Status(0);
            }
            if ordered {
                match self.control.receive() {
                    Ok(Some(Order::Signal(signal))) => {
                        let _gone = process::signal_group(program, signal);
                    }
                    Ok(Some(Order::Restrict(document))) => {
                        let narrowed = self.restrict(&document);
                        let _gone = self.control.send(&Event::Restricted(narrowed));
                    }
                    _ => return Outcome::Killed,
                }
            }
        }
    }
}

impl Fronts {
    fn serve(
        &self,
        listener: OwnedFd,
        context: Context,
        stopped: Arc<OwnedFd>,
    ) -> Result<(), Errno> {
        let front = thread("notify", move || {
            notify::serve(listener, context, stopped.as_fd())
        })?;
        let mut fronts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fronts.push(front);
        Ok(())
    }

    /// Waits for all of them; what they served together.
    fn finish(&self) -> Served {
        let fronts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all = NotifyReport::default();
        for front in fronts {
            let served = front
                .join()
                .unwrap_or_else(|_| Ok(NotifyReport::default()))?;
            all.add(served);
        }
        Ok(all)
    }
}

pub(super) fn thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Errno> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))
}
