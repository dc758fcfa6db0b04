//! The thread of a broker that serves notifications, held between its system calls.

use std::fs;

use nix::{
    libc,
    sys::{
        ptrace::{self, Options},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// `SECCOMP_IOCTL_NOTIF_RECV`.
const RECEIVE: u64 = 0xc050_2100;

/// It waits for a notification, or for its end.
const POLLED: u64 = 2;

/// What it calls next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// What waits for a notification.
    Waits,
    Other,
    /// It has ended.
    None,
}

/// Where it was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Before {
        call: i64,
        argument: u64,
    },
    Behind {
        call: i64,
        argument: u64,
        result: u64,
    },
    /// The broker has ended.
    Gone,
}

/// It is stopped whenever no method of this runs; let go when dropped.
#[derive(Debug)]
pub(crate) struct Held(Pid);

impl Held {
    /// The one of this broker. To be used by one thread alone.
    pub(crate) fn of(broker: u32) -> Self {
        let tasks = fs::read_dir(format!("/proc/{broker}/task")).unwrap();
        let serving = tasks.flatten().find(|task| {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            name.trim_end() == "notify"
        });
        let number = serving.unwrap().file_name();
        let thread = Pid::from_raw(number.to_str().unwrap().parse().unwrap());
        ptrace::seize(thread, Options::PTRACE_O_TRACESYSGOOD).unwrap();
        ptrace::interrupt(thread).unwrap();
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Self(thread)
    }

    fn next(&self) -> Stop {
        let mut signal = None;
        loop {
            if ptrace::syscall(self.0, signal.take()).is_err() {
                return Stop::Gone;
            }
            match waitpid(self.0, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::PtraceSyscall(_)) => break,
                Ok(WaitStatus::Stopped(_, sent)) => signal = Some(sent),
                Ok(WaitStatus::PtraceEvent(..)) => {}
                _ => return Stop::Gone,
            }
        }
        let information = ptrace::syscall_info(self.0).unwrap();
        let registers = ptrace::getregs(self.0).unwrap();
        let call = registers.orig_rax.cast_signed();
        if information.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
            return Stop::Before {
                call,
                argument: registers.rsi,
            };
        }
        Stop::Behind {
            call,
            argument: registers.rsi,
            result: registers.rax,
        }
    }

    /// Lets it go on until it has received a notification.
    pub(crate) fn receive(&self) {
        let received = Stop::Behind {
            call: libc::SYS_ioctl,
            argument: RECEIVE,
            result: 0,
        };
        loop {
            match self.next() {
                Stop::Gone => panic!("the broker has ended"),
                stop if stop == received => return,
                _ => {}
            }
        }
    }

    /// Lets it make so many calls but the last; whether it still serves then.
    pub(crate) fn make(&self, calls: usize) -> bool {
        (0..calls).all(|_| self.call() == Call::Other)
    }

    /// Lets it go on until it waits for the next notification; whether it does and has not ended.
    pub(crate) fn serve(&self) -> bool {
        loop {
            match self.call() {
                Call::Waits => return true,
                Call::Other => {}
                Call::None => return false,
            }
        }
    }

    /// Lets it go on until its next call.
    fn call(&self) -> Call {
        loop {
            match self.next() {
                Stop::Before { call, argument } if is_poll(call) && argument == POLLED => {
                    return Call::Waits;
                }
                Stop::Before { .. } => return Call::Other,
                Stop::Behind { .. } => {}
                Stop::Gone => return Call::None,
            }
        }
    }
}

fn is_poll(call: i64) -> bool {
    call == libc::SYS_poll || call == libc::SYS_ppoll
}

impl Drop for Held {
    fn drop(&mut self) {
        let _gone = ptrace::detach(self.0, None);
    }
}
