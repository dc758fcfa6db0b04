//! What a host tells the zygote of its workers, and what it is told: both ends are trusted,
//! one SEQPACKET message of three words a fact.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use doorward_sandboxee::worker::Host;
use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    },
};

const START: u32 = 1;
const KILL: u32 = 2;

/// What a zygote is to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Make a worker, whose limits are held in this place, and which serves this host.
    Start {
        number: u32,
        place: usize,
        host: Host,
    },
    /// Kill a worker.
    Kill { number: u32 },
}

/// One end of the socket between a host and its zygote.
#[derive(Debug)]
pub(crate) struct Orders(OwnedFd);

impl Orders {
    /// Both its ends.
    pub(crate) fn pair() -> Result<(Self, OwnedFd), Errno> {
        let kind = SocketType::SEQPACKET;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }

    /// The zygote's end.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Orders a worker.
    ///
    /// # Errors
    /// `EPIPE` when the zygote is gone.
    pub(crate) fn start(
        &self,
        number: u32,
        place: u32,
        socket: &OwnedFd,
        arena: &OwnedFd,
    ) -> Result<(), Errno> {
        self.send([START, number, place], &[socket.as_fd(), arena.as_fd()])
    }

    /// Orders the end of a worker.
    ///
    /// # Errors
    /// `EPIPE` when the zygote is gone.
    pub(crate) fn kill(&self, number: u32) -> Result<(), Errno> {
        self.send([KILL, number, 0], &[])
    }

    /// Tells the host how a worker ended.
    pub(super) fn ended(&self, number: u32, raw: i32) {
        let mut message = [0_u8; 8];
        let (first, second) = message.split_at_mut(4);
        first.copy_from_slice(&number.to_ne_bytes());
        second.copy_from_slice(&raw.to_ne_bytes());
        // A host that does not ask how its workers ended is not waited for.
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let _lost = rustix::net::send(&self.0, &message, flags);
    }

    /// The next end of a worker: its number and raw wait status; none yet.
    ///
    /// # Errors
    /// `EPIPE` when the zygote is gone.
    pub(crate) fn next_end(&self) -> Result<Option<(u32, i32)>, Errno> {
        let mut message = [0_u8; 8];
        match rustix::net::recv(&self.0, &mut message, RecvFlags::DONTWAIT) {
            Ok((8, _)) => {
                let [a, b, c, d, e, f, g, h] = message;
                let number = u32::from_ne_bytes([a, b, c, d]);
                Ok(Some((number, i32::from_ne_bytes([e, f, g, h]))))
            }
            Ok(_) => Err(Errno::PIPE),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn send(&self, words: [u32; 3], descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        rustix::io::retry_on_intr(|| {
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(descriptors));
            }
            let flags = SendFlags::NOSIGNAL;
            sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut control, flags).map(|_| ())
        })
    }

    /// The next order; `None` for a message that cannot be one.
    pub(super) fn receive(&self) -> Result<Option<Order>, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0_u8; 12];
        let received = recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        if received.bytes == 0 {
            return Err(Errno::PIPE);
        }
        let mut descriptors = control.drain().flat_map(|one| match one {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        let [kind, number, place] = {
            let mut words = [0; 3];
            for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *word = u32::from_ne_bytes(*bytes);
            }
            words
        };
        Ok(match (kind, descriptors.next(), descriptors.next()) {
            (START, Some(socket), Some(arena)) => Some(Order::Start {
                number,
                place: usize::try_from(place).unwrap_or(usize::MAX),
                host: Host::new(socket, arena),
            }),
            (KILL, None, None) => Some(Order::Kill { number }),
            _ => None,
        })
    }
}

impl AsFd for Orders {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
