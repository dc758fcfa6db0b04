//! What a broker holds, seen from outside.

#[allow(unsafe_code, reason = "an ioctl that no library has")]
mod sys;

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

const PIDFD: &str = "anon_inode:[pidfd]";
/// How long brokers are looked at for a moment between requests.
const LOOKS: Duration = Duration::from_millis(300);

/// A broker process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its number.
    pub process: u32,
    /// Open descriptors but those of processes, as the kernel names them.
    pub descriptors: Vec<String>,
    /// Open descriptors of processes.
    pub processes: usize,
    /// Threads.
    pub threads: usize,
    /// Resident memory in KiB.
    pub memory: u64,
    /// Bytes of the kernel's in its sockets.
    pub unread: u64,
}

impl Broker {
    /// As [`Broker::below`], between requests: honest processes go on asking.
    #[must_use]
    pub fn at_rest(process: u32) -> Vec<Self> {
        let begun = Instant::now();
        let mut best = Self::below(process);
        while begun.elapsed() < LOOKS {
            std::thread::sleep(Duration::from_millis(3));
            let look = Self::below(process);
            if look.len() < best.len() {
                break;
            }
            if look.len() > best.len() {
                best = look;
                continue;
            }
            for (best, broker) in best.iter_mut().zip(look) {
                let held = |of: &Self| (of.descriptors.len(), of.unread);
                if held(&broker) <= held(best) {
                    *best = broker;
                }
            }
        }
        best
    }

    /// Those among the descendants of a process: whoever holds a listener of notifications.
    #[must_use]
    pub fn below(process: u32) -> Vec<Self> {
        let below = crate::below(process.cast_signed()).into_iter();
        let mut found: Vec<_> = below
            .filter_map(|process| Self::of(process.cast_unsigned()))
            .collect();
        found.sort_by_key(|broker| broker.process);
        found
    }

    fn of(process: u32) -> Option<Self> {
        let entry = |name: &str| format!("/proc/{process}/{name}");
        let links = fs::read_dir(entry("fd")).ok()?.flatten();
        let mut descriptors = Vec::new();
        let mut sockets: Vec<i32> = Vec::new();
        for link in links {
            let name = fs::read_link(link.path()).unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("socket:") {
                let number = link.file_name();
                sockets.extend(number.to_str().and_then(|text| text.parse::<i32>().ok()));
            }
            descriptors.push(name);
        }
        descriptors.sort();
        let open = descriptors.len();
        descriptors.retain(|name| name != PIDFD);
        let processes = open - descriptors.len();
        let listens = descriptors
            .iter()
            .any(|name| name == "anon_inode:seccomp notify");
        let status = fs::read_to_string(entry("status")).ok()?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        listens.then(|| Self {
            process,
            descriptors,
            processes,
            threads: fs::read_dir(entry("task")).map_or(0, Iterator::count),
            memory: resident.trim().trim_end_matches(" kB").parse().unwrap(),
            unread: unread(process, &sockets),
        })
    }
}

/// What all these sockets of a process hold. One that was closed meanwhile holds nothing.
fn unread(process: u32, sockets: &[i32]) -> u64 {
    let process = Pid::from_raw(process.cast_signed())
        .and_then(|process| pidfd_open(process, PidfdFlags::empty()).ok());
    let Some(process) = process else { return 0 };
    let got = |number: &i32| pidfd_getfd(&process, *number, PidfdGetfdFlags::empty()).ok();
    let held = |socket: OwnedFd| sys::unread(socket.as_fd());
    sockets.iter().filter_map(got).map(held).sum()
}
