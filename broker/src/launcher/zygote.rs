//! The zygote: the init of workers. It forks one whenever the host orders one, all under one
//! policy, in one view and one set of namespaces, and tells the host how each ended.
//!
//! It has one thread, holds no secret of the host's (the broker, whose copy it is, never had
//! one) and reads nothing that a sandboxee writes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        signalfd::SignalFd,
    },
    unistd::Pid,
};
use rustix::event::{PollFd, PollFlags, poll};

use super::{
    Ends, Entry, Launch, Nest, Task, confine,
    init::deaths,
    orders::{Order, Orders},
    report::Report,
};
use crate::{
    broker::kill_children,
    limits::{Held, Waited},
    sys::process,
};

/// Forks workers of this entry until the host or the broker is gone.
pub(super) fn run(
    launch: &Launch<'_>,
    entry: Entry,
    nest: &Nest<'_>,
    ends: Ends,
) -> Result<(), ()> {
    let Ends {
        report,
        status,
        arrivals,
        ..
    } = ends;
    let failed = |step: &str, errno| report.failed(step, errno);
    process::prctl(libc::PR_SET_PDEATHSIG, 9)
        .map_err(|errno| failed("asking to die with the launcher", errno))?;
    let raw = |errno: Errno| rustix::io::Errno::from_raw_os_error(errno as i32);
    let ended = deaths().map_err(|errno| failed("taking the signals of the zygote", raw(errno)))?;
    process::name(c"doorward-zygote");
    let separate = launch.view.is_some();
    confine::init(separate);
    let duplicate = |descriptor: &OwnedFd| descriptor.try_clone();
    let (Some(arrivals), Ok(orders)) = (arrivals, duplicate(nest.orders)) else {
        failed(
            "keeping the sockets of the zygote",
            rustix::io::Errno::MFILE,
        );
        return Err(());
    };
    let mut zygote = Zygote {
        launch,
        entry,
        nest,
        orders: Orders::new(orders),
        arrivals,
        ended,
        status,
        workers: Vec::new(),
    };
    let own = rustix::process::pidfd_open(
        rustix::process::getpid(),
        rustix::process::PidfdFlags::empty(),
    );
    let own = own.map_err(|errno| failed("opening the own process", errno))?;
    zygote
        .keep_only(report.as_fd(), own.as_fd())
        .map_err(|errno| failed("closing descriptors", errno))?;
    if nest.behind.is_some() {
        confine::zygote(launch).map_err(|(step, errno)| failed(step, errno))?;
    }
    report
        .ready(own.as_fd(), None)
        .map_err(|errno| failed("handing over to the broker", errno))?;
    drop((report, own));
    zygote.live();
    if !separate {
        kill_children();
    }
    let _lost = rustix::io::write(&zygote.status, &Waited::default().to_bytes());
    process::exit(0)
}

struct Zygote<'a> {
    launch: &'a Launch<'a>,
    entry: Entry,
    nest: &'a Nest<'a>,
    orders: Orders,
    /// Where a worker's lane and listener go to the broker.
    arrivals: OwnedFd,
    ended: SignalFd,
    status: OwnedFd,
    /// Process, and the host's number for it.
    workers: Vec<(Pid, u32)>,
}

impl Zygote<'_> {
    /// What a worker closes is not to stay open here, but for what further ones need.
    fn keep_only(
        &self,
        report: BorrowedFd<'_>,
        own: BorrowedFd<'_>,
    ) -> Result<(), rustix::io::Errno> {
        let kept: Vec<BorrowedFd<'_>> = [
            report,
            own,
            self.orders.as_fd(),
            self.arrivals.as_fd(),
            self.ended.as_fd(),
            self.status.as_fd(),
        ]
        .into_iter()
        .chain(self.launch.streams.iter().map(OwnedFd::as_fd))
        .chain(self.nest.places.iter().flat_map(Held::entrances))
        .collect();
        process::close_all_but(&kept)
    }

    /// Until the host, or the broker, is gone.
    fn live(&mut self) {
        loop {
            while let Ok(Some(_)) = self.ended.read_signal() {}
            self.reap();
            let mut waited = [
                PollFd::new(&self.orders, PollFlags::IN),
                PollFd::from_borrowed_fd(self.ended.as_fd(), PollFlags::IN),
                PollFd::new(&self.status, PollFlags::empty()),
            ];
            let _woken = poll(&mut waited, None);
            let [asked, _, gone] = waited.map(|one| !one.revents().is_empty());
            if gone {
                return;
            }
            if !asked {
                continue;
            }
            match self.orders.receive() {
                Ok(Some(Order::Start {
                    number,
                    place,
                    host,
                })) => self.start(number, place, host),
                Ok(Some(Order::Kill { number })) => self.kill(number),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn reap(&mut self) {
        loop {
            let (pid, waited) = match process::reap() {
                Ok(Some(reaped)) => reaped,
                Err(rustix::io::Errno::INTR) => continue,
                Ok(None) | Err(_) => return,
            };
            let found = self.workers.iter().position(|(process, _)| *process == pid);
            if let Some(index) = found {
                let (_, number) = self.workers.swap_remove(index);
                self.orders.ended(number, waited.raw);
            }
        }
    }

    /// Until it is reaped its process is nobody else's.
    fn kill(&self, number: u32) {
        let found = self.workers.iter().find(|(_, known)| *known == number);
        if let Some((process, _)) = found {
            let _gone = kill(*process, Signal::SIGKILL);
        }
    }

    fn start(&mut self, number: u32, place: usize, host: doorward_sandboxee::worker::Host) {
        let Some(limits) = self.nest.places.get(place) else {
            return host.failed("the zygote has no such place");
        };
        match process::fork() {
            Err(errno) => host.failed(&format!("the worker cannot be forked: {errno}")),
            Ok(None) => {
                let launch = Launch {
                    task: Task::Workers(self.entry),
                    filter: self.nest.behind.unwrap_or(self.launch.filter),
                    prepared: self.nest.behind.is_some(),
                    limits,
                    nest: None,
                    ..*self.launch
                };
                let Ok(arrivals) = self.arrivals.try_clone().map(Report::new) else {
                    process::exit(127)
                };
                process::exit(confine::become_worker(&launch, self.entry, arrivals, host))
            }
            Ok(Some(process)) => self.workers.push((process, number)),
        }
    }
}
