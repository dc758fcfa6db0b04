//! A start that is stopped before each of its system calls: ptrace, from outside of it all. So
//! every step of every process of doorward is one that something can be done at.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus},
    sync::mpsc,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        ptrace::{self, Event, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use doorward_tests::{below, called};

use crate::host::Told;

/// How long a start may take with all its stops.
const DEADLINE: Duration = Duration::from_secs(15);

/// Whose child of whose child a process is: the host is the empty one.
pub(crate) type Place = Vec<usize>;

/// What is done before one system call.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// Nothing: all calls are noted.
    Watch,
    /// These are killed.
    Kill(BTreeSet<Place>),
    /// The call is not made and fails.
    Refuse(Errno),
}

/// A process while it was watched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched {
    /// What it was called at last.
    pub(crate) name: String,
    /// The numbers of its calls, those of its threads too.
    pub(crate) calls: Vec<u64>,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) told: Told,
    /// Whether the step was there at all, and what was to be killed too.
    pub(crate) met: bool,
    /// From the deed to the end of all processes.
    pub(crate) time: Duration,
    pub(crate) watched: BTreeMap<Place, Watched>,
}

struct Process {
    place: Place,
    id: Pid,
    children: usize,
    calls: usize,
}

/// Makes `command` wait for a line, so that it can be attached to before it starts.
pub(crate) fn held(command: &Command) -> Command {
    let mut held = Command::new("/bin/sh");
    held.args(["-c", "read -r _ && exec \"$@\" </dev/null", "sh"]);
    held.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => held.env(name, value),
            None => held.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        held.current_dir(directory);
    }
    held
}

struct Tracer<'a> {
    host: Pid,
    /// Each thread's process, by its place.
    tasks: BTreeMap<i32, Place>,
    processes: BTreeMap<Place, Process>,
    /// Stopped before it was known whose they are.
    early: BTreeSet<i32>,
    at: (&'a Place, usize),
    deed: &'a Deed,
    done: Option<Instant>,
    met: bool,
    /// Registers of a thread whose call is being refused.
    refused: Option<(Pid, u64)>,
    watched: BTreeMap<Place, Watched>,
    status: Option<ExitStatus>,
}

/// Runs it, and does the deed before call `at.1` of the process `at.0`.
pub(crate) fn traced(mut host: Child, at: (&Place, usize), deed: &Deed) -> Course {
    let first = Pid::from_raw(host.id().cast_signed());
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(first, options).unwrap();
    let mut tracer = Tracer {
        host: first,
        tasks: BTreeMap::from([(first.as_raw(), Place::new())]),
        processes: BTreeMap::new(),
        early: BTreeSet::new(),
        at,
        deed,
        done: None,
        met: false,
        refused: None,
        watched: BTreeMap::new(),
        status: None,
    };
    tracer.enter(first, Place::new());
    host.stdin.take().unwrap().write_all(b"\n").unwrap();
    let (finished, alarm) = mpsc::channel::<()>();
    let own = std::process::id().cast_signed();
    let watchdog = std::thread::spawn(move || {
        let hung = alarm.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout);
        let left = below(own).into_iter().filter(|_| hung);
        left.map(|pid| {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
            state.unwrap_or_default().chars().take(40).collect()
        })
        .collect::<Vec<String>>()
    });
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::__WALL)) {
        tracer.take(status);
    }
    drop(finished);
    let hung = watchdog.join().unwrap();
    let time = tracer.done.map_or(Duration::ZERO, |done| done.elapsed());
    let mut error = String::new();
    let pipe = host.stderr.take();
    pipe.unwrap().read_to_string(&mut error).unwrap();
    let settled = hung.is_empty();
    assert!(
        settled,
        "at {at:?}, {deed:?}: not all ended: {hung:?} {error}"
    );
    let status = tracer.status.unwrap();
    let signal = status.signal().map(|signal| signal + 128);
    Course {
        told: Told {
            code: status.code().or(signal).unwrap_or(-1),
            error,
        },
        met: tracer.met,
        time,
        watched: tracer.watched,
    }
}

