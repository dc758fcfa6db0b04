//! The init of the pid namespace: reaps, starts further programs when the broker asks, and
//! ends with the program. Where there is no namespace the launcher itself plays it, as a
//! subreaper that kills what it can find.
//!
//! It reads nothing that a sandboxee writes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::{
    errno::Errno,
    sys::{
        signal::{SigSet, SigmaskHow, Signal, sigprocmask},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::Pid,
};
use rustix::event::{PollFd, PollFlags, poll};

use super::{
    Asked, Ends, Launch, Task, confine,
    spawn::{self, Order},
    zygote,
};
use crate::{broker::kill_children, limits::Waited, sys::process};

/// Forks the sandboxee and waits for it.
pub(super) fn run(launch: &Launch<'_>, ends: Ends) -> Result<(), ()> {
    if let (Task::Workers(entry), Some(nest)) = (&launch.task, &launch.nest) {
        return zygote::run(launch, *entry, nest, ends);
    }
    let Ends {
        report,
        status,
        lane,
        spawns,
        ..
    } = ends;
    process::prctl(libc::PR_SET_PDEATHSIG, 9)
        .map_err(|errno| report.failed("asking to die with the launcher", errno))?;
    let ended = deaths().map_err(|errno| {
        report.failed(
            "taking the signals of the init",
            rustix::io::Errno::from_raw_os_error(errno as i32),
        );
    })?;
    let program = match process::fork() {
        Err(errno) => {
            report.failed("forking the sandboxee", errno);
            return Err(());
        }
        Ok(None) => {
            drop((status, spawns));
            process::exit(confine::become_sandboxee(launch, report, lane))
        }
        Ok(Some(program)) => program,
    };
    process::name(c"doorward-init");
    drop((report, lane));
    let separate = launch.view.is_some();
    confine::init(separate);
    keep_only(launch, &status, ended.as_fd(), spawns.as_ref());
    let mut init = Init {
        launch,
        program,
        ended,
        status,
        spawns,
        started: Vec::new(),
    };
    let waited = init.live();
    if !separate {
        kill_children();
    }
    if let Some(waited) = waited {
        let _lost = rustix::io::write(&init.status, &waited.to_bytes());
    }
    process::exit(0)
}

/// The end of a child, as something to poll.
pub(super) fn deaths() -> Result<SignalFd, Errno> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// What a sandboxee closes is not to stay open here, but for what further programs need.
fn keep_only(
    launch: &Launch<'_>,
    status: &OwnedFd,
    ended: BorrowedFd<'_>,
    spawns: Option<&OwnedFd>,
) {
    let streams = launch.streams.iter().filter(|_| spawns.is_some());
    let entrances = launch.limits.entrances().filter(|_| spawns.is_some());
    let kept: Vec<BorrowedFd<'_>> = [status.as_fd(), ended]
        .into_iter()
        .chain(spawns.map(OwnedFd::as_fd))
        .chain(streams.map(OwnedFd::as_fd))
        .chain(entrances)
        .collect();
    let _closed = process::close_all_but(&kept);
}

struct Init<'a> {
    launch: &'a Launch<'a>,
    program: Pid,
    ended: SignalFd,
    status: OwnedFd,
    spawns: Option<OwnedFd>,
    /// Further programs: process, and the broker's number for it.
    started: Vec<(Pid, u32)>,
}

impl Init<'_> {
    /// Reaps everybody until the program has ended: what the kernel tells of it. None when the broker
    /// is gone, which the signal asked for with PR_SET_PDEATHSIG may come too early to tell.
    fn live(&mut self) -> Option<Waited> {
        loop {
            while let Ok(Some(_)) = self.ended.read_signal() {}
            if let Some(waited) = self.reap() {
                return Some(waited);
            }
            let mut waited = vec![
                PollFd::from_borrowed_fd(self.ended.as_fd(), PollFlags::IN),
                PollFd::new(&self.status, PollFlags::empty()),
            ];
            waited.extend(
                self.spawns
                    .as_ref()
                    .map(|spawns| PollFd::new(spawns, PollFlags::IN)),
            );
            let _woken = poll(&mut waited, None);
            let woken = |index: usize| {
                waited
                    .get(index)
                    .is_some_and(|one: &PollFd<'_>| !one.revents().is_empty())
            };
            let (gone, asked) = (woken(1), woken(2));
            if gone {
                return None;
            }
            if asked && let Some(spawns) = &self.spawns {
                match Order::receive(spawns.as_fd()) {
                    Ok(Some(order)) => self.start(order),
                    Ok(None) => {}
                    Err(_) => self.spawns = None,
                }
            }
        }
    }

    /// Reaps who has ended; what the kernel tells of the program if it is among them.
    fn reap(&mut self) -> Option<Waited> {
        loop {
            let (pid, waited) = match process::reap() {
                Ok(Some(reaped)) => reaped,
                Ok(None) => return None,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => {
                    return Some(Waited {
                        raw: 255_i32.wrapping_shl(8),
                        ..Waited::default()
                    });
                }
            };
            if pid == self.program {
                return Some(waited);
            }
            let found = self.started.iter().position(|(process, _)| *process == pid);
            if let (Some(index), Some(spawns)) = (found, &self.spawns) {
                let (_, number) = self.started.swap_remove(index);
                spawn::tell(spawns.as_fd(), number, waited.raw);
            }
        }
    }

    /// Starts a further program under the same lock-down.
    fn start(&mut self, order: Order) {
        match process::fork() {
            Err(errno) => order.report.failed("forking the program", errno),
            Ok(None) => {
                let other = |name: &String| {
                    let mut others = self.launch.others.iter();
                    others
                        .find(|(known, _)| known == name)
                        .map(|(_, other)| other)
                };
                let policy = match &order.policy {
                    Some(name) => other(name),
                    None => Some(self.launch.policy),
                };
                let Some(policy) = policy else {
                    order
                        .report
                        .failed("finding the program's policy", rustix::io::Errno::NOENT);
                    process::exit(127)
                };
                let asked = Asked {
                    notify: true,
                    api: false,
                    trap: false,
                    preload: false,
                };
                let Ok(filter) = confine::filter(policy, asked, self.launch.view.is_some()) else {
                    order
                        .report
                        .failed("making the program's filter", rustix::io::Errno::INVAL);
                    process::exit(127)
                };
                let launch = Launch {
                    policy,
                    filter: &filter,
                    task: order.task,
                    pin: Some(&order.pin),
                    terminal: false,
                    asked,
                    spawns: false,
                    nest: None,
                    ..*self.launch
                };
                process::exit(confine::become_sandboxee(&launch, order.report, None))
            }
            Ok(Some(process)) => self.started.push((process, order.number)),
        }
    }
}
