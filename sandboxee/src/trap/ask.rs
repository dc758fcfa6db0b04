//! One call of the operation table: copied, asked, answered.

use std::mem::ManuallyDrop;

use doorward_protocol::{
    Base, Reply, Request,
    frame::encode_request,
    polling::Polling,
    row::Row,
    syscall::{Copied, decode},
};
use rustix::io::Errno;

use super::{
    answer,
    lanes::{self, Needs},
    look::look,
    memory::Copying,
    quiet::Quiet,
    record::{self, Received},
    reply,
    slot::{Kept, Room},
    status::Status,
    sys::{Trapped, call},
};

/// Asks the broker, and does what it says.
///
/// # Errors
/// What the call fails with.
pub(super) fn ask(name: &str, trapped: &Trapped) -> Result<u64, Errno> {
    let mut begun = false;
    let done = lanes::with(Needs::PipeAndLane, |kept, room| {
        begun = true;
        let Kept {
            lane,
            pipe,
            id,
            polling,
        } = kept;
        let Room { one, two, frame } = room;
        let copying = Copying::new(pipe, one, two);
        let copied = Copied::of(name, trapped.arguments, &copying)?;
        // None that traps owns anything; no code that frees is to be reached from here.
        let request = ManuallyDrop::new(decode(name, &copied)?);
        if name == "newfstatat"
            && let Some(status) = of_descriptor(&request)
        {
            let [_, _, address, ..] = trapped.arguments;
            return pipe.copy_out(address, status.bytes()).map(|()| 0);
        }
        let row = request.operation().row();
        let close_on_exec = is_close_on_exec(&request);
        let encoded = encode_request(frame, *id, &request);
        let length = encoded.map_err(|_| Errno::NAMETOOLONG)?;
        let own = std::mem::replace(id, id.wrapping_add(1));
        let asked = Asked {
            lane: lane.number,
            row,
            flags: if close_on_exec {
                libc::MSG_CMSG_CLOEXEC
            } else {
                0
            },
        };
        let received = match asked.exchange(polling, frame, length) {
            Ok(received) => received,
            // The reply is taken, so the lane goes on.
            Err(Errno::MFILE) => return Err(Errno::MFILE),
            Err(errno) => {
                lanes::give_up(lane);
                return Err(match errno {
                    Errno::INTR => Errno::INTR,
                    _ => Errno::IO,
                });
            }
        };
        let record = frame.get(..received.length).unwrap_or_default();
        let descriptor = received.descriptor;
        let told = reply::decode(record, descriptor.is_some(), row.operation, own);
        match (told, descriptor) {
            (Ok(Reply::Errno(errno)), _) => Err(reply::errno(errno)),
            (Ok(Reply::Descriptor { .. }), Some(number)) => Ok(u64::from(number.cast_unsigned())),
            (Ok(reply), _) => answer::put(name, &reply, trapped, pipe, copied.one),
            (Err(errno), descriptor) => {
                descriptor.into_iter().for_each(lanes::discard);
                lanes::give_up(lane);
                Err(errno)
            }
        }
    });
    match done {
        Err(errno) if !begun => instead(trapped, errno),
        done => done,
    }
}

/// Nanoseconds within which whatever does not wait for others is answered.
const SOON: i64 = 20_000_000;

/// What cannot be asked on a lane is handed over by the filter below, where that does so.
fn instead(trapped: &Trapped, errno: Errno) -> Result<u64, Errno> {
    if !lanes::is_joined() {
        return Err(errno);
    }
    let number = i64::try_from(trapped.number).map_err(|_| errno)?;
    call(number, trapped.arguments)
}

/// A request that was sent or will be.
struct Asked {
    lane: i32,
    row: &'static Row,
    flags: i32,
}

impl Asked {
    /// Sends it and waits for the reply. A signal that was handled meanwhile ends the wait of
    /// what does wait long, as it would natively; what is answered soon is waited for.
    fn exchange(
        &self,
        polling: &mut Polling,
        frame: &mut [u8],
        length: usize,
    ) -> Result<Received, Errno> {
        let quiet = self.row.may_block.then(Quiet::begin);
        let found = self.send_and_look(polling, frame, length);
        let is_broken = found.is_none() && quiet.as_ref().is_some_and(Quiet::is_broken);
        quiet.into_iter().for_each(Quiet::end);
        match found {
            Some(received) => return received,
            None if is_broken => return self.soon(frame),
            None => {}
        }
        loop {
            match record::receive(self.lane, frame, self.flags) {
                Err(Errno::INTR) if self.row.may_block => return self.soon(frame),
                Err(Errno::INTR) => {}
                received => return received,
            }
        }
    }

    /// Sends it, and looks for the reply.
    fn send_and_look(
        &self,
        polling: &mut Polling,
        frame: &mut [u8],
        length: usize,
    ) -> Option<Result<Received, Errno>> {
        loop {
            match record::send(self.lane, frame.get(..length).unwrap_or_default()) {
                Err(Errno::INTR) => {}
                Err(errno) => return Some(Err(errno)),
                Ok(()) => break,
            }
        }
        let now = self.flags | libc::MSG_DONTWAIT;
        look(polling, || record::receive(self.lane, frame, now))
    }

    /// The reply, if it comes soon.
    fn soon(&self, frame: &mut [u8]) -> Result<Received, Errno> {
        let mut left = SOON;
        record::wait(self.lane, &mut left);
        let now = self.flags | libc::MSG_DONTWAIT;
        match record::receive(self.lane, frame, now) {
            Err(_) => Err(Errno::INTR),
            received => received,
        }
    }
}

/// Where the status of an open file is asked for, as fstat(3) of C libraries does, the kernel's
/// answer: that call takes a number and no path, and so does not trap. None where it has none, or
/// not the one that the broker would give: users that a user namespace does not know are shown as
/// another.
fn of_descriptor(request: &Request<'_>) -> Option<Status> {
    let Request::Stat { path, .. } = request else {
        return None;
    };
    let Base::Descriptor(number) = path.base else {
        return None;
    };
    if !path.bytes.is_empty() {
        return None;
    }
    Status::of(number).filter(Status::is_mapped)
}

fn is_close_on_exec(request: &Request<'_>) -> bool {
    let bit = libc::O_CLOEXEC;
    match request {
        Request::Open { flags, .. } => flags & u64::from(bit.cast_unsigned()) != 0,
        Request::Socket { kind, .. } => kind & bit != 0,
        _ => false,
    }
}

const _: () = assert!(libc::O_CLOEXEC == libc::SOCK_CLOEXEC);
