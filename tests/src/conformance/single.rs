//! Rows of one front alone.

use doorward_protocol::operation::{Fronts, Operation};

/// A row that one front alone has, and why.
#[derive(Debug, Clone, Copy)]
pub struct Single {
    /// The row.
    pub operation: Operation,
    /// Its front.
    pub fronts: Fronts,
    /// Why the other has none.
    pub reason: &'static str,
}

const fn notify(operation: Operation, reason: &'static str) -> Single {
    Single {
        operation,
        fronts: Fronts::Notify,
        reason,
    }
}

const fn api(operation: Operation, reason: &'static str) -> Single {
    Single {
        operation,
        fronts: Fronts::Api,
        reason,
    }
}

/// All of them.
pub const SINGLE: &[Single] = &[
    notify(Operation::Chdir, "a lane has no working directory"),
    notify(Operation::Getcwd, "a lane has no working directory"),
    notify(Operation::Lock, "locks are on the asker's own descriptor"),
    notify(
        Operation::Watch,
        "watches are on the asker's own descriptor",
    ),
    notify(
        Operation::Socket,
        "typed clients ask for connections, not for sockets",
    ),
    notify(Operation::Bind, "it is about a socket that the asker has"),
    notify(Operation::Listen, "it is about a socket that the asker has"),
    notify(Operation::Exec, "the kernel replaces the asker's own image"),
    api(
        Operation::Spawn,
        "no system call starts a program elsewhere",
    ),
    api(Operation::Wait, "programs of typed spawns are no children"),
    api(Operation::Forget, "handles are the lane's"),
    api(Operation::Lane, "lanes come from lanes"),
    api(Operation::Restrict, "no system call narrows a sandbox"),
];
