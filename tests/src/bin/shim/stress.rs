//! Threads that ask without pause, while signals interrupt them whose handlers ask as well, and
//! forks in the middle.

use std::{
    hint::black_box,
    io::{Read, Write},
    sync::{
        Barrier, OnceLock,
        atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::io::Errno;

use crate::{own::Own, sys};

const THREADS: usize = 8;
/// Whose files the handlers ask for: of a signal that lets calls go on, and of one that ends them.
const OF_HANDLERS: [usize; 2] = [8, 9];
/// Operations of each thread before what is held is looked at for the first time.
const WARM: u32 = 2_000;
const PAUSE: Duration = Duration::from_micros(100);
/// Operations under way at which no more signals are sent: on a busy machine they would come
/// faster than handlers end, and these would pile up until the stack of a thread is full.
const PILED: u64 = 32;

static OWN: OnceLock<Own> = OnceLock::new();
static HANDLED: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);
static INTERRUPTED: AtomicU64 = AtomicU64::new(0);
static IN_MALLOC: AtomicU64 = AtomicU64::new(0);
/// Operations under way, and how many there were at most.
static UNDER_WAY: AtomicU64 = AtomicU64::new(0);
static AT_MOST: AtomicU64 = AtomicU64::new(0);

std::thread_local! {
    static ALLOCATES: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Asks, and keeps errno as a handler has to.
extern "C" fn handler(signal: i32) {
    let errno = sys::errno();
    let number = OF_HANDLERS[usize::from(signal == libc::SIGUSR2)];
    let turn = u32::try_from(HANDLED.fetch_add(1, Ordering::Relaxed) % 4).unwrap_or(0);
    if ALLOCATES.get() {
        IN_MALLOC.fetch_add(1, Ordering::Relaxed);
    }
    let seen = OWN.get().map(|own| asked(own, number, turn));
    if seen != Some(Ok(())) {
        WRONG.fetch_add(1, Ordering::Relaxed);
    }
    sys::set_errno(errno);
}

/// Asks again when a signal has ended the wait.
fn asked(own: &Own, number: usize, turn: u32) -> Result<(), Errno> {
    let under_way = UNDER_WAY.fetch_add(1, Ordering::SeqCst) + 1;
    AT_MOST.fetch_max(under_way, Ordering::SeqCst);
    let seen = loop {
        match own.ask(number, turn) {
            Err(Errno::INTR) => INTERRUPTED.fetch_add(1, Ordering::Relaxed),
            seen => break seen,
        };
    };
    UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    seen
}

/// Allocates and frees, so that signals find the allocator at work.
fn allocate(turn: u32) {
    ALLOCATES.set(true);
    for round in 1..12 {
        let length = usize::try_from(turn.wrapping_mul(37) % 5000).unwrap_or(0) * round + 1;
        drop(black_box(vec![1_u8; length]));
    }
    ALLOCATES.set(false);
}

fn operations(own: &Own, thread: usize, turns: std::ops::Range<u32>) {
    for turn in turns {
        allocate(turn);
        let seen = asked(own, thread, turn);
        assert_eq!(seen, Ok(()), "thread {thread} turn {turn}");
    }
}

/// Threads that ask for a while, and nothing else.
pub(crate) fn crossing(own: &Own) {
    nix::unistd::alarm::set(10);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || operations(own, thread, 0..500));
        }
    });
}

/// What each thread forks in the middle: it asks too, interrupted as well.
fn forked(own: &Own, thread: usize) {
    let child = sys::fork_by_libc();
    if child != 0 {
        assert_eq!(sys::wait(child), 0, "the child of thread {thread}");
        return;
    }
    sys::child(|| {
        let wrong = WRONG.load(Ordering::Relaxed);
        for turn in 0..200 {
            if turn % 16 == 0 {
                let _sent = nix::sys::signal::raise(nix::sys::signal::Signal::SIGUSR1);
            }
            operations(own, thread, turn..turn + 1);
        }
        std::thread::scope(|scope| {
            for other in 0..2 {
                scope.spawn(move || operations(own, other, 0..100));
            }
        });
        assert_eq!(WRONG.load(Ordering::Relaxed), wrong);
    });
}

