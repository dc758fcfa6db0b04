//! Rows that not all fronts have.

use doorward_protocol::operation::{Fronts, Operation};

/// A row that not all fronts have, and why.
#[derive(Debug, Clone, Copy)]
pub struct Single {
    /// The row.
    pub operation: Operation,
    /// Those that have it.
    pub fronts: Fronts,
    /// Why others have none.
    pub reason: &'static str,
}

const fn calls(operation: Operation, reason: &'static str) -> Single {
    Single {
        operation,
        fronts: Fronts::Calls,
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
    calls(Operation::Chdir, "a lane has no working directory"),
    calls(Operation::Getcwd, "a lane has no working directory"),
    calls(Operation::Lock, "locks are on the asker's own descriptor"),
    calls(
        Operation::Watch,
        "watches are on the asker's own descriptor",
    ),
    calls(
        Operation::Socket,
        "typed clients ask for connections, not for sockets",
    ),
    calls(Operation::Bind, "it is about a socket that the asker has"),
    calls(Operation::Listen, "it is about a socket that the asker has"),
    Single {
        operation: Operation::Exec,
        fronts: Fronts::Notify,
        reason: "the kernel replaces the asker's own image, and with it what takes its traps",
    },
    api(
        Operation::Spawn,
        "no system call starts a program elsewhere",
    ),
    api(Operation::Wait, "programs of typed spawns are no children"),
    api(Operation::Forget, "handles are the lane's"),
    api(Operation::Lane, "lanes come from lanes"),
    api(Operation::Restrict, "no system call narrows a sandbox"),
];
