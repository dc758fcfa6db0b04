//! The keeper: the broker's parent, which outlives it and takes away what it leaves.
//!
//! It holds no socket and reads nothing that a sandboxee writes. Where there is no pid
//! namespace it is the subreaper that orphans come to, and kills what it finds.

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// Waits for the broker's end, then kills what came to this process.
pub(super) fn keep(broker: Pid) {
    // Who comes to it before is reaped at once, as the builder of the view.
    loop {
        match waitpid(None, None) {
            Ok(ended) if ended.pid() == Some(broker) => break,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => break,
        }
    }
    kill_children();
}

/// Kills and reaps children until there are none. Bounded: a tree that forks faster than
/// it is killed may survive at `user-no-ns`, as docs/KERNEL.md says.
pub(crate) fn kill_children() {
    let own = std::process::id();
    let list = format!("/proc/{own}/task/{own}/children");
    for _ in 0..1000 {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => break,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
        let children = std::fs::read_to_string(&list).unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|text| text.parse().ok())
        {
            let _gone = kill(Pid::from_raw(child), Signal::SIGKILL);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
