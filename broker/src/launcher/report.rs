//! What the launcher and the sandboxee-to-be tell the broker before exec: trusted code
//! on both ends, one SEQPACKET message a fact.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    },
};

use super::LaunchError;

/// The sandboxee's end.
#[derive(Debug)]
pub(crate) struct Report(OwnedFd);

const LISTENER: u8 = b'L';
const FAILED: u8 = b'F';
const EXEC: u8 = b'X';

pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
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

    /// The filter is loaded.
    pub(super) fn listener(&self, listener: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [listener];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(
            &self.0,
            &[IoSlice::new(&[LISTENER])],
            &mut control,
            SendFlags::NOSIGNAL,
        )
        .map(|_| ())
    }
}

/// Waits for the listener; `None` when the other side ended.
pub(super) fn listener(socket: BorrowedFd<'_>) -> Result<Option<OwnedFd>, LaunchError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0_u8; 256];
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
    let message = bytes.get(..received.bytes).unwrap_or_default();
    match message.split_first() {
        Some((&LISTENER, _)) => Ok(control.drain().find_map(|one| match one {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        })),
        Some((&FAILED, rest)) => Err(LaunchError::Step {
            errno: errno_of(rest).unwrap_or(Errno::IO),
            step: String::from_utf8_lossy(rest.get(4..).unwrap_or_default()).into_owned(),
        }),
        _ => Ok(None),
    }
}

fn errno_of(bytes: &[u8]) -> Option<Errno> {
    let number = i32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    (1..4096)
        .contains(&number)
        .then(|| Errno::from_raw_os_error(number))
}

/// Waits until the program runs: the errno if exec, or a step after the filter, failed.
pub(crate) fn exec_failure(socket: BorrowedFd<'_>) -> Option<Errno> {
    let mut bytes = [0_u8; 256];
    loop {
        match rustix::net::recv(socket, &mut bytes, RecvFlags::empty()) {
            Err(Errno::INTR) => {}
            Ok((count, _)) => return errno_of(bytes.get(1..count).unwrap_or_default()),
            Err(_) => return None,
        }
    }
}

/// Reads the program's wait status; `None` if it was lost with its init.
pub(crate) fn wait_status(pipe: &OwnedFd) -> Option<i32> {
    let mut bytes = [0_u8; 4];
    loop {
        match rustix::io::read(pipe.as_fd(), &mut bytes) {
            Err(Errno::INTR) => {}
            Ok(4) => return Some(i32::from_ne_bytes(bytes)),
            _ => return None,
        }
    }
}
