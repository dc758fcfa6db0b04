//! The answer to one notification: given by value, or a denial when dropped.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use doorward_protocol::operation::Call;
use rustix::io::Errno;

use super::seat::Hold;
use crate::{
    control::{self, Defence},
    sys::notify,
};

/// That a call may be continued: made only from a row of the operation table that says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Continuable(&'static Call);

impl Continuable {
    /// Evidence for a call of the table, if the table has it.
    pub(super) fn of(call: &'static Call) -> Option<Self> {
        call.continued.then_some(Self(call))
    }

    /// The call.
    pub(super) fn name(self) -> &'static str {
        self.0.name
    }
}

/// Owes one notification its answer.
#[derive(Debug)]
pub(super) struct Responder<'a> {
    listener: BorrowedFd<'a>,
    id: u64,
    owed: bool,
}

impl<'a> Responder<'a> {
    pub(super) fn new(listener: BorrowedFd<'a>, id: u64) -> Self {
        Self {
            listener,
            id,
            owed: true,
        }
    }

    pub(super) fn value(self, value: i64) {
        let _whether_it_waited = self.taken(value);
    }

    /// Answers with a value; whether the asker waited until then.
    pub(super) fn taken(mut self, value: i64) -> bool {
        self.owed = notify::send_value(self.listener, self.id, value).is_err();
        !self.owed
    }

    pub(super) fn errno(mut self, errno: Errno) {
        self.owed = notify::send_errno(self.listener, self.id, errno).is_err();
    }

    pub(super) fn proceed(mut self, _evidence: Continuable) {
        self.owed = notify::send_continue(self.listener, self.id).is_err();
    }

    /// Somebody else owes the answer now.
    pub(super) fn hand_over(mut self) {
        self.owed = false;
    }

    /// Adds the descriptor to the asker's table, closes the broker's own copy, and only then
    /// lets the asker go on.
    ///
    /// The kernel can do both at once, but marks the asker as answered before the descriptor
    /// is in its table: were the broker stopped or frozen in between, it would be told 0.
    pub(super) fn descriptor(
        mut self,
        descriptor: OwnedFd,
        close_on_exec: bool,
        hold: Option<Hold>,
    ) {
        let (listener, id) = (self.listener, self.id);
        if control::is_off(Defence::AddedFirst) {
            let sent = notify::send_descriptor(listener, id, descriptor.as_fd(), close_on_exec);
            self.owed = sent.is_err();
            return;
        }
        let added = notify::add_descriptor(listener, id, descriptor.as_fd(), close_on_exec);
        if let Some(hold) = hold {
            hold.release();
        }
        close(descriptor);
        match added {
            Ok(number) => self.value(number),
            // What it is told whose table took no descriptor.
            Err(Errno::MFILE) => self.errno(Errno::MFILE),
            Err(_) => self.errno(Errno::ACCESS),
        }
    }
}

fn close(descriptor: OwnedFd) {
    if control::is_off(Defence::GrantClosed) {
        close_later(descriptor);
    }
}

/// The control: the copy outlives the answer a little.
fn close_later(descriptor: OwnedFd) {
    let _closing = std::thread::Builder::new().spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(1));
        drop(descriptor);
    });
}

impl Drop for Responder<'_> {
    fn drop(&mut self) {
        if self.owed {
            let _gone = notify::send_errno(self.listener, self.id, Errno::PERM);
        }
    }
}