/// Tells that all threads rest and how many operations were under way at most, and goes on when
/// it is told to.
fn rest(told: &str) {
    println!("{told} {}", AT_MOST.load(Ordering::SeqCst));
    std::io::stdout().flush().unwrap();
    let mut byte = [0];
    assert_eq!(std::io::stdin().read(&mut byte).unwrap(), 1);
}

pub(crate) fn all(own: &Own) {
    // On a busy machine it takes longer than the other cases may.
    nix::unistd::alarm::set(240);
    let count: u32 = own.word.as_deref().unwrap().parse().unwrap();
    let own = OWN.get_or_init(|| Own::new(&own.directory, None));
    // Both may interrupt each other and themselves.
    sys::handle(libc::SIGUSR1, handler, libc::SA_RESTART | libc::SA_NODEFER);
    sys::handle(libc::SIGUSR2, handler, libc::SA_NODEFER);
    let (over, rests) = (AtomicBool::new(false), AtomicBool::new(true));
    let threads = [const { AtomicI32::new(0) }; THREADS];
    let barrier = Barrier::new(THREADS + 1);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for (number, thread) in threads.iter().enumerate() {
            let barrier = &barrier;
            scope.spawn(move || {
                thread.store(nix::unistd::gettid().as_raw(), Ordering::Relaxed);
                barrier.wait();
                operations(own, number, 0..WARM);
                for end in [count / 2, count] {
                    barrier.wait();
                    barrier.wait();
                    let begin = if end == count { count / 2 } else { WARM };
                    if end == count {
                        forked(own, number);
                    }
                    operations(own, number, begin..end);
                }
                barrier.wait();
                barrier.wait();
            });
        }
        scope.spawn(|| signals(&threads, &rests, &over));
        barrier.wait();
        rests.store(false, Ordering::Relaxed);
        for told in ["warm", "half", "end"] {
            barrier.wait();
            rests.store(true, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
            rest(told);
            rests.store(told == "end", Ordering::Relaxed);
            barrier.wait();
        }
        over.store(true, Ordering::Relaxed);
    });
    let [handled, wrong, interrupted, in_malloc] =
        [&HANDLED, &WRONG, &INTERRUPTED, &IN_MALLOC].map(|count| count.load(Ordering::Relaxed));
    println!(
        "{} ms, {handled} signals handled, {in_malloc} of them while the thread allocated, \
         {interrupted} calls ended by a signal",
        started.elapsed().as_millis()
    );
    assert_eq!(wrong, 0, "answers in handlers that were not right");
    assert!(handled > 1000 && in_malloc > 0, "too few signals");
}

/// Sends both to each thread in turn.
fn signals(threads: &[AtomicI32], rests: &AtomicBool, over: &AtomicBool) {
    let process = u64::from(std::process::id());
    let mut turn = 0_u64;
    while !over.load(Ordering::Relaxed) {
        for thread in threads.iter().map(|thread| thread.load(Ordering::Relaxed)) {
            if rests.load(Ordering::Relaxed) || UNDER_WAY.load(Ordering::Relaxed) > PILED {
                break;
            }
            turn += 1;
            let signal = if turn.is_multiple_of(2) {
                libc::SIGUSR1
            } else {
                libc::SIGUSR2
            };
            let thread = u64::from(thread.cast_unsigned());
            let signal = u64::from(signal.cast_unsigned());
            let _sent = sys::call(libc::SYS_tgkill, [process, thread, signal, 0, 0, 0]);
            std::thread::sleep(PAUSE);
        }
        std::thread::sleep(PAUSE);
    }
}
