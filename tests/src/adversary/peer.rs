//! Peers that do one bad thing each, and that persistently.

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::Duration,
};

use doorward_protocol::{
    Base, Request,
    frame::{LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME, encode_hello, encode_request},
    hello::{Hello, LaneFront},
    lane::{Lane, LaneError},
    request::PathArgument,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::getpid,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{Shutdown, shutdown},
};

use super::{protocol, sys};

/// How long a peer waits for the other side before it looks whether that is gone.
const PATIENCE: Duration = Duration::from_millis(100);
/// Threads of those that ask by many.
const THREADS: usize = 16;

/// What a peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// It has a lane and says nothing.
    Silent,
    /// It asks for what the broker waits for, and says nothing more.
    Stalled,
    /// It asks as fast as it may.
    Flooding,
    /// It asks for descriptors and reads no reply.
    Unreading,
    /// It asks, and closes one direction.
    HalfClosing,
    /// It sends its hello byte by byte.
    Dribbling,
    /// It sends descriptors.
    Sending,
    /// Its threads wait in the broker, and it stops itself.
    Stopped,
    /// Its threads wait in the broker, and it ends.
    Killed,
    /// Its threads wait in the broker, it asks in both ways, and is frozen from outside.
    Frozen,
    /// Its threads ask as fast as they may.
    Crowding,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Silent,
        Self::Stalled,
        Self::Flooding,
        Self::Unreading,
        Self::HalfClosing,
        Self::Dribbling,
        Self::Sending,
        Self::Stopped,
        Self::Killed,
        Self::Frozen,
        Self::Crowding,
    ];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|peer| format!("{peer:?}") == name)
    }

    /// Does it until the lane is gone, or this process is ended. `directory` has a file that
    /// may be opened and a FIFO that nobody writes to.
    pub fn act(self, lane: OwnedFd, directory: &Path) {
        let lane = Lane::from_fd(lane);
        let _bounded = lane.set_patience(PATIENCE);
        match self {
            Self::Silent => until_gone(&lane),
            Self::Stalled => {
                greet(&lane);
                let _sent = lane.send(&opens(0, &directory.join("rw/fifo")));
                until_gone(&lane);
            }
            Self::Flooding => {
                greet(&lane);
                std::thread::scope(|scope| {
                    scope.spawn(|| ask_only(&lane, directory));
                    let mut reply = vec![0; LONGEST_REPLY_FRAME];
                    while !matches!(lane.receive(&mut reply), Err(LaneError::Gone)) {}
                });
            }
            Self::Unreading => {
                greet(&lane);
                ask_only(&lane, directory);
            }
            Self::HalfClosing => {
                greet(&lane);
                let _sent = lane.send(&opens(0, &directory.join("in/file")));
                let ways = [Shutdown::Write, Shutdown::Read];
                let way = ways[usize::try_from(getpid().as_raw()).unwrap() % 2];
                let _gone = shutdown(&lane, way);
                until_gone(&lane);
            }
            Self::Dribbling => {
                for byte in hello() {
                    if lane.send(&[byte]).is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                until_gone(&lane);
            }
            Self::Sending => send_descriptors(&lane, directory),
            Self::Stopped => {
                wait_by_threads(directory);
                let _stopped = kill(getpid(), Signal::SIGSTOP);
                until_gone(&lane);
            }
            Self::Killed => {
                wait_by_threads(directory);
                let pause = u64::try_from(getpid().as_raw()).unwrap() % 3000;
                std::thread::sleep(Duration::from_micros(pause));
            }
            Self::Frozen => {
                wait_by_threads(directory);
                greet(&lane);
                while ask(&lane, directory) {
                    let _file = File::open(directory.join("in/file"));
                }
            }
            Self::Crowding => {
                let ask = || {
                    loop {
                        let _file = File::open(directory.join("in/file"));
                    }
                };
                std::thread::scope(|scope| {
                    for _ in 0..THREADS {
                        scope.spawn(ask);
                    }
                });
            }
        }
    }
}

/// Leaves all but its lane, in a process that was forked, and does it.
pub(super) fn begin(peer: Peer, lane: OwnedFd, directory: &Path) {
    sys::leave_all_but(lane.as_fd());
    peer.act(lane, directory);
}

fn hello() -> Vec<u8> {
    let mut frame = vec![0; LONGEST_REQUEST_FRAME];
    let length = encode_hello(&mut frame, &Hello::new(LaneFront::Api)).unwrap();
    frame.truncate(length);
    frame
}

fn opens(id: u32, path: &Path) -> Vec<u8> {
    let path = PathArgument {
        base: Base::WorkingDirectory,
        bytes: path.as_os_str().as_encoded_bytes(),
    };
    let request = Request::Open {
        path,
        flags: 0,
        mode: 0,
        resolve: 0,
    };
    let mut frame = vec![0; LONGEST_REQUEST_FRAME];
    let length = encode_request(&mut frame, id, &request).unwrap();
    frame.truncate(length);
    frame
}

fn greet(lane: &Lane) {
    let _sent = lane.send(&hello());
    let _welcome = lane.receive(&mut [0; LONGEST_REPLY_FRAME]);
}

/// Asks until the lane is gone.
fn ask_only(lane: &Lane, directory: &Path) {
    for id in 0.. {
        let sent = lane.send(&opens(id, &directory.join("in/file")));
        if matches!(sent, Err(LaneError::Gone)) {
            return;
        }
    }
}

/// Has as many requests in flight as it may, and takes the replies; whether the lane goes on.
fn ask(lane: &Lane, directory: &Path) -> bool {
    let mut reply = vec![0; LONGEST_REPLY_FRAME];
    for id in 0..4 {
        if lane.send(&opens(id, &directory.join("in/file"))) == Err(LaneError::Gone) {
            return false;
        }
    }
    for _ in 0..4 {
        if matches!(lane.receive(&mut reply), Err(LaneError::Gone)) {
            return false;
        }
    }
    true
}

fn send_descriptors(lane: &Lane, directory: &Path) {
    greet(lane);
    loop {
        for beside in [1, 4] {
            let pipes = std::iter::repeat_with(|| rustix::pipe::pipe().ok());
            let ends = pipes.take(beside).flatten().map(|(one, _)| one);
            let ends: Vec<OwnedFd> = ends.collect();
            if !protocol::send(lane, &opens(0, &directory.join("in/file")), &ends) {
                return;
            }
        }
        if !ask(lane, directory) {
            return;
        }
    }
}

/// Threads that open a FIFO, which nobody else does: the broker waits with them.
fn wait_by_threads(directory: &Path) {
    for _ in 0..THREADS {
        let fifo = directory.join("rw/fifo");
        std::thread::spawn(move || File::open(fifo));
    }
    std::thread::sleep(Duration::from_millis(5));
}

fn until_gone(lane: &Lane) {
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    loop {
        let mut state = [PollFd::new(lane, PollFlags::empty())];
        let _woken = poll(&mut state, Some(&patience));
        let [state] = state.map(|one| one.revents());
        if state.intersects(PollFlags::HUP | PollFlags::ERR) {
            return;
        }
    }
}
