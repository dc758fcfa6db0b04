//! Signal masks of the program, without `SIGSYS`: a thread that blocked it would die of its
//! next trapped call.

use rustix::io::Errno;

use super::{
    lanes::{self, Needs},
    sys::{self, Action, Trapped, call},
};

/// `SIGSYS` in a set.
pub(super) const TRAPPED: u64 = 1 << 30;
/// Bytes of a set.
pub(super) const SET_BYTES: u64 = 8;

/// A call that waits, or watches signals, with a mask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Masked {
    pub(super) name: &'static str,
    pub(super) number: i64,
    /// Which argument points to the mask.
    pub(super) mask: usize,
}

const fn masked(name: &'static str, number: i64, mask: usize) -> Masked {
    Masked { name, number, mask }
}

/// All of them; without a mask they do not trap.
pub(super) const MASKED: &[Masked] = &[
    masked("rt_sigsuspend", libc::SYS_rt_sigsuspend, 0),
    masked("rt_sigtimedwait", libc::SYS_rt_sigtimedwait, 0),
    masked("ppoll", libc::SYS_ppoll, 3),
    masked("epoll_pwait", libc::SYS_epoll_pwait, 4),
    masked("epoll_pwait2", libc::SYS_epoll_pwait2, 4),
    masked("signalfd", libc::SYS_signalfd, 1),
    masked("signalfd4", libc::SYS_signalfd4, 1),
];

/// Whether a call is one of this file's, and what it does then.
pub(super) fn handle(trapped: &mut Trapped) -> Option<Result<u64, Errno>> {
    let number = i64::try_from(trapped.number).ok()?;
    if let Some(masked) = MASKED.iter().find(|masked| masked.number == number) {
        return Some(wait(*masked, trapped));
    }
    match number {
        libc::SYS_rt_sigprocmask => Some(change(trapped)),
        libc::SYS_rt_sigaction => Some(action(trapped)),
        libc::SYS_pselect6 => Some(select(trapped)),
        _ => None,
    }
}

/// rt_sigprocmask(2): on the mask that the thread has when the handler returns.
fn change(trapped: &mut Trapped) -> Result<u64, Errno> {
    let [how, set, old, size, ..] = trapped.arguments;
    if size != SET_BYTES {
        return Err(Errno::INVAL);
    }
    let before = trapped.mask;
    let set = lanes::with(Needs::Pipe, |kept, _| kept.pipe.word(set))?;
    let set = set & !TRAPPED;
    let after = match i32::try_from(how & 0xffff_ffff) {
        Ok(libc::SIG_BLOCK) => before | set,
        Ok(libc::SIG_UNBLOCK) => before & !set,
        Ok(libc::SIG_SETMASK) => set,
        _ => return Err(Errno::INVAL),
    };
    const NEVER: u64 = (1 << 8) | (1 << 18);
    trapped.mask = after & !NEVER;
    if old != 0 {
        lanes::with(Needs::Pipe, |kept, _| {
            kept.pipe.copy_out(old, &before.to_ne_bytes())
        })?;
    }
    Ok(0)
}

/// rt_sigaction(2): what the program wants of `SIGSYS` is taken note of by nobody.
fn action(trapped: &Trapped) -> Result<u64, Errno> {
    let [signal, wanted, old, size, ..] = trapped.arguments;
    let mut action = Action::default();
    lanes::with(Needs::Pipe, |kept, _| {
        let at = |index: u64| {
            wanted
                .checked_add(index.saturating_mul(8))
                .ok_or(Errno::FAULT)
        };
        action = Action {
            handler: kept.pipe.word(at(0)?)?,
            flags: kept.pipe.word(at(1)?)?,
            restorer: kept.pipe.word(at(2)?)?,
            mask: kept.pipe.word(at(3)?)? & !TRAPPED,
        };
        if i32::try_from(signal & 0xffff_ffff) == Ok(libc::SIGSYS) && old != 0 {
            kept.pipe.copy_out(old, &[0; 32])?;
        }
        Ok(())
    })?;
    if i32::try_from(signal & 0xffff_ffff) == Ok(libc::SIGSYS) {
        return Ok(0);
    }
    let arguments = [signal, sys::address(&action), old, size, 0, 0];
    call(libc::SYS_rt_sigaction, arguments)
}

/// A call whose mask lies behind one pointer.
fn wait(masked: Masked, trapped: &Trapped) -> Result<u64, Errno> {
    let mut arguments = trapped.arguments;
    let place = arguments.get_mut(masked.mask).ok_or(Errno::INVAL)?;
    let set = lanes::with(Needs::Pipe, |kept, _| kept.pipe.word(*place))?;
    let set = set & !TRAPPED;
    *place = sys::address(&set);
    call(masked.number, arguments)
}

/// pselect6(2), whose last argument points to a pointer and a size.
fn select(trapped: &Trapped) -> Result<u64, Errno> {
    let [a, b, c, d, e, behind] = trapped.arguments;
    let (set, size) = lanes::with(Needs::Pipe, |kept, _| {
        let pointer = kept.pipe.word(behind)?;
        let size = kept.pipe.word(behind.checked_add(8).ok_or(Errno::FAULT)?)?;
        let set = match pointer {
            0 => None,
            pointer => Some(kept.pipe.word(pointer)? & !TRAPPED),
        };
        Ok((set, size))
    })?;
    let pointer = set.as_ref().map_or(0, sys::address);
    let pair = [pointer, size];
    call(libc::SYS_pselect6, [a, b, c, d, e, sys::address(&pair)])
}
