//! Where descriptors are at their limit, and where others die or take what is not theirs.

use std::{
    ffi::CString,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use doorward_protocol::{Request, frame::encode_request};
use rustix::{
    fs::{CWD, Mode, OFlags},
    io::Errno,
};

use crate::{
    own::{Own, descriptors},
    sys,
};

/// Processes that die while they ask for a lane.
const DEAD: usize = 400;

static OWN: OnceLock<Own> = OnceLock::new();
static RIGHT: AtomicU32 = AtomicU32::new(0);
static WRONG: AtomicU32 = AtomicU32::new(0);

/// Looks by calls that need no descriptor.
fn looks(own: &Own, number: usize) -> Result<(), Errno> {
    (1..4).try_for_each(|turn| own.ask(number, turn))
}

extern "C" fn looking(_: i32) {
    let right = OWN.get().is_some_and(|own| looks(own, 2) == Ok(()));
    let count = if right { &RIGHT } else { &WRONG };
    count.fetch_add(1, Ordering::SeqCst);
}

/// Opens what there is room for, and one more, which fails as it should.
fn fill() -> Vec<std::os::fd::OwnedFd> {
    let mut held = Vec::with_capacity(2048);
    loop {
        match rustix::io::dup(rustix::stdio::stdout()) {
            Ok(one) => held.push(one),
            Err(errno) => {
                assert_eq!(errno, Errno::MFILE);
                return held;
            }
        }
    }
}

/// At the limit of descriptors what needs none goes on, also in a handler in the midst of a
/// call, and in a child; what needs one fails as natively.
pub(crate) fn descriptors_at_their_limit(own: &Own) {
    let own = OWN.get_or_init(|| Own::new(&own.directory, None));
    sys::handle(libc::SIGALRM, looking, libc::SA_RESTART);
    let fifo = CString::new(format!("{}/fifo", own.directory)).unwrap();
    let held = fill();
    for number in 0..4 {
        assert_eq!(looks(own, number), Ok(()));
        assert_eq!(own.open(number), Err(Errno::MFILE));
    }
    sys::alarm_after(20_000);
    while_waiting(&fifo);
    assert_eq!(RIGHT.load(Ordering::SeqCst), 1, "in the handler");
    let child = sys::fork();
    if child == 0 {
        sys::child(|| assert_eq!(looks(own, 3), Ok(())));
    }
    assert_eq!(sys::wait(child), 0);
    assert_eq!(looks(own, 1), Ok(()));
    drop(held);
    own.ask_all(1);
    assert_eq!(WRONG.load(Ordering::SeqCst), 0);
}

/// Makes a call that waits, in which the alarm's handler looks, and which another signal ends.
fn while_waiting(fifo: &CString) {
    extern "C" fn nothing(_: i32) {}
    sys::handle(libc::SIGUSR2, nothing, 0);
    let main = u64::from(nix::unistd::gettid().as_raw().cast_unsigned());
    let process = u64::from(std::process::id());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            let signal = u64::from(libc::SIGUSR2.cast_unsigned());
            sys::call(libc::SYS_tgkill, [process, main, signal, 0, 0, 0]).unwrap();
        });
        let opened = rustix::fs::openat(CWD, fifo, OFlags::RDONLY, Mode::empty());
        assert_eq!(opened.unwrap_err(), Errno::INTR);
    });
}

/// The number of the lane that processes share to get theirs.
pub(crate) fn rendezvous(own: &Own) -> i32 {
    own.ask_all(0);
    let parents = descriptors(3);
    let shared = parents.iter().filter(|(number, inode)| {
        let child = sys::fork();
        if child == 0 {
            own.stat(0).unwrap_or_default();
            sys::exit(i32::from(sys::inode(*number) != Some(*inode)));
        }
        sys::wait(child) == 0
    });
    let shared: Vec<_> = shared.collect();
    let [(number, _)] = shared.as_slice() else {
        panic!("{shared:?}");
    };
    *number
}

/// A request for a lane, as the handler sends it.
fn ask_for_a_lane(rendezvous: i32) {
    let mut frame = [0; 64];
    let length = encode_request(&mut frame, 0, &Request::Lane).unwrap();
    let number = u64::from(rendezvous.cast_unsigned());
    let length = u64::try_from(length).unwrap();
    let arguments = [number, sys::address(&frame), length, 0, 0, 0];
    sys::call(libc::SYS_write, arguments).unwrap();
}

/// Processes die between their request for a lane and its reply.
pub(crate) fn lanes_that_nobody_takes(own: &Own) {
    let rendezvous = rendezvous(own);
    for _ in 0..DEAD {
        let child = sys::fork();
        if child == 0 {
            ask_for_a_lane(rendezvous);
            sys::exit(0);
        }
        assert_eq!(sys::wait(child), 0);
    }
    let started = Instant::now();
    for _ in 0..20 {
        let child = sys::fork();
        if child == 0 {
            sys::child(|| own.ask_all(1));
        }
        assert_eq!(sys::wait(child), 0);
    }
    println!("after {DEAD}: {} ms", started.elapsed().as_millis());
    println!("descriptors {}", descriptors(3).len());
    let number = u64::from(rendezvous.cast_unsigned());
    let mut room = [0_u8; 256];
    let mut next = || {
        let (into, now) = (sys::address_mut(&mut room), libc::MSG_DONTWAIT);
        let arguments = [number, into, 256, u64::from(now.cast_unsigned()), 0, 0];
        sys::call(libc::SYS_recvfrom, arguments).is_ok()
    };
    println!(
        "untaken {}",
        std::iter::repeat_with(&mut next)
            .take_while(|one| *one)
            .count()
    );
}

/// A process takes the replies to requests of others, who ask again.
pub(crate) fn lanes_that_others_take(own: &Own) {
    let rendezvous = rendezvous(own);
    let number = u64::from(rendezvous.cast_unsigned());
    let (mut taken, mut room) = (0, [0_u8; 256]);
    let mut children = 0;
    while taken < 2 {
        children += 1;
        assert!(children < 2_000, "none could be taken");
        let child = sys::fork();
        if child == 0 {
            sys::child(|| own.ask_all(1));
        }
        let started = Instant::now();
        let status = loop {
            let into = sys::address_mut(&mut room);
            let now = u64::from(libc::MSG_DONTWAIT.cast_unsigned());
            let arguments = [number, into, 256, now, 0, 0];
            // A thief, but not of what is asked for again.
            if started.elapsed() < Duration::from_millis(500) {
                taken += u32::from(sys::call(libc::SYS_recvfrom, arguments).is_ok());
            }
            if let Some(status) = sys::ended(child) {
                break status;
            }
        };
        assert_eq!(status, 0);
    }
    println!("{taken} taken of {children} children");
}
