//! Network services: sockets that the broker makes in its own network namespace, and
//! connects that it performs on the asker's socket.
//!
//! Descriptor numbers and addresses are hostile. Safe, because the asker's socket is taken
//! once by pidfd_getfd and everything is checked and done on that one object; the broker
//! knows the TCP sockets it made by their cookie, and connects them to its own copy of an
//! address that the policy allows. Where containers refuse pidfd_getfd it keeps copies of the
//! sockets it makes, and finds the one that is meant by its inode. A connect happens on a worker, since the open file
//! description is shared and may be made blocking at any moment; there a timer interrupts it.

mod address;
mod attempt;
mod connect;
mod kept;
mod made;
mod own;
mod socket;
#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it then fails"
)]
mod tests;
mod unix;

use std::sync::Arc;

use doorward_policy::{Narrowed, Reason};
use rustix::io::Errno;

use crate::files::{Attempt, Course, Fault};

pub(crate) use self::address::Given;
use self::{kept::Kept, made::Made, own::OwnAddresses};

/// The network of one sandbox.
#[derive(Debug)]
pub(crate) struct Network {
    /// What is decided by.
    policy: Narrowed,
    /// Whether the broker makes TCP sockets.
    tcp: bool,
    /// The sockets it made.
    made: Arc<Made>,
    /// Copies of those, where the asker's own cannot be had.
    kept: Arc<Kept>,
    /// The machine's own addresses.
    own: Arc<OwnAddresses>,
}

impl Network {
    /// Of a sandbox under this policy; `tcp` says whether the broker makes TCP sockets.
    pub(crate) fn new(policy: Narrowed, tcp: bool) -> Self {
        Self {
            policy,
            tcp,
            made: Arc::default(),
            kept: Arc::new(Kept::where_needed()),
            own: Arc::default(),
        }
    }

    /// The same network, judged by other restrictions.
    pub(crate) fn judged_by(&self, policy: Narrowed) -> Self {
        Self {
            policy,
            tcp: self.tcp,
            made: Arc::clone(&self.made),
            kept: Arc::clone(&self.kept),
            own: Arc::clone(&self.own),
        }
    }

    /// bind(2): listening is not brokered yet, and says so in the record.
    pub(crate) fn bind(&self, course: &mut Course<'_>, address: &[u8]) -> Attempt<()> {
        course.object = Given::read(address).map_or_else(|_| Vec::new(), |given| given.text());
        Err(Fault::denied(Reason::NotYet, Errno::ACCESS))
    }

    /// listen(2): likewise.
    pub(crate) fn listen(&self) -> Attempt<()> {
        Err(Fault::denied(Reason::NotYet, Errno::ACCESS))
    }
}