impl Tracer<'_> {
    fn enter(&mut self, id: Pid, place: Place) {
        self.tasks.insert(id.as_raw(), place.clone());
        let process = Process {
            place: place.clone(),
            id,
            children: 0,
            calls: 0,
        };
        self.processes.insert(place, process);
    }

    fn take(&mut self, status: WaitStatus) {
        match status {
            WaitStatus::Exited(pid, code) if pid == self.host => {
                self.status = Some(ExitStatus::from_raw(code << 8));
            }
            WaitStatus::Signaled(pid, signal, _) if pid == self.host => {
                self.status = Some(ExitStatus::from_raw(signal as i32));
            }
            WaitStatus::PtraceSyscall(pid) => {
                self.call(pid);
                self.resume(pid, None);
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                let forked = [
                    Event::PTRACE_EVENT_FORK as i32,
                    Event::PTRACE_EVENT_VFORK as i32,
                    Event::PTRACE_EVENT_CLONE as i32,
                ];
                if forked.contains(&event) {
                    self.forked(pid);
                }
                // A parent that was killed in its fork never tells of its child.
                if self.tasks.contains_key(&pid.as_raw()) || self.done.is_some() {
                    self.resume(pid, None);
                } else {
                    self.early.insert(pid.as_raw());
                }
            }
            WaitStatus::Stopped(pid, signal) => self.resume(pid, Some(signal)),
            _ => {}
        }
    }

    fn forked(&mut self, parent: Pid) {
        let (Ok(child), Some(place)) = (ptrace::getevent(parent), self.tasks.get(&parent.as_raw()))
        else {
            return;
        };
        let child = i32::try_from(child).unwrap();
        let process = self.processes.get_mut(place).unwrap();
        let thread = format!("/proc/{}/task/{child}", process.id);
        if std::path::Path::new(&thread).exists() {
            let place = place.clone();
            self.tasks.insert(child, place);
        } else {
            let mut place = process.place.clone();
            place.push(process.children);
            process.children += 1;
            self.enter(Pid::from_raw(child), place);
        }
        if self.early.remove(&child) {
            self.resume(Pid::from_raw(child), None);
        }
    }

    /// A call is about to be made, or was made.
    fn call(&mut self, pid: Pid) {
        if self.refused.is_some_and(|(refused, _)| refused == pid) {
            return self.fail(pid);
        }
        let Ok(information) = ptrace::syscall_info(pid) else {
            return;
        };
        let place = self.tasks[&pid.as_raw()].clone();
        let process = self.processes.get_mut(&place).unwrap();
        // The call and its arguments come first in what is told of an entry.
        let Ok(registers) = ptrace::getregs(pid) else {
            return;
        };
        if information.op != nix::libc::PTRACE_SYSCALL_INFO_ENTRY {
            return;
        }
        let step = process.calls;
        process.calls += 1;
        let id = process.id;
        if matches!(self.deed, Deed::Watch) {
            let watched = self.watched.entry(place).or_default();
            watched.name = called(id.as_raw());
            watched.calls.push(registers.orig_rax);
        } else if self.done.is_none() && (&place, step) == self.at {
            self.done = Some(Instant::now());
            self.strike(pid, registers);
            for early in std::mem::take(&mut self.early) {
                self.resume(Pid::from_raw(early), None);
            }
        }
    }

    fn strike(&mut self, pid: Pid, mut registers: nix::libc::user_regs_struct) {
        match self.deed {
            Deed::Watch => {}
            Deed::Kill(victims) => {
                for victim in victims {
                    let Some(process) = self.processes.get(victim) else {
                        continue;
                    };
                    self.met |= kill(process.id, Signal::SIGKILL).is_ok();
                }
            }
            Deed::Refuse(_) => {
                // In its place a call that every filter lets through, and that does nothing.
                self.refused = Some((pid, registers.rdi));
                registers.orig_rax = u64::try_from(nix::libc::SYS_close).unwrap();
                registers.rdi = u64::from(u32::MAX);
                self.met = ptrace::setregs(pid, registers).is_ok();
            }
        }
    }

    /// Answers what [`Self::strike`] did not let happen.
    fn fail(&mut self, pid: Pid) {
        let (Some((_, argument)), Deed::Refuse(error)) = (self.refused.take(), self.deed) else {
            return;
        };
        let Ok(mut registers) = ptrace::getregs(pid) else {
            return;
        };
        registers.rdi = argument;
        registers.rax = i64::from(-(*error as i32)).cast_unsigned();
        let _gone = ptrace::setregs(pid, registers);
    }

    /// Goes on, to the next call where one is waited for. Whoever is dead is not there.
    fn resume(&self, pid: Pid, signal: Option<Signal>) {
        let place = self.tasks.get(&pid.as_raw());
        let waits = match self.deed {
            Deed::Watch => true,
            _ => self.done.is_none() && place == Some(self.at.0),
        };
        let refused = self.refused.is_some_and(|(refused, _)| refused == pid);
        let _gone = if waits || refused {
            ptrace::syscall(pid, signal)
        } else {
            ptrace::cont(pid, signal)
        };
    }
}
