//! `SIGSYS` cannot be blocked or replaced by accident, and one that nobody trapped is no call.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use crate::{own::Own, sys};

const SIZE: u64 = 8;
const ALL: u64 = u64::MAX;
const SIGSYS: u64 = 1 << 30;
const ALARM: u64 = 1 << 13;
const USER: u64 = 1 << 9;

static OWN: OnceLock<Own> = OnceLock::new();
static RIGHT: AtomicU32 = AtomicU32::new(0);
static WRONG: AtomicU32 = AtomicU32::new(0);

extern "C" fn asking(_: i32) {
    let errno = sys::errno();
    let right = OWN.get().is_some_and(|own| own.open(3) == Ok(()));
    let count = if right { &RIGHT } else { &WRONG };
    count.fetch_add(1, Ordering::SeqCst);
    sys::set_errno(errno);
}

extern "C" fn replaced(_: i32) {
    WRONG.fetch_add(1, Ordering::SeqCst);
}

fn change(how: i32, set: u64) -> Result<u64, i32> {
    let how = u64::from(how.cast_unsigned());
    sys::call(
        libc::SYS_rt_sigprocmask,
        [how, sys::address(&set), 0, SIZE, 0, 0],
    )
}

fn mask() -> u64 {
    let mut mask = 0_u64;
    let room = sys::address_mut(&mut mask);
    sys::call(libc::SYS_rt_sigprocmask, [0, 0, room, SIZE, 0, 0]).unwrap();
    mask
}

pub(crate) fn all(own: &Own) {
    let own = OWN.get_or_init(|| Own::new(&own.directory, None));
    // The host has begun with every signal blocked, which a fork and an exec keep.
    own.ask_all(0);
    assert_eq!(mask() & SIGSYS, 0);
    changed(own);
    replaced_handlers(own);
    waits(own);
    change(libc::SIG_SETMASK, ALL).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| own.ask_all(2));
    });
    let child = sys::fork();
    if child == 0 {
        sys::child(|| {
            assert_eq!(mask() & SIGSYS, 0);
            own.ask_all(1);
        });
    }
    assert_eq!(sys::wait(child), 0);
    change(libc::SIG_SETMASK, 0).unwrap();
    assert_eq!(WRONG.load(Ordering::SeqCst), 0);
}

/// Masks are what they would be, without `SIGSYS`.
fn changed(own: &Own) {
    let never = (1 << 8) | (1 << 18) | SIGSYS;
    change(libc::SIG_SETMASK, 0).unwrap();
    for (how, set, left) in [
        (libc::SIG_BLOCK, ALL, ALL & !never),
        (libc::SIG_UNBLOCK, ALL, 0),
        (libc::SIG_SETMASK, ALL, ALL & !never),
        (libc::SIG_SETMASK, SIGSYS, 0),
        (libc::SIG_BLOCK, SIGSYS | USER, USER),
        (libc::SIG_UNBLOCK, SIGSYS, USER),
        (libc::SIG_UNBLOCK, USER, 0),
    ] {
        change(how, set).unwrap();
        assert_eq!(mask(), left, "{how} {set:#x}");
        own.ask_all(0);
        assert_eq!(mask(), left, "a call that traps changes no mask");
    }
    let mut before = 0_u64;
    let room = sys::address_mut(&mut before);
    let set = USER;
    let arguments = [0, sys::address(&set), room, SIZE, 0, 0];
    sys::call(libc::SYS_rt_sigprocmask, arguments).unwrap();
    assert_eq!((before, mask()), (0, USER));
    assert_eq!(change(9, 0), Err(libc::EINVAL));
    let arguments = [0, sys::address(&set), 0, 4, 0, 0];
    let answer = sys::call(libc::SYS_rt_sigprocmask, arguments);
    assert_eq!(answer, Err(libc::EINVAL));
    // What is blocked comes when it is not any more.
    sys::handle(libc::SIGUSR1, asking, 0);
    let right = RIGHT.load(Ordering::SeqCst);
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGUSR1).unwrap();
    assert_eq!(RIGHT.load(Ordering::SeqCst), right);
    change(libc::SIG_SETMASK, 0).unwrap();
    assert_eq!(RIGHT.load(Ordering::SeqCst), right + 1);
}

