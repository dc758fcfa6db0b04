//! Typed spawns: the broker asks the init to start a program that the policy allowed, under
//! the same lock-down as the sandboxee. Both ends are trusted; one SEQPACKET message a fact.
//!
//! The program is bound to the object that was judged: its Landlock domain gives execute
//! rights on that pin, so what takes the name's place meanwhile does not start.

use std::{
    collections::BTreeMap,
    ffi::CString,
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use doorward_policy::AbsName;
use doorward_protocol::codec::{decode_trusted, encode_trusted};
use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    },
};
use serde::{Deserialize, Serialize};

use super::{Report, Task, report};
use crate::service::Spawner;

/// Programs of one sandbox that run at a time, and whose end was not asked for yet.
const MOST: usize = 64;
/// Longest order: arguments are bounded by the request's limit in the operation table.
const LONGEST: usize = 192 * 1024;

#[derive(Serialize, Deserialize)]
struct Words {
    number: u32,
    /// By its name in the policy that allowed it; none for that policy itself.
    policy: Option<String>,
    program: Vec<u8>,
    arguments: Vec<Vec<u8>>,
}

/// What the init is asked to start.
pub(super) struct Order {
    pub(super) number: u32,
    pub(super) policy: Option<String>,
    pub(super) task: Task,
    pub(super) pin: OwnedFd,
    pub(super) report: Report,
}

impl Order {
    /// Receives one; `None` for a message that cannot be one.
    pub(super) fn receive(socket: BorrowedFd<'_>) -> Result<Option<Self>, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = vec![0_u8; LONGEST];
        let received = recvmsg(
            socket,
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
        let (Some(pin), Some(report)) = (descriptors.next(), descriptors.next()) else {
            return Ok(None);
        };
        let text = bytes.get(..received.bytes).unwrap_or_default();
        let Ok(words) = decode_trusted::<Words>(text) else {
            return Ok(None);
        };
        let word = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| Errno::INVAL);
        let program = word(words.program)?;
        let arguments: Result<Vec<CString>, Errno> = std::iter::once(Ok(program.clone()))
            .chain(words.arguments.into_iter().map(word))
            .collect();
        Ok(Some(Self {
            number: words.number,
            policy: words.policy,
            task: Task::Exec(program, arguments?),
            pin,
            report: Report::new(report),
        }))
    }
}

/// Tells the broker how a program ended.
pub(super) fn tell(socket: BorrowedFd<'_>, number: u32, raw: i32) {
    let mut message = [0_u8; 8];
    let (first, second) = message.split_at_mut(4);
    first.copy_from_slice(&number.to_ne_bytes());
    second.copy_from_slice(&raw.to_ne_bytes());
    let _lost = rustix::net::send(socket, &message, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

/// A program that is locked down and about to be executed.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Its notifications.
    pub(crate) listener: OwnedFd,
    /// The name that its first exec asks for.
    pub(crate) name: AbsName,
    /// The policy it runs under, if it is another than the asker's.
    pub(crate) policy: Option<String>,
}

/// Serves the notifications of a spawned program until `stop`.
type Serve = dyn Fn(Spawned) -> Result<(), Errno> + Send + Sync;

/// The programs started by typed spawns: the broker's side.
pub(crate) struct Programs {
    socket: OwnedFd,
    ends: Mutex<Ends>,
    ended: Condvar,
    serve: OnceLock<Box<Serve>>,
}

#[derive(Default)]
struct Ends {
    last: u32,
    /// By number; none while it runs.
    programs: BTreeMap<u32, Option<i32>>,
    /// Nothing more will be told.
    over: bool,
}

impl Programs {
    pub(crate) fn new(socket: OwnedFd) -> Arc<Self> {
        Arc::new(Self {
            socket,
            ends: Mutex::default(),
            ended: Condvar::new(),
            serve: OnceLock::new(),
        })
    }

    /// Who serves the notifications of what is started.
    pub(crate) fn serve_with(&self, serve: Box<Serve>) {
        let _first = self.serve.set(serve);
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the init tells, until it ends. For a thread of its own.
    pub(crate) fn follow(&self) {
        let mut message = [0_u8; 8];
        loop {
            match rustix::net::recv(&self.socket, &mut message, RecvFlags::empty()) {
                Ok((8, _)) => {}
                Err(Errno::INTR) => continue,
                _ => break,
            }
            let [a, b, c, d, e, f, g, h] = message;
            let number = u32::from_ne_bytes([a, b, c, d]);
            let raw = i32::from_ne_bytes([e, f, g, h]);
            if let Some(end) = self.ends().programs.get_mut(&number) {
                *end = Some(raw);
            }
            self.ended.notify_all();
        }
        self.ends().over = true;
        self.ended.notify_all();
    }

    fn number(&self) -> Result<u32, Errno> {
        let mut ends = self.ends();
        if ends.over || ends.programs.len() >= MOST {
            return Err(Errno::AGAIN);
        }
        ends.last = ends.last.checked_add(1).ok_or(Errno::AGAIN)?;
        let number = ends.last;
        ends.programs.insert(number, None);
        Ok(number)
    }

    fn order(
        &self,
        number: u32,
        program: &AbsName,
        pin: &OwnedFd,
        arguments: &[&[u8]],
        policy: Option<&str>,
    ) -> Result<(), Errno> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let words = encode_trusted(&Words {
            number,
            policy: policy.map(str::to_owned),
            program: program.as_bytes().to_vec(),
            arguments: arguments.iter().map(|word| word.to_vec()).collect(),
        })
        .map_err(|_| Errno::INVAL)?;
        if words.len() > LONGEST {
            return Err(Errno::TOOBIG);
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [pin.as_fd(), theirs.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(
            &self.socket,
            &[IoSlice::new(&words)],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        drop(theirs);
        let ready = report::ready(ours.as_fd(), report::PATIENCE).map_err(|error| match error {
            super::LaunchError::Step { errno, .. } => errno,
            _ => Errno::AGAIN,
        })?;
        let spawned = Spawned {
            listener: ready.listener.ok_or(Errno::IO)?,
            name: program.clone(),
            policy: policy.map(str::to_owned),
        };
        self.serve.get().ok_or(Errno::AGAIN)?(spawned)?;
        match report::exec_failure(ours.as_fd()) {
            Some(errno) => Err(errno),
            None => Ok(()),
        }
    }
}

impl Spawner for Arc<Programs> {
    fn start(
        &self,
        program: &AbsName,
        pin: OwnedFd,
        arguments: &[&[u8]],
        policy: Option<&str>,
    ) -> Result<u32, Errno> {
        let number = self.number()?;
        match self.order(number, program, &pin, arguments, policy) {
            Ok(()) => Ok(number),
            Err(errno) => {
                self.ends().programs.remove(&number);
                Err(errno)
            }
        }
    }

    fn wait(&self, process: u32, limit: Duration) -> Result<Option<i32>, Errno> {
        let deadline = Instant::now().checked_add(limit);
        let mut ends = self.ends();
        loop {
            match ends.programs.get(&process).copied() {
                None => return Err(Errno::CHILD),
                Some(Some(raw)) => {
                    ends.programs.remove(&process);
                    return Ok(Some(raw));
                }
                Some(None) if ends.over => return Err(Errno::CHILD),
                Some(None) => {}
            }
            let left = deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now()))
                .unwrap_or_default();
            if left.is_zero() {
                return Ok(None);
            }
            ends = self
                .ended
                .wait_timeout(ends, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
