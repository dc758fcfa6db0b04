//! From the locked-down sandboxee to its end: serves it, does what the host orders, and
//! ends what is left of it.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
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
    control::{Control, Event, Order, Outcome},
};
use crate::{
    front::{Context, notify},
    launcher,
    sys::process,
};

/// Serves until the program has ended; tells the host how.
pub(super) fn supervise(
    control: &Control,
    launched: Launched,
    context: &Context,
    wall: Option<Duration>,
) -> Result<(), BrokerError> {
    let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|errno| BrokerError::System("make a pipe", errno))?;
    let stopped = Arc::new(stopped);
    drop(launched.lane);
    let front = launched
        .listener
        .map(|listener| front(listener, context.clone(), Arc::clone(&stopped)))
        .transpose()?;
    let failed = launcher::exec_failure(launched.setup.as_fd());
    let outcome = match failed {
        Some(errno) => Outcome::Exec(errno.raw_os_error()),
        None => {
            control.send(&Event::Started)?;
            watch(
                control,
                launched.status.as_fd(),
                launched.program.as_fd(),
                wall,
            )
        }
    };
    let outcome = match outcome {
        Outcome::Status(_) => {
            launcher::wait_status(&launched.status).map_or(Outcome::Lost, Outcome::Status)
        }
        other => other,
    };
    let _gone = kill(launched.launcher, Signal::SIGKILL);
    let _reaped = waitpid(launched.launcher, None);
    drop(stop);
    let served = match front {
        Some(front) => front
            .join()
            .unwrap_or_else(|_| Ok(notify::NotifyReport::default()))?,
        None => notify::NotifyReport::default(),
    };
    control.send(&Event::Ended {
        outcome,
        notify: served,
        summary: context.audit.finish(),
    })?;
    Ok(())
}

type Served = Result<notify::NotifyReport, notify::NotifyError>;

fn front(
    listener: OwnedFd,
    context: Context,
    stopped: Arc<OwnedFd>,
) -> Result<JoinHandle<Served>, BrokerError> {
    std::thread::Builder::new()
        .name("notify".into())
        .spawn(move || notify::serve(listener, context, stopped.as_fd()))
        .map_err(|error| {
            BrokerError::System(
                "start the serving thread",
                Errno::from_io_error(&error).unwrap_or(Errno::AGAIN),
            )
        })
}

/// Waits for the program's end, an order, the host's end, or the wall clock.
/// [`Outcome::Status`] means that the status can be read.
fn watch(
    control: &Control,
    status: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    wall: Option<Duration>,
) -> Outcome {
    let deadline = wall.and_then(|wall| Instant::now().checked_add(wall));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut ready = [
            PollFd::from_borrowed_fd(status, PollFlags::IN),
            PollFd::new(control, PollFlags::IN),
        ];
        match poll(&mut ready, timeout.as_ref()) {
            Ok(0) => return Outcome::Limit("wall".to_owned()),
            Err(Errno::INTR) => continue,
            Err(_) => return Outcome::Lost,
            Ok(_) => {}
        }
        let [ended, ordered] = ready.map(|one| !one.revents().is_empty());
        if ended {
            return Outcome::Status(0);
        }
        if ordered {
            match control.receive() {
                Ok(Some(Order::Signal(signal))) => {
                    let _gone = process::signal_group(program, signal);
                }
                _ => return Outcome::Killed,
            }
        }
    }
}