/// Nobody gets `SIGSYS`, and who asks for another signal's handler with it blocked gets that.
fn replaced_handlers(own: &Own) {
    sys::handle(libc::SIGSYS, replaced, 0);
    own.ask_all(0);
    for action in [libc::SIG_IGN, libc::SIG_DFL] {
        // `struct sigaction` as the kernel has it.
        let action = [u64::try_from(action).unwrap(), 0, 0, 0];
        let mut old = [7_u64; 4];
        let signal = u64::from(libc::SIGSYS.cast_unsigned());
        let (new, room) = (sys::address(&action), sys::address_mut(&mut old));
        sys::call(libc::SYS_rt_sigaction, [signal, new, room, SIZE, 0, 0]).unwrap();
        assert_eq!(old, [0; 4]);
        own.ask_all(0);
    }
    // Of another signal what was set is told, and what was there before.
    sys::handle(libc::SIGUSR2, asking, libc::SA_RESTART);
    let mut old = [0_u64; 4];
    let action = [1, 0, 0, ALL];
    let signal = u64::from(libc::SIGUSR2.cast_unsigned());
    let (new, room) = (sys::address(&action), sys::address_mut(&mut old));
    sys::call(libc::SYS_rt_sigaction, [signal, new, room, SIZE, 0, 0]).unwrap();
    let handler: extern "C" fn(i32) = asking;
    assert_eq!(
        old[0],
        u64::try_from((handler as *const ()).addr()).unwrap()
    );
    let mut now = [0_u64; 4];
    let room = sys::address_mut(&mut now);
    sys::call(libc::SYS_rt_sigaction, [signal, 0, room, SIZE, 0, 0]).unwrap();
    assert_eq!(now[0], 1);
    assert_eq!(now[3] & SIGSYS, 0, "a handler would run with it blocked");
}

/// In calls that wait with another mask a handler runs that asks.
fn waits(own: &Own) {
    sys::handle(libc::SIGALRM, asking, 0);
    let set = ALL & !ALARM;
    let (address, mut waited) = (sys::address(&set), 0);
    let time = [1_u64, 0];
    let (time, pair) = (sys::address(&time), [address, SIZE]);
    let poller = sys::call(libc::SYS_epoll_create1, [0; 6]).unwrap();
    let mut event = [0_u64; 4];
    let events = sys::address_mut(&mut event);
    change(libc::SIG_BLOCK, ALARM).unwrap();
    for (number, arguments) in [
        (libc::SYS_rt_sigsuspend, [address, SIZE, 0, 0, 0, 0]),
        (libc::SYS_ppoll, [0, 0, time, address, SIZE, 0]),
        (libc::SYS_pselect6, [0, 0, 0, 0, time, sys::address(&pair)]),
        (
            libc::SYS_epoll_pwait,
            [poller, events, 1, 1000, address, SIZE],
        ),
        (
            libc::SYS_epoll_pwait2,
            [poller, events, 1, time, address, SIZE],
        ),
    ] {
        let right = RIGHT.load(Ordering::SeqCst);
        sys::alarm_after(20_000);
        let answer = sys::call(number, arguments);
        assert_eq!(answer, Err(libc::EINTR), "{number}");
        assert_eq!(RIGHT.load(Ordering::SeqCst), right + 1, "{number}");
        assert_eq!(mask(), ALARM);
        waited += 1;
    }
    assert_eq!(waited, 5);
    // One that takes signals from a set.
    sys::alarm_after(1000);
    let taken = sys::call(
        libc::SYS_rt_sigtimedwait,
        [sys::address(&ALL), 0, time, SIZE, 0, 0],
    );
    assert_eq!(taken, Ok(u64::from(libc::SIGALRM.cast_unsigned())));
    let all = sys::address(&ALL);
    let watching = sys::call(libc::SYS_signalfd4, [ALL, all, SIZE, 0, 0, 0]).unwrap();
    own.ask_all(0);
    for number in [watching, poller] {
        sys::call(libc::SYS_close, [number, 0, 0, 0, 0, 0]).unwrap();
    }
    change(libc::SIG_SETMASK, 0).unwrap();
}

/// A `SIGSYS` that somebody sends ends the program, in the way that is named.
pub(crate) fn stray(own: &Own) {
    own.ask_all(0);
    let process = u64::from(std::process::id());
    let thread = u64::from(nix::unistd::gettid().as_raw().cast_unsigned());
    let signal = u64::from(libc::SIGSYS.cast_unsigned());
    // `siginfo_t`: signal, errno, code, padding, address, call and architecture.
    let told = |code: u32, call: u32| {
        let mut information = [0_u32; 32];
        information[0] = libc::SIGSYS.cast_unsigned();
        information[2] = code;
        information[6] = call;
        information[7] = 0xc000_003e;
        information
    };
    let queue = |information: [u32; 32]| {
        let pointer = sys::address(&information);
        let arguments = [process, thread, signal, pointer, 0, 0];
        sys::call(libc::SYS_rt_tgsigqueueinfo, arguments)
    };
    let sent = match own.word.as_deref().unwrap() {
        "kill" => sys::call(libc::SYS_kill, [process, signal, 0, 0, 0, 0]),
        "thread" => sys::call(libc::SYS_tgkill, [process, thread, signal, 0, 0, 0]),
        // By sigqueue(3), with the code of a trapped call but not that call, and with one of
        // another kind of trap.
        "queue" => queue(told(u32::MAX, 0)),
        "forged" => queue(told(1, 2)),
        "dispatch" => queue(told(2, 0)),
        // The control: another signal is no matter.
        "other" => sys::call(libc::SYS_kill, [process, 18, 0, 0, 0, 0]),
        word => panic!("{word}"),
    };
    println!("went on: {sent:?}");
}
