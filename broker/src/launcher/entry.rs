//! Functions of this executable that run as sandboxees, without exec.

use std::{ffi::OsString, os::fd::OwnedFd};

use doorward_sandboxee::worker::{Dispatch, Host};

/// A function that a sandbox can run, registered with [`crate::init`].
///
/// It runs in a process forked from the launcher, locked down before the call. Nothing
/// of the host's memory is there: the broker is the executable started anew.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What [`crate::host::Program::Entry`] names it by.
    pub name: &'static str,
    /// The function; its value is the exit status.
    pub run: fn(Sandboxee) -> u8,
}

/// What an entry is given.
#[derive(Debug)]
pub struct Sandboxee {
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its first lane to the broker, where the policy's front is `api` or `auto`.
    pub lane: Option<OwnedFd>,
    /// The host that calls it, where it is a worker.
    pub host: Option<Host>,
}

impl Sandboxee {
    /// Serves the calls of its host until that is gone: the whole life of most workers. The
    /// exit status; one that is no worker, or whose host breaks the protocol, gets 1.
    pub fn serve<D: Dispatch + ?Sized>(self, interface: &mut D) -> u8 {
        let served = self.host.map(|host| host.serve(interface));
        u8::from(!matches!(served, Some(Ok(()))))
    }
}
