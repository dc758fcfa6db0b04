//! A hostile sandboxee: it speaks mutated protocol on its lanes, and makes system calls with
//! random arguments, all from one seed.

mod calls;
mod honest;
mod peer;
mod protocol;
mod random;
#[allow(unsafe_code, reason = "fork and raw system calls")]
mod sys;

pub use honest::{Asker, now, tell};
pub use peer::Peer;
pub use random::Random;

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

use doorward_protocol::lane::Lane;
use doorward_sandboxee::Client;

/// How long one attacker lives before another takes its place.
const LIFE: Duration = Duration::from_millis(1500);

/// What forked processes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// They use up their time.
    Busy,
    /// They attack.
    Hostile,
    /// They do one thing.
    Peer(Peer),
}

/// Forked processes, each made anew when it dies or is old.
#[derive(Debug)]
pub struct Crowd {
    role: Role,
    random: Random,
    members: Vec<Option<(i32, Instant)>>,
    /// How many were made.
    pub made: u64,
}

impl Crowd {
    /// Of so many.
    #[must_use]
    pub fn new(role: Role, members: usize, seed: u64) -> Self {
        Self {
            role,
            random: Random::new(seed),
            members: vec![None; members],
            made: 0,
        }
    }

    /// Replaces those that died and those that are old. Each gets a lane.
    pub fn keep(&mut self, client: &mut Client, directory: &Path) {
        for member in &mut self.members {
            if let Some((process, since)) = *member {
                if since.elapsed() < LIFE && !sys::has_ended(process) {
                    continue;
                }
                sys::end(process);
            }
            let Ok(lane) = client.another_lane() else {
                *member = None;
                continue;
            };
            let seed = self.random.number();
            let role = self.role;
            let process = sys::fork(|| match role {
                Role::Busy => sys::spin(),
                Role::Hostile => attack(lane, directory, seed),
                Role::Peer(peer) => peer::begin(peer, lane, directory),
            });
            self.made += 1;
            *member = process.map(|process| (process, Instant::now()));
        }
    }

    /// Ends them, and whatever they forked: all other processes of this pid namespace.
    pub fn end(self) {
        sys::end_others();
    }
}

/// An attacker's life.
fn attack(first: OwnedFd, directory: &Path, seed: u64) {
    sys::leave_all_but(first.as_fd());
    sys::interrupt();
    let mut random = Random::new(seed);
    let Ok(mut mother) = Client::from_fd(first) else {
        return;
    };
    loop {
        let Ok(lane) = mother.another_lane() else {
            return;
        };
        protocol::burst(&Lane::from_fd(lane), directory, &mut random);
        calls::burst(directory, &mut random);
    }
}

/// A name for a request: mostly one that means something.
fn name(directory: &Path, random: &mut Random) -> Vec<u8> {
    const NAMES: [&str; 20] = [
        "in/file",
        "in/link/file",
        "in/away/file",
        "in/hid",
        "in/d",
        "in",
        "rw/file",
        "rw/new",
        "rw/other",
        "rw/d",
        "rw/d/new",
        "rw",
        "secret/file",
        "secret",
        "in/../rw/file",
        "rw/d/../new",
        "rw/link",
        "rw/link/file",
        "rw/socket",
        "../canary",
    ];
    const OTHERS: [&[u8]; 14] = [
        b"file",
        b"",
        b".",
        b"..",
        b"/",
        b"/tmp/a",
        b"/var/tmp/b",
        b"/proc/self/status",
        b"/proc/self/fd/3",
        b"/proc/1/mem",
        b"/etc/passwd",
        b"/dev/null",
        b"/proc/self/root/etc/shadow",
        b"/usr/bin/true",
    ];
    match random.below(8) {
        0..4 => {
            let name = directory.join(random.choose(&NAMES));
            name.into_os_string().into_encoded_bytes()
        }
        4..6 => random.choose(&OTHERS).to_vec(),
        6 => random.bytes(64),
        _ => vec![b'/'; random.below(6000)],
    }
}
