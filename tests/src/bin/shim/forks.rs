//! Processes of each kind, which ask as their parents do and share no lane with them.

use std::{
    collections::BTreeSet,
    ffi::CString,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering},
    },
    time::Duration,
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    io::Errno,
};

use crate::{
    own::{Own, descriptors},
    sys,
};

static OWN: OnceLock<Own> = OnceLock::new();

fn kept(own: &Own) -> &'static Own {
    OWN.get_or_init(|| Own::new(&own.directory, None))
}

fn inodes(of: &[(i32, u64)]) -> BTreeSet<u64> {
    of.iter().map(|(_, inode)| *inode).collect()
}

/// Of what this process has above the standard streams, nothing is its parent's but the
/// rendezvous.
fn shares_nothing(parents: &[(i32, u64)]) {
    let (parents, mine) = (inodes(parents), inodes(&descriptors(3)));
    let shared: Vec<_> = parents.intersection(&mine).collect();
    assert!(shared.len() <= 1, "{shared:?} of {parents:?} and {mine:?}");
    assert!(!mine.is_subset(&parents), "nothing of its own: {mine:?}");
}

/// A lane, a pipe and the rendezvous: what a process has that asked.
fn asks(own: &Own, number: usize) -> Vec<(i32, u64)> {
    own.ask_all(number);
    let held = descriptors(3);
    assert!(held.len() >= 4, "what should be told apart is not there");
    held
}

/// fork(2), several generations, while each asks; by itself and by the C library.
pub(crate) fn forked(own: &Own) {
    generation(own, 0);
    // While other threads ask, whose operations are in the child's copy as well.
    own.while_others_ask(|| {
        for turn in 0..100 {
            let parents = asks(own, 0);
            let child = if turn % 2 == 0 {
                sys::fork()
            } else {
                sys::fork_by_libc()
            };
            if child == 0 {
                sys::child(|| {
                    for number in 0..4 {
                        own.ask_all(number);
                    }
                    shares_nothing(&parents);
                });
            }
            own.ask_all(0);
            assert_eq!(sys::wait(child), 0, "turn {turn}");
        }
    });
}

fn generation(own: &Own, number: usize) {
    let parents = asks(own, number);
    if number == 6 {
        return;
    }
    let child = sys::fork();
    if child == 0 {
        sys::child(|| {
            own.ask_all(number);
            shares_nothing(&parents);
            generation(own, number + 1);
        });
    }
    for _ in 0..50 {
        own.ask_all(number);
    }
    assert_eq!(sys::wait(child), 0, "generation {number}");
}

/// vfork(2): a child that shares memory and leaves nothing there.
pub(crate) fn vforked(own: &Own) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                own.ask_all(2);
            }
        });
        let missing = CString::new(format!("{}/maybe1", own.directory)).unwrap();
        let held = asks(own, 1).len();
        for _ in 0..100 {
            let (opened, closed, child) = sys::vforked(own.file(1));
            assert!(opened >= 0 && closed == 0, "{opened} {closed}");
            assert_eq!(sys::wait(child), 0);
            let (opened, _, child) = sys::vforked(&missing);
            assert_eq!(opened, -i64::from(libc::ENOENT));
            assert_eq!(sys::wait(child), 0);
            own.ask_all(1);
        }
        over.store(true, Ordering::Relaxed);
        let after = descriptors(3).len();
        assert!(after <= held + 6, "{held} descriptors, then {after}");
    });
}

/// posix_spawn(3): its child, which shares memory, opens what it is told to, and is then
/// refused the exec.
pub(crate) fn spawned(own: &Own) {
    let missing = CString::new(format!("{}/maybe1", own.directory)).unwrap();
    let held = asks(own, 1).len();
    for _ in 0..50 {
        assert_eq!(sys::spawn(c"/bin/true", &missing), libc::ENOENT);
        assert_eq!(sys::spawn(c"/bin/true", own.file(1)), libc::EACCES);
        own.ask_all(1);
    }
    assert_eq!(descriptors(3).len(), held);
}

extern "C" fn in_clone(_: *mut libc::c_void) -> i32 {
    let own = OWN.get().unwrap();
    let right = (0..40).all(|turn| own.ask(3, turn) == Ok(()));
    i32::from(!right)
}

/// clone(2) on a stack of its own: with the parent's memory, and without, beside threads of
/// both kinds.
pub(crate) fn cloned(own: &Own) {
    let own = kept(own);
    own.while_others_ask(|| {
        for flags in [
            0,
            libc::CLONE_VM,
            libc::CLONE_VM | libc::CLONE_VFORK,
            libc::CLONE_VFORK,
        ] {
            for _ in 0..25 {
                let child = sys::clone(flags, in_clone);
                own.ask_all(4);
                assert_eq!(sys::wait(child), 0, "flags {flags:#x}");
            }
        }
    });
}

static FORKS: AtomicBool = AtomicBool::new(false);
/// 0 in a child that was forked in a handler, where its own asking went well; 1 otherwise.
static CHILD: AtomicI32 = AtomicI32::new(-1);
static DID_WRONG: AtomicU32 = AtomicU32::new(0);

