//! Resource limits, which the process that becomes the sandboxee sets for itself.

use std::time::Duration;

use doorward_policy::policy::Limits;
use rustix::{
    io::Errno,
    process::{Resource, Rlimit},
};

use super::Facts;

/// The launcher and the init, which the kernel counts in the sandbox's user namespace.
const OWN_PROCESSES: u64 = 2;
/// The most threads of a broker, which has the sandbox's user where that is its own.
const BROKER_THREADS: u64 = 300;

/// What a control group does not hold, as near as the kernel lets a process do it itself.
pub(super) fn set(limits: &Limits, facts: Facts) -> Result<(), Errno> {
    let held = facts.controllers;
    if held.memory.is_none() {
        set_one(Resource::As, limits.memory, 0)?;
    }
    // SIGXCPU first, so that what ended the program can be told; SIGKILL a second later.
    set_one(
        Resource::Cpu,
        limits.cpu.map(|time| seconds(time, held.cpu.is_some())),
        1,
    )?;
    if held.processes.is_none() {
        let own = match facts {
            _ if facts.counts_processes() => OWN_PROCESSES,
            Facts { isolated: true, .. } => BROKER_THREADS.saturating_add(OWN_PROCESSES),
            _ => 0,
        };
        let most = limits.processes.map(|most| most.saturating_add(own));
        set_one(Resource::Nproc, most, 0)?;
    }
    set_one(Resource::Nofile, limits.open_files, 0)?;
    set_one(Resource::Fsize, limits.file_size, 0)?;
    set_one(Resource::Core, Some(0), 0)
}

/// Whole seconds, a second more where the broker counts and this only stands behind it.
fn seconds(time: Duration, counted: bool) -> u64 {
    let whole = time
        .as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0));
    whole.saturating_add(u64::from(counted)).max(1)
}

fn set_one(resource: Resource, value: Option<u64>, more: u64) -> Result<(), Errno> {
    let Some(value) = value else { return Ok(()) };
    let limit = |value: u64| {
        // Never above what this process has: that would need a privilege.
        match rustix::process::getrlimit(resource).maximum {
            Some(most) => Some(value.min(most)),
            None => Some(value),
        }
    };
    let maximum = limit(value.saturating_add(more));
    rustix::process::setrlimit(
        resource,
        Rlimit {
            current: limit(value),
            maximum,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_seconds_count_whole() {
        assert_eq!(seconds(Duration::from_millis(300), false), 1);
        assert_eq!(seconds(Duration::from_secs(2), false), 2);
        assert_eq!(seconds(Duration::from_secs(2), true), 3);
    }
}
