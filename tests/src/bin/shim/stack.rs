//! How much stack the handler of the trap front needs.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crate::{own::Own, sys};

/// As much as a thread of Rust's standard library gives its signals.
const SMALL: u64 = 8192;
const LARGE: u64 = 64 * 1024;
const PAINT: u8 = 0xa5;

/// Gives this thread's signals a stack with a page below it that cannot be touched.
fn alternate(length: u64) -> u64 {
    let at = sys::pages(length / sys::PAGE + 1);
    sys::protect(at, sys::PAGE, libc::PROT_NONE);
    let stack = [at + sys::PAGE, 0, length];
    sys::call(libc::SYS_sigaltstack, [sys::address(&stack), 0, 0, 0, 0, 0]).unwrap();
    at + sys::PAGE
}

/// A stack on which the handler stays: where it is, and how many bytes it has.
pub(crate) fn large() -> (u64, u64) {
    (alternate(LARGE), LARGE)
}

/// Paints a stack, asks all that there is, and tells what was touched.
pub(crate) fn painted(own: &Own) {
    let at = alternate(LARGE);
    sys::put(at, &vec![PAINT; usize::try_from(LARGE).unwrap()]);
    for number in 0..4 {
        own.ask_all(number);
    }
    crate::pointers::all(own);
    // A child makes anew what its parent had.
    let child = sys::fork();
    if child == 0 {
        sys::child(|| {
            own.ask_all(0);
            told(at);
        });
    }
    assert_eq!(sys::wait(child), 0);
    told(at);
}

fn told(at: u64) {
    let bytes = sys::get(at, LARGE);
    let untouched = bytes.iter().take_while(|byte| **byte == PAINT).count();
    let used = bytes.len() - untouched;
    println!("stack {used} of which a frame has {}", sys::frame());
}

static DEPTH: AtomicU32 = AtomicU32::new(0);
static DEEPEST: AtomicU32 = AtomicU32::new(0);
static WRONG: AtomicU32 = AtomicU32::new(0);
static OWN: std::sync::OnceLock<Own> = std::sync::OnceLock::new();

extern "C" fn deeper(_: i32) {
    let errno = sys::errno();
    let depth = DEPTH.fetch_add(1, Ordering::SeqCst) + 1;
    DEEPEST.fetch_max(depth, Ordering::SeqCst);
    let right = OWN.get().is_some_and(|own| own.open(1) == Ok(()));
    WRONG.fetch_add(u32::from(!right), Ordering::SeqCst);
    DEPTH.fetch_sub(1, Ordering::SeqCst);
    sys::set_errno(errno);
}

/// Handlers without a stack of their own ask, nested, in a thread whose signals have a small one.
pub(crate) fn nested_on_a_small_one(own: &Own) {
    let own = OWN.get_or_init(|| Own::new(&own.directory, None));
    alternate(SMALL);
    sys::handle(libc::SIGUSR1, deeper, libc::SA_NODEFER | libc::SA_RESTART);
    let main = u64::from(nix::unistd::gettid().as_raw().cast_unsigned());
    let process = u64::from(std::process::id());
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                // At most so many at a time, and pauses in which they end.
                if DEPTH.load(Ordering::SeqCst) < 6 {
                    let signal = u64::from(libc::SIGUSR1.cast_unsigned());
                    sys::call(libc::SYS_tgkill, [process, main, signal, 0, 0, 0]).unwrap();
                    std::thread::sleep(Duration::from_micros(5));
                } else {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        for turn in 0..2_000 {
            let seen = own.ask(0, turn);
            assert_eq!(seen, Ok(()));
        }
        over.store(true, Ordering::SeqCst);
    });
    let deepest = DEEPEST.load(Ordering::SeqCst);
    println!("{deepest} handlers in each other");
    assert_eq!(WRONG.load(Ordering::SeqCst), 0);
    assert!(deepest >= 3, "they were not nested: {deepest}");
}
