//! What the handler of `SIGSYS` does.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use syscalls::x86_64::Sysno;

use super::{
    ask,
    control::{Promise, holds},
    lanes::{self, signed},
    mask::{self, SET_BYTES},
    sys::{self, Action, Stack, Trapped, call},
};

const UNBLOCK: u64 = 1;
const SET_MASK: u64 = 2;
const SIGNAL: u64 = 31;

/// Why exec fails here, told once a process.
const NO_EXEC: &[u8] =
    b"doorward: exec is not possible through the trap front; say front = \"notify\" in the policy\n";
static TOLD: AtomicBool = AtomicBool::new(false);

fn set_action(action: &Action) -> Result<(), Errno> {
    let arguments = [SIGNAL, sys::address(action), 0, SET_BYTES, 0, 0];
    call(libc::SYS_rt_sigaction, arguments).map(drop)
}

/// Has the handler run elsewhere from now on, in all threads.
pub(super) fn run_on(stack: Stack) {
    let _set = set_action(&Action::own(stack));
}

/// Installs it, and lets the signal through in this thread and those it makes.
pub(super) fn install() -> Result<(), Errno> {
    set_action(&Action::own(Stack::OfSignals))?;
    let set = 1_u64 << 30;
    let arguments = [UNBLOCK, sys::address(&set), 0, SET_BYTES, 0, 0];
    call(libc::SYS_rt_sigprocmask, arguments).map(drop)
}

/// A `SIGSYS` that no trapped call raised does what it would do without a handler.
pub(super) fn stray() {
    let _default = set_action(&Action::default());
    let process = call(libc::SYS_getpid, [0; 6]).unwrap_or_default();
    let thread = call(libc::SYS_gettid, [0; 6]).unwrap_or_default();
    let _dies = call(libc::SYS_tgkill, [process, thread, SIGNAL, 0, 0, 0]);
}

/// Answers a trapped call.
///
/// # Errors
/// What the call fails with.
pub(super) fn handle(trapped: &mut Trapped) -> Result<u64, Errno> {
    if !holds(Promise::NoAllocation) {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(64)));
    }
    if !holds(Promise::LittleStack) {
        sprawl();
    }
    if let Some(done) = mask::handle(trapped) {
        return done;
    }
    let number = i64::try_from(trapped.number).map_err(|_| Errno::NOSYS)?;
    match number {
        libc::SYS_execve => return Err(exec()),
        libc::SYS_close | libc::SYS_close_range | libc::SYS_dup2 | libc::SYS_dup3 => {
            return closing(number, trapped.arguments);
        }
        libc::SYS_fork => return fork(number, trapped.arguments),
        libc::SYS_clone => return clone(trapped),
        _ => {}
    }
    let number = usize::try_from(trapped.number).map_err(|_| Errno::NOSYS)?;
    let name = Sysno::new(number).ok_or(Errno::NOSYS)?.name();
    ask::ask(name, trapped)
}

/// Uses more stack than it may.
#[inline(never)]
fn sprawl() {
    std::hint::black_box([1_u8; 8192]);
}

fn exec() -> Errno {
    if !TOLD.swap(true, Ordering::Relaxed) {
        let length = u64::try_from(NO_EXEC.len()).unwrap_or_default();
        let _told = call(libc::SYS_write, [2, sys::address(NO_EXEC), length, 0, 0, 0]);
    }
    Errno::ACCESS
}

/// fork(2), and clone(2) as it: the child gets the table before anything can ask there. All
/// signals are blocked until the handler returns.
fn fork(number: i64, arguments: [u64; 6]) -> Result<u64, Errno> {
    let [flags, ..] = arguments;
    let shares = number == libc::SYS_clone && flags & signed(libc::CLONE_FILES) != 0;
    let midst = lanes::midst();
    if shares && midst.is_in_one() {
        return Err(Errno::INVAL);
    }
    let all = u64::MAX;
    let block = [SET_MASK, sys::address(&all), 0, SET_BYTES, 0, 0];
    call(libc::SYS_rt_sigprocmask, block)?;
    let child = call(number, arguments)?;
    // What it shares it leaves alone: it uses a table that is nobody's.
    let leaves = shares && holds(Promise::SharedLeft);
    if child == 0 && !leaves {
        lanes::forked(midst);
    }
    Ok(child)
}

/// clone(2) of a process with memory of its own. A child that is to go on elsewhere leaves the
/// handler on its copy of this stack.
fn clone(trapped: &mut Trapped) -> Result<u64, Errno> {
    let [flags, stack, others @ ..] = trapped.arguments;
    let [parent, child, tls, none] = others;
    let made = fork(libc::SYS_clone, [flags, 0, parent, child, tls, none])?;
    if made == 0 && stack != 0 {
        trapped.stack = stack;
    }
    Ok(made)
}

/// What closes descriptors, without ours: the program has none of those numbers.
fn closing(number: i64, arguments: [u64; 6]) -> Result<u64, Errno> {
    let [first, second, flags, ..] = arguments;
    let low = |register: u64| u32::try_from(register & 0xffff_ffff).unwrap_or_default();
    match number {
        libc::SYS_close if lanes::is_kept(low(first)) => Err(Errno::BADF),
        libc::SYS_dup2 | libc::SYS_dup3 if lanes::is_kept(low(second)) => Err(Errno::BADF),
        libc::SYS_close_range => close_range(low(first), low(second), flags),
        _ => call(number, arguments),
    }
}

/// close_range(2), in pieces around ours.
fn close_range(first: u32, last: u32, flags: u64) -> Result<u64, Errno> {
    let piece = |from: u32, to: u32| {
        let arguments = [u64::from(from), u64::from(to), flags, 0, 0, 0];
        call(libc::SYS_close_range, arguments)
    };
    if first > last {
        return piece(first, last);
    }
    let mut from = first;
    while let Some(kept) = lanes::next_kept(from).filter(|kept| *kept <= last) {
        if let Some(before) = kept.checked_sub(1).filter(|before| *before >= from) {
            piece(from, before)?;
        }
        match kept.checked_add(1) {
            Some(next) if next <= last => from = next,
            _ => return Ok(0),
        }
    }
    piece(from, last)
}
