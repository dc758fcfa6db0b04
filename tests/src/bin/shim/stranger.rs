//! A child that sends records on the lane of its parent.

use std::{
    io::IoSlice,
    sync::{
        OnceLock,
        atomic::{AtomicI32, Ordering},
    },
};

use doorward_protocol::{
    Base, Request,
    frame::{HEADER, encode_request},
    request::PathArgument,
};
use nix::{
    errno::Errno,
    sys::socket::{ControlMessage, MsgFlags, UnixCredentials, sendmsg},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    own::{Own, descriptors},
    scarce, sys,
};

static OWN: OnceLock<Own> = OnceLock::new();
static LANE: AtomicI32 = AtomicI32::new(-1);

/// A request to look at a file, and how long it is.
fn request() -> ([u8; 512], usize) {
    let mut frame = [0; 512];
    let file = OWN.get().map(|own| own.file(1).as_bytes());
    let request = Request::Stat {
        path: PathArgument {
            base: Base::WorkingDirectory,
            bytes: file.unwrap_or_default(),
        },
        follow: true,
    };
    let length = encode_request(&mut frame, 77, &request).unwrap();
    (frame, length)
}

/// Sends it on the lane, as somebody.
fn send(by: Option<&UnixCredentials>) -> Result<usize, Errno> {
    let (frame, length) = request();
    let pieces = [IoSlice::new(&frame[..length])];
    let told: Vec<_> = by.map(ControlMessage::ScmCredentials).into_iter().collect();
    let lane = LANE.load(Ordering::SeqCst);
    sendmsg::<()>(lane, &pieces, &told, MsgFlags::MSG_NOSIGNAL, None)
}

/// Bytes of what comes next on the lane; 0 when it has ended.
fn next() -> usize {
    let lane = sys::borrowed(LANE.load(Ordering::SeqCst));
    let mut ready = [PollFd::new(&lane, PollFlags::IN)];
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    assert_eq!(poll(&mut ready, Some(&second)), Ok(1), "nothing comes");
    let mut room = [0; 4096];
    nix::unistd::read(lane, &mut room).unwrap_or(0)
}

/// As its parent it may not send, and as itself it ends the lane.
extern "C" fn child(_: *mut libc::c_void) -> i32 {
    let parent = nix::unistd::getppid().as_raw();
    let forged = UnixCredentials::from(libc::ucred {
        pid: parent,
        uid: nix::unistd::getuid().as_raw(),
        gid: nix::unistd::getgid().as_raw(),
    });
    let refused = send(Some(&forged));
    let sent = send(Some(&UnixCredentials::new()));
    i32::from(refused != Err(Errno::EPERM) || sent.is_err() || next() != 0)
}

pub(crate) fn all(own: &Own) {
    let own = OWN.get_or_init(|| Own::new(&own.directory, None));
    let rendezvous = scarce::rendezvous(own);
    let mut sockets = descriptors(3)
        .into_iter()
        .filter(|(number, _)| *number != rendezvous && sys::is_socket(*number));
    // The first slot's is in use; another is ready.
    let (lane, _) = sockets.next_back().unwrap();
    LANE.store(lane, Ordering::SeqCst);
    // The control: this process is answered, also where it says who it is.
    assert!(send(None).is_ok() && next() > HEADER);
    assert!(send(Some(&UnixCredentials::new())).is_ok() && next() > HEADER);
    // One that shares the descriptors, and not the memory, has it too.
    let child = sys::clone(libc::CLONE_FILES, child);
    assert_eq!(sys::wait(child), 0);
    assert_eq!(next(), 0);
    own.ask_all(1);
}
