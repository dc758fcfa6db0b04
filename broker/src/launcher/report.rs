//! What the launcher and the sandboxee-to-be tell the broker before exec: trusted code
//! on both ends, one SEQPACKET message a fact.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};

use super::LaunchError;
use crate::limits::Waited;

/// The sandboxee's end.
#[derive(Debug)]
pub(crate) struct Report(OwnedFd);

const BUILT: u8 = b'B';
const UNAVAILABLE: u8 = b'U';
const READY: u8 = b'R';
const FAILED: u8 = b'F';
const EXEC: u8 = b'X';
const ARRIVED: u8 = b'A';

/// What a locked-down sandboxee hands over.
#[derive(Debug)]
pub(super) struct Ready {
    /// Its own process.
    pub(super) program: OwnedFd,
    /// Its notification descriptor, if it has one.
    pub(super) listener: Option<OwnedFd>,
}

impl Report {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// A step failed.
    pub(super) fn failed(&self, step: &str, errno: Errno) {
        self.tell(FAILED, errno, step);
    }

    /// exec failed.
    pub(super) fn exec(&self, errno: Errno) {
        self.tell(EXEC, errno, "");
    }

    fn tell(&self, kind: u8, errno: Errno, step: &str) {
        let mut message = vec![kind];
        message.extend_from_slice(&errno.raw_os_error().to_ne_bytes());
        message.extend_from_slice(step.as_bytes());
        let _lost = rustix::net::send(&self.0, &message, SendFlags::NOSIGNAL);
    }

    /// The view stands.
    pub(super) fn built(&self) {
        let _lost = rustix::net::send(&self.0, &[BUILT], SendFlags::NOSIGNAL);
    }

    /// Namespaces cannot be had here.
    pub(super) fn unavailable(&self) {
        let _lost = rustix::net::send(&self.0, &[UNAVAILABLE], SendFlags::NOSIGNAL);
    }

    /// The filter is loaded.
    pub(super) fn ready(
        &self,
        program: BorrowedFd<'_>,
        listener: Option<BorrowedFd<'_>>,
    ) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = std::iter::once(program).chain(listener).collect();
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(
            &self.0,
            &[IoSlice::new(&[READY])],
            &mut control,
            SendFlags::NOSIGNAL,
        )
        .map(|_| ())
    }

    /// A worker is locked down: the broker's end of its lane, and its listener.
    pub(super) fn arrived(
        &self,
        lane: Option<&OwnedFd>,
        listener: Option<&OwnedFd>,
    ) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = lane
            .iter()
            .chain(&listener)
            .map(|one| one.as_fd())
            .collect();
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let message = [
            ARRIVED,
            u8::from(lane.is_some()),
            u8::from(listener.is_some()),
        ];
        let flags = SendFlags::NOSIGNAL;
        sendmsg(&self.0, &[IoSlice::new(&message)], &mut control, flags).map(|_| ())
    }
}

/// What a worker hands to the broker before it serves its host.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// The broker's end of its lane.
    pub(crate) lane: Option<OwnedFd>,
    /// Its notification descriptor.
    pub(crate) listener: Option<OwnedFd>,
}