/// Forks; the child asks, so that it gets lanes, and both go on with what was interrupted.
extern "C" fn forking(_: i32) {
    if !FORKS.swap(false, Ordering::SeqCst) {
        return;
    }
    let child = sys::fork();
    CHILD.store(child, Ordering::SeqCst);
    if child == 0 {
        nix::unistd::alarm::set(5);
        let own = OWN.get();
        let right = own.is_some_and(|own| (0..4).all(|turn| own.ask(5, turn) == Ok(())));
        DID_WRONG.store(u32::from(!right), Ordering::SeqCst);
    }
}

/// A child of a handler's goes on with a call of its parent's: it is told `EINTR`, or right, and
/// takes nothing of its parent's.
pub(crate) fn in_a_handler(own: &Own) {
    let own = kept(own);
    sys::handle(libc::SIGUSR1, forking, libc::SA_RESTART);
    while_it_waits(own);
    let mut interrupted = 0;
    for turn in 0..300 {
        interrupted += u32::from(at_any_point(own, turn));
    }
    println!("{interrupted} of 300 were forked in the midst of a call");
    assert!(interrupted > 10);
}

/// In a call that waits.
fn while_it_waits(own: &Own) {
    let fifo = CString::new(format!("{}/fifo", own.directory)).unwrap();
    let main = u64::from(nix::unistd::gettid().as_raw().cast_unsigned());
    let process = u64::from(std::process::id());
    let parents = asks(own, 5);
    CHILD.store(-1, Ordering::SeqCst);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            FORKS.store(true, Ordering::SeqCst);
            let signal = u64::from(libc::SIGUSR1.cast_unsigned());
            sys::call(libc::SYS_tgkill, [process, main, signal, 0, 0, 0]).unwrap();
            while CHILD.load(Ordering::SeqCst) < 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            let status = sys::wait(CHILD.load(Ordering::SeqCst));
            if status != 0 {
                println!("the child: {status}");
                sys::exit(1);
            }
            // Only now the parent's call ends.
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let writer = rustix::fs::openat(CWD, &fifo, flags, Mode::empty()).unwrap();
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(writer);
        });
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, &fifo, flags, Mode::empty());
        if CHILD.load(Ordering::SeqCst) == 0 {
            sys::child(|| {
                assert_eq!(opened.unwrap_err(), Errno::INTR);
                assert_eq!(DID_WRONG.load(Ordering::SeqCst), 0);
                own.ask_all(6);
                shares_nothing(&parents);
            });
        }
        over.store(true, Ordering::SeqCst);
        opened.unwrap();
        own.ask_all(5);
    });
}

extern "C" fn nothing(_: i32) {}

/// A call that waits is ended by a signal whose handler does not restart it, and what was asked
/// is given up; what does not wait is answered all the same.
pub(crate) fn ended_by_a_signal(own: &Own) {
    sys::handle(libc::SIGALRM, nothing, 0);
    let fifo = CString::new(format!("{}/fifo", own.directory)).unwrap();
    let held = asks(own, 1).len();
    for number in 0..10 {
        // On a busy machine one comes before the call, which natively ends nothing either.
        sys::alarm_every(50_000, 2_000);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, &fifo, flags, Mode::empty());
        sys::alarm_after(0);
        assert_eq!(opened.unwrap_err(), Errno::INTR);
        own.ask_all(number);
    }
    for turn in 0..2_000_u64 {
        sys::alarm_after(1 + turn % 50);
        let begun = std::time::Instant::now();
        let seen = own.open(1);
        // What is not answered within 20 ms is ended.
        let late = begun.elapsed() > std::time::Duration::from_millis(20);
        assert!(
            seen == Ok(()) || late && seen == Err(Errno::INTR),
            "{turn}: {seen:?}"
        );
    }
    assert_eq!(descriptors(3).len(), held);
}

/// In a call that does not; whether the fork came while one was under way.
fn at_any_point(own: &Own, turn: u32) -> bool {
    CHILD.store(-1, Ordering::SeqCst);
    FORKS.store(true, Ordering::SeqCst);
    let main = u64::from(nix::unistd::gettid().as_raw().cast_unsigned());
    let process = u64::from(std::process::id());
    let mut interrupted = false;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..turn * 200 {
                std::hint::spin_loop();
            }
            let signal = u64::from(libc::SIGUSR1.cast_unsigned());
            sys::call(libc::SYS_tgkill, [process, main, signal, 0, 0, 0]).unwrap();
        });
        for turn in 0.. {
            let seen = own.ask(7, turn);
            match CHILD.load(Ordering::SeqCst) {
                0 => sys::child(|| {
                    assert!(seen == Ok(()) || seen == Err(Errno::INTR), "{seen:?}");
                    assert_eq!(DID_WRONG.load(Ordering::SeqCst), 0);
                    own.ask_all(6);
                    sys::exit(if seen == Ok(()) { 40 } else { 41 });
                }),
                forked => assert_eq!(seen, Ok(()), "in the parent, {forked}"),
            }
            if CHILD.load(Ordering::SeqCst) > 0 {
                break;
            }
        }
        let status = sys::wait(CHILD.load(Ordering::SeqCst));
        assert!((40..=41).contains(&status), "the child: {status}");
        interrupted = status == 41;
    });
    interrupted
}
