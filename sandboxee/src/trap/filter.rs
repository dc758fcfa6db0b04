//! The filter by which calls trap. It is this process's own and holds nothing back: the filter
//! below it refuses, or hands over, whatever this one lets pass.

use std::ops::RangeInclusive;

use doorward_protocol::operation::TABLE;
use rustix::io::Errno;
use syscalls::x86_64::Sysno;

use super::{
    lanes,
    mask::MASKED,
    sys::{self, call},
};

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_NOT_LESS: u16 = 0x35;
const JUMP_MORE: u16 = 0x25;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const TRAP: u32 = 0x0003_0000;
const ARCH: u32 = 0xc000_003e;
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const CALLED_FROM: u32 = 8;
const NUMBERS: usize = 1024;
/// `CLONE_VM`.
const SHARED_MEMORY: u32 = 0x100;
/// Locks of fcntl(2).
const LOCKS: [u32; 4] = [6, 7, 37, 38];

/// `struct sock_filter`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Step {
    code: u16,
    yes: u8,
    no: u8,
    operand: u32,
}

const fn step(code: u16, yes: u8, no: u8, operand: u32) -> Step {
    Step {
        code,
        yes,
        no,
        operand,
    }
}

/// Where the lower and the upper half of an argument lie.
fn argument(index: usize) -> [u32; 2] {
    let low = u32::try_from(index)
        .unwrap_or_default()
        .saturating_mul(8)
        .saturating_add(16);
    [low, low.saturating_add(4)]
}

/// When a call traps. Behind each is what is returned otherwise.
enum When {
    Always,
    /// The argument is not 0.
    Given(usize),
    /// The lower half of the argument is at least so much.
    AtLeast(usize, u32),
    /// It is one of the locks.
    Lock,
    /// A clone(2) of a process with memory of its own.
    Fork,
    /// A stream socket of such families.
    Stream(Vec<u32>),
}

/// Which calls trap.
#[derive(Debug)]
pub(super) enum Reach {
    /// All, whoever makes them: the filter below refuses them.
    All,
    /// Those that this code makes, the last byte of each part included: the filter below hands
    /// over all others, as after an exec, when this one is still there and its code is not.
    Code(Vec<RangeInclusive<u64>>),
}

#[derive(Default)]
struct Program(Vec<Step>);

fn half(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or_default()
}

/// What traps a call of some code, which the kernel names by the byte behind it.
fn calls_of(code: &RangeInclusive<u64>) -> Vec<Step> {
    let (first, last) = (*code.start(), *code.end());
    let within = |high: u32, from: u32, to: u32| {
        [
            step(LOAD, 0, 0, CALLED_FROM.saturating_add(4)),
            step(JUMP_EQUAL, 0, 4, high),
            step(LOAD, 0, 0, CALLED_FROM),
            step(JUMP_NOT_LESS, 0, 2, from),
            step(JUMP_MORE, 1, 0, to),
            step(RETURN, 0, 0, TRAP),
        ]
    };
    let (low, high) = (half(first >> 32), half(last >> 32));
    if low == high {
        return within(low, half(first), half(last)).to_vec();
    }
    let upper = within(high, 0, half(last));
    [within(low, half(first), u32::MAX), upper].concat()
}

impl Program {
    fn add(&mut self, number: u32, when: &When) {
        let body = body(when);
        let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
        self.0.push(step(JUMP_EQUAL, 0, length, number));
        self.0.extend(body);
    }

    /// Ends it: what comes to a `JUMP` goes to the end, where our own calls pass.
    fn finish(mut self, own: u64, reach: &Reach) -> Vec<Step> {
        self.0.push(step(RETURN, 0, 0, ALLOW));
        let end = self.0.len();
        self.0.extend([
            step(LOAD, 0, 0, CALLED_FROM),
            step(JUMP_EQUAL, 0, 3, half(own)),
            step(LOAD, 0, 0, CALLED_FROM.saturating_add(4)),
            step(JUMP_EQUAL, 0, 1, half(own >> 32)),
            step(RETURN, 0, 0, ALLOW),
        ]);
        match reach {
            Reach::All => self.0.push(step(RETURN, 0, 0, TRAP)),
            Reach::Code(parts) => {
                self.0.extend(parts.iter().flat_map(calls_of));
                self.0.push(step(RETURN, 0, 0, ALLOW));
            }
        }
        for (place, step) in self.0.iter_mut().enumerate() {
            if step.code == JUMP {
                let behind = place.saturating_add(1);
                step.operand = u32::try_from(end.saturating_sub(behind)).unwrap_or_default();
            }
        }
        self.0
    }
}

