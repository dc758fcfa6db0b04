//! Running a sandbox in the foreground: keys, output, window size and signals go through
//! as without it.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use nix::sys::{
    signal::{SigSet, SigmaskHow, Signal, sigprocmask},
    signalfd::{SfdFlags, SignalFd},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

use super::{
    HostError, Report, Running, Sandbox,
    output::{PIECE, Quota, Relaying, write_all},
    own_streams,
    terminal::Terminal,
};

/// What is forwarded to the program.
const FORWARDED: [Signal; 8] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGCONT,
];

impl Sandbox {
    /// Runs it to its end in the foreground: where standard input is a terminal it gets a
    /// pseudo-terminal of its own, and this process's signals are forwarded. To be called
    /// while the process has one thread, since it blocks those signals: after the start,
    /// because what is blocked is inherited. One that comes before ends this process, and
    /// the sandbox with it.
    ///
    /// # Errors
    /// [`HostError`] when nothing was started, or its end is not known.
    pub fn run(mut self) -> Result<Report, HostError> {
        let failed = |errno| HostError::System("set up the terminal", errno);
        let mut terminal = Terminal::open().map_err(failed)?;
        if let Some(terminal) = &terminal {
            let own = match self.streams.take() {
                Some(streams) => streams,
                None => own_streams()?,
            };
            self.streams = Some(terminal.streams(own).map_err(failed)?);
            self.terminal = true;
        }
        let running = self.start()?;
        let signals = signals()?;
        match &mut terminal {
            Some(terminal) => terminal.enter().map_err(failed)?,
            None => let_go().map_err(failed)?,
        }
        let quota = running.relaying.as_ref().map(Relaying::quota);
        let mut relay = Relay {
            signals,
            terminal: terminal.as_ref(),
            quota: quota.clone(),
            keys: Vec::new(),
            input: terminal.is_some(),
        };
        relay.until_ended(&running)?;
        running.finish(|relaying| {
            if let Some(terminal) = &terminal {
                drain(terminal, quota.as_deref());
            }
            if let Some(relaying) = relaying {
                relay.until_passed_on(relaying);
            }
        })
    }
}

/// The sandboxee has the standard output now: what it closes is not to stay open here.
fn let_go() -> Result<(), Errno> {
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
    let null = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdout(null)
}

/// Blocks what is forwarded, and reads it from a descriptor.
fn signals() -> Result<SignalFd, HostError> {
    let failed = |error: nix::errno::Errno| {
        HostError::System("take the signals", Errno::from_raw_os_error(error as i32))
    };
    let mut set = SigSet::empty();
    for signal in FORWARDED.into_iter().chain([Signal::SIGWINCH]) {
        set.add(signal);
    }
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).map_err(failed)?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)
}

struct Relay<'a> {
    signals: SignalFd,
    terminal: Option<&'a Terminal>,
    /// What may still be shown there.
    quota: Option<Arc<Quota>>,
    /// Typed, and not yet taken by the sandbox.
    keys: Vec<u8>,
    /// Whether the user's terminal still gives keys.
    input: bool,
}

impl Relay<'_> {
    fn until_ended(&mut self, running: &Running) -> Result<(), HostError> {
        loop {
            let (ended, signalled, typed, shown) = self.wait(running)?;
            if signalled {
                self.forward(running);
            }
            if let Some(terminal) = self.terminal {
                if typed {
                    self.typed();
                }
                if !self.keys.is_empty() {
                    self.enter(terminal);
                }
                if shown && show(terminal, self.quota.as_deref()) == Shown::Ended {
                    self.terminal = None;
                    if self
                        .quota
                        .as_ref()
                        .is_some_and(|quota| quota.exceeded().is_some())
                    {
                        let _gone = running.kill();
                    }
                }
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Waits for the sandbox's end, a signal, keys, or output.
    fn wait(&self, running: &Running) -> Result<(bool, bool, bool, bool), HostError> {
        let mut waited = vec![
            PollFd::new(running, PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        if let Some(terminal) = self.terminal {
            let keys = if self.keys.is_empty() && self.input {
                PollFlags::IN
            } else {
                PollFlags::empty()
            };
            let room = if self.keys.is_empty() {
                PollFlags::IN
            } else {
                PollFlags::IN | PollFlags::OUT
            };
            waited.push(PollFd::from_borrowed_fd(rustix::stdio::stdin(), keys));
            waited.push(PollFd::new(terminal, room));
        }
        match poll(&mut waited, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(HostError::System("wait for the sandbox", errno)),
        }
        let ready = |index: usize| {
            waited
                .get(index)
                .is_some_and(|one| !one.revents().is_empty())
        };
        Ok((ready(0), ready(1), ready(2), ready(3)))
    }

    /// Waits for who reads the output. A signal ends the wait, as it would end a program that
    /// waits to write.
    fn until_passed_on(&self, relaying: &Relaying) {
        loop {
            let mut waited = [
                PollFd::new(relaying, PollFlags::IN),
                PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            ];
            if poll(&mut waited, None) == Err(Errno::INTR) {
                continue;
            }
            let [passed, signalled] = waited.map(|one| !one.revents().is_empty());
            let resized = |signal: u32| signal == Signal::SIGWINCH as u32;
            let ends = || match self.signals.read_signal() {
                Ok(Some(signal)) => !resized(signal.ssi_signo),
                _ => false,
            };
            if passed || signalled && ends() {
                return;
            }
        }
    }

    fn forward(&self, running: &Running) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
            if number == Signal::SIGWINCH as i32 {
                if let Some(terminal) = self.terminal {
                    terminal.resize();
                }
            } else {
                let _gone = running.signal(number);
            }
        }
    }

    fn typed(&mut self) {
        let mut bytes = [0_u8; PIECE];
        match rustix::io::read(rustix::stdio::stdin(), &mut bytes) {
            Ok(0) => self.input = false,
            Ok(count) => self
                .keys
                .extend_from_slice(bytes.get(..count).unwrap_or_default()),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.input = false,
        }
    }

    fn enter(&mut self, terminal: &Terminal) {
        match rustix::io::write(terminal, &self.keys) {
            Ok(count) => {
                self.keys.drain(..count.min(self.keys.len()));
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.keys.clear(),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Shown {
    Some,
    Nothing,
    Ended,
}

/// Copies output of the sandbox to the user's terminal.
fn show(terminal: &Terminal, quota: Option<&Quota>) -> Shown {
    let mut bytes = [0_u8; PIECE];
    match rustix::io::read(terminal, &mut bytes) {
        Ok(0) => Shown::Ended,
        Ok(count) => {
            let bytes = bytes.get(..count).unwrap_or_default();
            let within = quota.map_or(bytes, |quota| quota.take(bytes));
            let _gone = write_all(output(), within);
            if within.len() == count {
                Shown::Some
            } else {
                Shown::Ended
            }
        }
        Err(Errno::INTR | Errno::AGAIN) => Shown::Nothing,
        Err(_) => Shown::Ended,
    }
}

/// Standard output if it is a terminal, else the terminal that standard input is.
fn output() -> BorrowedFd<'static> {
    let output = rustix::stdio::stdout();
    if rustix::termios::isatty(output) {
        output
    } else {
        rustix::stdio::stdin()
    }
}

/// What was written before the end is still shown.
fn drain(terminal: &Terminal, quota: Option<&Quota>) {
    while show(terminal, quota) == Shown::Some {}
}