/// The next worker that is locked down.
///
/// # Errors
/// `EPIPE` when the zygote is gone; `EINTR` for what is to be tried again.
pub(crate) fn arrived(socket: BorrowedFd<'_>) -> Result<Arrived, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0_u8; 3];
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptors = control.drain().flat_map(|one| match one {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let [kind, lane, listener] = bytes;
    if received.bytes < bytes.len() || kind != ARRIVED {
        return Err(Errno::PIPE);
    }
    let mut next = |there: u8| (there == 1).then(|| descriptors.next()).flatten();
    Ok(Arrived {
        lane: next(lane),
        listener: next(listener),
    })
}

impl AsFd for Report {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How long each step of a start may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until there is something to receive; an interruption begins the wait anew.
fn await_message(socket: BorrowedFd<'_>, limit: Duration) -> Result<(), Errno> {
    let timeout = Timespec::try_from(limit).map_err(|_| Errno::INVAL)?;
    loop {
        let mut waited = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
        match poll(&mut waited, Some(&timeout)) {
            Err(Errno::INTR) => {}
            Ok(0) => return Err(Errno::TIMEDOUT),
            other => return other.map(|_| ()),
        }
    }
}

fn late(errno: Errno) -> LaunchError {
    match errno {
        Errno::TIMEDOUT => LaunchError::Late,
        errno => LaunchError::Socket(errno),
    }
}

/// Waits until the sandboxee is locked down, no longer than `limit`.
pub(super) fn ready(socket: BorrowedFd<'_>, limit: Duration) -> Result<Ready, LaunchError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0_u8; 256];
    await_message(socket, limit).map_err(late)?;
    let received = loop {
        match recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(Errno::INTR) => {}
            other => break other.map_err(LaunchError::Socket)?,
        }
    };
    let mut descriptors = control.drain().flat_map(|one| match one {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let message = bytes.get(..received.bytes).unwrap_or_default();
    match message.split_first() {
        Some((&READY, _)) => Ok(Ready {
            program: descriptors.next().ok_or(LaunchError::Lost)?,
            listener: descriptors.next(),
        }),
        Some((&FAILED, rest)) => Err(failure(rest)),
        _ => Err(LaunchError::Lost),
    }
}

/// Waits until the view stands, no longer than `limit`.
pub(super) fn built(socket: BorrowedFd<'_>, limit: Duration) -> Result<(), LaunchError> {
    await_message(socket, limit).map_err(late)?;
    let mut bytes = [0_u8; 256];
    let count = loop {
        match rustix::net::recv(socket, &mut bytes, RecvFlags::empty()) {
            Err(Errno::INTR) => {}
            other => break other.map_err(LaunchError::Socket)?.0,
        }
    };
    match bytes.get(..count).unwrap_or_default().split_first() {
        Some((&BUILT, _)) => Ok(()),
        Some((&UNAVAILABLE, _)) => Err(LaunchError::Unavailable),
        Some((&FAILED, rest)) => Err(failure(rest)),
        _ => Err(LaunchError::Lost),
    }
}

/// A failed step, as [`Report::failed`] told it.
fn failure(rest: &[u8]) -> LaunchError {
    LaunchError::Step {
        errno: errno_of(rest).unwrap_or(Errno::IO),
        step: String::from_utf8_lossy(rest.get(4..).unwrap_or_default()).into_owned(),
    }
}

fn errno_of(bytes: &[u8]) -> Option<Errno> {
    let number = i32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    (1..4096)
        .contains(&number)
        .then(|| Errno::from_raw_os_error(number))
}

/// Waits until the program runs: the errno if exec, or a step after the filter, failed, or
/// took too long.
pub(crate) fn exec_failure(socket: BorrowedFd<'_>) -> Option<Errno> {
    if let Err(errno) = await_message(socket, PATIENCE) {
        return Some(errno);
    }
    let mut bytes = [0_u8; 256];
    loop {
        match rustix::net::recv(socket, &mut bytes, RecvFlags::empty()) {
            Err(Errno::INTR) => {}
            Ok((count, _)) => return errno_of(bytes.get(1..count).unwrap_or_default()),
            Err(_) => return None,
        }
    }
}

/// Reads what the kernel told of the program's end; `None` if it was lost with its init.
pub(crate) fn wait_status(pipe: &OwnedFd) -> Option<Waited> {
    let mut bytes = [0_u8; Waited::LENGTH];
    loop {
        match rustix::io::read(pipe.as_fd(), &mut bytes) {
            Err(Errno::INTR) => {}
            Ok(Waited::LENGTH) => return Waited::from_bytes(bytes),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    fn pair() -> (OwnedFd, Report) {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        (ours, Report::new(theirs))
    }

    #[test]
    fn who_says_nothing_is_waited_for_so_long_and_no_longer() {
        let (ours, _theirs) = pair();
        let started = Instant::now();
        assert!(matches!(built(ours.as_fd(), SHORT), Err(LaunchError::Late)));
        assert!(matches!(ready(ours.as_fd(), SHORT), Err(LaunchError::Late)));
        let taken = started.elapsed();
        assert!(
            taken >= SHORT * 2 && taken < Duration::from_secs(5),
            "{taken:?}"
        );
    }

    #[test]
    fn what_is_said_or_left_unsaid_is_heard_at_once() {
        let (ours, theirs) = pair();
        theirs.built();
        built(ours.as_fd(), PATIENCE).unwrap();
        theirs.failed("a step", Errno::NOSPC);
        let told = built(ours.as_fd(), PATIENCE).unwrap_err().to_string();
        assert!(told.starts_with("a step failed"), "{told}");
        theirs.ready(ours.as_fd(), None).unwrap();
        assert!(ready(ours.as_fd(), PATIENCE).unwrap().listener.is_none());
        drop(theirs);
        let lost = ready(ours.as_fd(), PATIENCE);
        assert!(matches!(lost, Err(LaunchError::Lost)));
    }
}
