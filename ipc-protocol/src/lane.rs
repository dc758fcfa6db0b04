//! Lanes: records on a SEQPACKET socket, each with the descriptors that came with it.
//!
//! The peer is hostile. Safe, because a record is read once, whole or not at all; every
//! descriptor that the kernel installs is owned at once and closed unless it is the one
//! that was due; and neither side ever waits without a bound.

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
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, RecvMsg, ReturnFlags,
        SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
        sendmsg, socketpair, sockopt,
    },
};

/// Why a record was not sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// The other side is gone.
    #[error("the other side of the lane is gone")]
    Gone,
    /// Nothing is there yet, or there is no room, within the time allowed.
    #[error("the lane is not ready")]
    NotReady,
    /// A record of zero bytes.
    #[error("a record of zero bytes came")]
    Empty,
    /// A record longer than the buffer.
    #[error("a record came that is longer than any frame")]
    Truncated,
    /// Ancillary data for which there was no room.
    #[error("a record came with more beside it than is due")]
    Control,
    /// More descriptors than a frame may have.
    #[error("{0} descriptors came with one record")]
    Descriptors(usize),
    /// It is not from the process whose lane it is.
    #[error("a record came from another process than the lane's")]
    Stranger,
    /// Anything else.
    #[error("the lane failed")]
    Failed(#[source] Errno),
}

impl From<Errno> for LaneError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::NotReady,
            Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => Self::Gone,
            errno => Self::Failed(errno),
        }
    }
}

/// One end of a lane.
#[derive(Debug)]
pub struct Lane(OwnedFd);

/// A record that came.
#[derive(Debug)]
pub struct Received {
    /// How many bytes of the buffer it fills.
    pub length: usize,
    /// The descriptor that came with it.
    pub descriptor: Option<OwnedFd>,
}

impl Lane {
    /// A fresh lane: both its ends.
    ///
    /// # Errors
    /// What socketpair(2) meets.
    pub fn pair() -> Result<(Self, Self), Errno> {
        let (one, other) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(one), Self(other)))
    }

    /// An end that was inherited or received.
    pub fn from_fd(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Its socket.
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Bounds how long [`Lane::send`] and [`Lane::receive`] wait.
    ///
    /// # Errors
    /// What setsockopt(2) meets.
    pub fn set_patience(&self, patience: Duration) -> Result<(), Errno> {
        sockopt::set_socket_timeout(&self.0, sockopt::Timeout::Recv, Some(patience))?;
        sockopt::set_socket_timeout(&self.0, sockopt::Timeout::Send, Some(patience))
    }

    /// Sends one record, and waits for room.
    ///
    /// # Errors
    /// [`LaneError`].
    pub fn send(&self, record: &[u8]) -> Result<(), LaneError> {
        self.send_with(record, None, SendFlags::NOSIGNAL)
    }

    /// Sends one record and a descriptor with it, if there is room at once.
    ///
    /// # Errors
    /// [`LaneError::NotReady`] where there is no room; nothing was sent then.
    pub fn send_now(
        &self,
        record: &[u8],
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), LaneError> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        self.send_with(record, descriptor, flags)
    }

    fn send_with(
        &self,
        record: &[u8],
        descriptor: Option<BorrowedFd<'_>>,
        flags: SendFlags,
    ) -> Result<(), LaneError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let descriptors = descriptor.as_slice();
        let sent = rustix::io::retry_on_intr(|| {
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty()
                && !control.push(SendAncillaryMessage::ScmRights(descriptors))
            {
                return Err(Errno::NOBUFS);
            }
            sendmsg(&self.0, &[IoSlice::new(record)], &mut control, flags)
        })?;
        if sent == record.len() {
            Ok(())
        } else {
            Err(LaneError::Truncated)
        }
    }

    /// Receives one record with at most one descriptor, and waits for it.
    ///
    /// # Errors
    /// [`LaneError`]; whatever came with the record is closed.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Received, LaneError> {
        self.receive_with(buffer, 1, RecvFlags::CMSG_CLOEXEC)
    }

    /// As [`Lane::receive`], if there is a record.
    ///
    /// # Errors
    /// [`LaneError::NotReady`] if there is none, or what else is wrong.
    pub fn receive_now(&self, buffer: &mut [u8]) -> Result<Received, LaneError> {
        self.receive_with(buffer, 1, RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT)
    }

    /// Receives one record if there is one, without room for descriptors: the kernel
    /// closes any, and the record counts as [`LaneError::Control`].
    ///
    /// # Errors
    /// [`LaneError::NotReady`] if there is none, or what else is wrong.
    pub fn receive_bare(&self, buffer: &mut [u8]) -> Result<Received, LaneError> {
        self.receive_with(buffer, 0, RecvFlags::DONTWAIT)
    }

    fn receive_with(
        &self,
        buffer: &mut [u8],
        due: usize,
        flags: RecvFlags,
    ) -> Result<Received, LaneError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = match due {
            0 => RecvAncillaryBuffer::default(),
            _ => RecvAncillaryBuffer::new(&mut space),
        };
        let received = rustix::io::retry_on_intr(|| {
            recvmsg(&self.0, &mut [IoSliceMut::new(buffer)], &mut control, flags)
        })?;
        let side = Side::take(&mut control);
        self.judge(&received)?;
        if side.count > due {
            return Err(LaneError::Descriptors(side.count));
        }
        Ok(Received {
            length: received.bytes,
            descriptor: side.first,
        })
    }

    fn judge(&self, received: &RecvMsg) -> Result<(), LaneError> {
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(LaneError::Truncated);
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(LaneError::Control);
        }
        if received.bytes > 0 {
            return Ok(());
        }
        // Nothing: a record without bytes, or the end. Only the end leaves the socket half closed.
        let mut state = [PollFd::new(&self.0, PollFlags::RDHUP)];
        poll(&mut state, Some(&Timespec::default()))?;
        let [state] = state.map(|one| one.revents());
        if state.intersects(PollFlags::RDHUP | PollFlags::HUP) {
            Err(LaneError::Gone)
        } else {
            Err(LaneError::Empty)
        }
    }
}

/// What came beside a record.
#[derive(Debug, Default)]
struct Side {
    first: Option<OwnedFd>,
    count: usize,
}

impl Side {
    /// Takes it, even when it was cut: what was installed is owned here, and all but the
    /// first descriptor is closed.
    fn take(control: &mut RecvAncillaryBuffer<'_>) -> Self {
        let mut side = Self::default();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                for descriptor in rights {
                    side.count = side.count.saturating_add(1);
                    side.first.get_or_insert(descriptor);
                }
            }
        }
        side
    }
}

impl AsFd for Lane {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
