//! Children that share memory or descriptors with the process that asks.

use std::{
    ffi::CString,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering},
    },
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    io::Errno,
};

use crate::{
    own::{Own, descriptors},
    sys,
};

/// Deaths in the midst of calls.
const DEATHS: u32 = 1000;
/// Bytes that the allocator may map meanwhile.
const LITTLE: u64 = 1 << 20;

static OWN: OnceLock<Own> = OnceLock::new();

extern "C" fn asks(_: *mut libc::c_void) -> i32 {
    let own = OWN.get().unwrap();
    let right = (0..40).all(|turn| own.ask(3, turn) == Ok(()));
    i32::from(!right)
}

/// Closes what it may, and asks.
extern "C" fn closes(_: *mut libc::c_void) -> i32 {
    let all = [3, u64::from(u32::MAX), 0, 0, 0, 0];
    i32::from(sys::call(libc::SYS_close_range, all).is_err()) + asks(std::ptr::null_mut())
}

/// A child that shares descriptors and not memory leaves its parent what it has.
pub(crate) fn sharing_descriptors(own: &Own) {
    let own = OWN.get_or_init(|| Own::new(&own.directory, None));
    own.ask_all(1);
    let held = descriptors(3);
    for flags in [0, libc::CLONE_FS, libc::CLONE_VFORK] {
        let flags = flags | libc::CLONE_FILES;
        for run in [asks, closes] {
            for _ in 0..20 {
                assert_eq!(sys::wait(sys::clone(flags, run)), 0, "{flags:#x}");
                own.ask_all(1);
                assert_eq!(descriptors(3), held, "{flags:#x}");
            }
        }
        // On the stack that it has.
        let flags = u64::from((flags | libc::SIGCHLD).cast_unsigned());
        let child = sys::call(libc::SYS_clone, [flags, 0, 0, 0, 0, 0]).unwrap();
        if child == 0 {
            sys::exit(asks(std::ptr::null_mut()));
        }
        assert_eq!(sys::wait(i32::try_from(child).unwrap()), 0);
        assert_eq!(descriptors(3), held);
    }
    while_others_ask(own);
    in_the_midst_of_a_call(own);
}

fn while_others_ask(own: &Own) {
    own.while_others_ask(|| {
        for _ in 0..50 {
            let child = sys::clone(libc::CLONE_FILES, asks);
            own.ask_all(4);
            assert_eq!(sys::wait(child), 0);
        }
    });
}

static ERRNO: AtomicI32 = AtomicI32::new(0);

extern "C" fn sharing(_: i32) {
    let flags = u64::from((libc::CLONE_FILES | libc::SIGCHLD).cast_unsigned());
    match sys::call(libc::SYS_clone, [flags, 0, 0, 0, 0, 0]) {
        Ok(0) => sys::exit(0),
        Ok(_) => {}
        Err(errno) => ERRNO.store(errno, Ordering::SeqCst),
    }
}

/// In a handler that interrupted a call it is refused: the child would go on with that.
fn in_the_midst_of_a_call(own: &Own) {
    sys::handle(libc::SIGUSR1, sharing, 0);
    let fifo = CString::new(format!("{}/fifo", own.directory)).unwrap();
    let main = u64::from(nix::unistd::gettid().as_raw().cast_unsigned());
    let process = u64::from(std::process::id());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            let signal = u64::from(libc::SIGUSR1.cast_unsigned());
            sys::call(libc::SYS_tgkill, [process, main, signal, 0, 0, 0]).unwrap();
        });
        let opened = rustix::fs::openat(CWD, &fifo, OFlags::RDONLY, Mode::empty());
        assert_eq!(opened.unwrap_err(), Errno::INTR);
    });
    assert_eq!(ERRNO.load(Ordering::SeqCst), libc::EINVAL);
}

/// The process to be killed, and how often it asked before.
static ASKER: AtomicI32 = AtomicI32::new(0);
static ASKED: AtomicU64 = AtomicU64::new(0);

extern "C" fn asks_on(_: *mut libc::c_void) -> i32 {
    let own = OWN.get().unwrap();
    let process = sys::call(libc::SYS_getpid, [0; 6]).unwrap_or_default();
    ASKER.store(i32::try_from(process).unwrap_or_default(), Ordering::SeqCst);
    for turn in 0.. {
        if own.ask(3, turn) != Ok(()) {
            break;
        }
        ASKED.fetch_add(1, Ordering::SeqCst);
    }
    1
}

/// Bytes that are mapped in this process. Mappings beside each other are one.
fn mapped() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let length = |line: &str| {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).unwrap());
        to - from
    };
    maps.lines().map(length).sum()
}

/// Children that share memory are killed in the midst of calls, and leave nothing.
pub(crate) fn killed(own: &Own) {
    let own = OWN.get_or_init(|| Own::new(&own.directory, None));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0_u32.. {
                let asker = loop {
                    match ASKER.swap(0, Ordering::SeqCst) {
                        0 if over.load(Ordering::SeqCst) => return,
                        0 => std::thread::yield_now(),
                        asker => break asker,
                    }
                };
                for _ in 0..turn.wrapping_mul(7919) % 100_000 {
                    std::hint::spin_loop();
                }
                let (asker, signal) = (asker.cast_unsigned(), libc::SIGKILL.cast_unsigned());
                let arguments = [asker.into(), signal.into(), 0, 0, 0, 0];
                sys::call(libc::SYS_kill, arguments).unwrap();
            }
        });
        let die = |count: u32| {
            for turn in 0..count {
                let flags = match turn % 2 {
                    0 => libc::CLONE_VM,
                    _ => libc::CLONE_VM | libc::CLONE_VFORK,
                };
                let status = sys::wait(sys::clone(flags, asks_on));
                assert_eq!(status, 128 + libc::SIGKILL, "turn {turn}");
            }
            // Whoever asks next takes away what is left.
            own.ask_all(1);
            own.ask_all(1);
        };
        die(20);
        let before = (descriptors(3).len(), mapped());
        die(DEATHS);
        let after = (descriptors(3).len(), mapped());
        over.store(true, Ordering::SeqCst);
        let asked = ASKED.load(Ordering::SeqCst);
        println!("{DEATHS} deaths beside {asked} calls: {before:?}, then {after:?}");
        assert!(after.0 <= before.0 + 6 && after.1 <= before.1 + LITTLE);
    });
}