/// The steps behind a number; each ends in a jump to the end or allows.
fn body(when: &When) -> Vec<Step> {
    let jump = step(JUMP, 0, 0, 0);
    let allow = step(RETURN, 0, 0, ALLOW);
    match when {
        When::Always => vec![jump],
        When::Given(index) => {
            let [low, high] = argument(*index);
            vec![
                step(LOAD, 0, 0, low),
                step(JUMP_EQUAL, 0, 2, 0),
                step(LOAD, 0, 0, high),
                step(JUMP_EQUAL, 1, 0, 0),
                jump,
                allow,
            ]
        }
        When::AtLeast(index, least) => {
            let [low, _] = argument(*index);
            vec![
                step(LOAD, 0, 0, low),
                step(JUMP_NOT_LESS, 0, 1, *least),
                jump,
                allow,
            ]
        }
        When::Fork => {
            let [flags, _] = argument(0);
            vec![
                step(LOAD, 0, 0, flags),
                step(AND, 0, 0, SHARED_MEMORY),
                step(JUMP_EQUAL, 0, 1, 0),
                jump,
                allow,
            ]
        }
        When::Lock => {
            let [command, _] = argument(1);
            let mut steps = vec![step(LOAD, 0, 0, command)];
            for lock in LOCKS {
                steps.extend([step(JUMP_EQUAL, 0, 1, lock), jump]);
            }
            steps.push(allow);
            steps
        }
        When::Stream(families) => {
            let [family, _] = argument(0);
            let [kind, _] = argument(1);
            let mut steps = Vec::new();
            for known in families {
                // A UNIX socket of sequenced packets counts as one.
                let other = if *known == 1 { 5 } else { 1 };
                steps.extend([
                    step(LOAD, 0, 0, family),
                    step(JUMP_EQUAL, 0, 5, *known),
                    step(LOAD, 0, 0, kind),
                    step(AND, 0, 0, 0xf),
                    step(JUMP_EQUAL, 1, 0, 1),
                    step(JUMP_EQUAL, 0, 1, other),
                    jump,
                ]);
            }
            steps.push(allow);
            steps
        }
    }
}

/// The families of which the filter below hands out no socket: those are the broker's.
fn brokered() -> Vec<u32> {
    let refused = |family: &u32| {
        let stream = u64::from(libc::SOCK_STREAM.cast_unsigned());
        let kind = stream | u64::from(libc::SOCK_CLOEXEC.cast_unsigned());
        match call(libc::SYS_socket, [u64::from(*family), kind, 0, 0, 0, 0]) {
            Ok(number) => {
                let _closed = call(libc::SYS_close, [number, 0, 0, 0, 0, 0]);
                false
            }
            Err(errno) => errno == Errno::ACCESS,
        }
    };
    [1, 2, 10].into_iter().filter(refused).collect()
}

fn when(name: &str, brokered: &[u32], reach: &Reach) -> Option<When> {
    if let Some(masked) = MASKED.iter().find(|masked| masked.name == name) {
        return Some(match name {
            "ppoll" | "epoll_pwait" | "epoll_pwait2" => When::Given(masked.mask),
            _ => When::Always,
        });
    }
    Some(match name {
        "rt_sigprocmask" | "rt_sigaction" => When::Given(1),
        "pselect6" => When::Given(5),
        "close" => When::AtLeast(0, lanes::first()),
        "dup2" | "dup3" => When::AtLeast(1, lanes::first()),
        "close_range" | "fork" => When::Always,
        "clone" => When::Fork,
        "fcntl" => When::Lock,
        // Handed over, so that they need not be asked about twice.
        "chdir" | "fchdir" | "execve" if matches!(reach, Reach::Code(_)) => return None,
        "socket" if brokered.is_empty() => return None,
        "socket" => When::Stream(brokered.to_vec()),
        name => {
            let mut calls = TABLE.iter().flat_map(|row| row.calls);
            calls.find(|call| call.name == name).map(|_| When::Always)?
        }
    })
}

fn program(reach: &Reach) -> Vec<Step> {
    let mut program = Program::default();
    program.0.extend([
        step(LOAD, 0, 0, ARCHITECTURE),
        step(JUMP_EQUAL, 1, 0, ARCH),
        step(RETURN, 0, 0, ALLOW),
        step(LOAD, 0, 0, NUMBER),
    ]);
    let brokered = match reach {
        Reach::All => brokered(),
        Reach::Code(_) => Vec::new(),
    };
    for number in 0..NUMBERS {
        let name = Sysno::new(number).map(|call| call.name());
        if let Some(when) = name.and_then(|name| when(name, &brokered, reach)) {
            program.add(u32::try_from(number).unwrap_or_default(), &when);
        }
    }
    program.finish(sys::own_address(), reach)
}

/// Loads it, for this thread.
///
/// # Errors
/// What seccomp(2) says.
pub(super) fn load(reach: &Reach) -> Result<(), Errno> {
    const SET_MODE_FILTER: u64 = 1;
    let steps = program(reach);
    let length = u64::try_from(steps.len()).map_err(|_| Errno::INVAL)?;
    // `struct sock_fprog`: a 16-bit length, and behind padding a pointer.
    let filter = [length, sys::address(steps.as_slice())];
    let pointer = sys::address(&filter);
    call(libc::SYS_seccomp, [SET_MODE_FILTER, 0, pointer, 0, 0, 0]).map(drop)
}
