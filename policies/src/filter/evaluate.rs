//! An interpreter of classic BPF as seccomp(2) runs it, to hold programs to their meaning.

use super::Instruction;

/// `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallData {
    /// Number.
    pub number: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Instruction pointer.
    pub pointer: u64,
    /// Arguments.
    pub arguments: [u64; 6],
}

/// What a filter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The kernel performs it.
    Allow,
    /// The broker is notified.
    Notify,
    /// It fails with this errno.
    Errno(u16),
    /// The process dies.
    Kill,
    /// Anything else, or a program that does not end properly.
    Other(u32),
}

impl CallData {
    fn word(&self, offset: u32) -> Option<u32> {
        let half = |value: u64, high: bool| {
            u32::try_from(if high {
                value >> 32
            } else {
                value & 0xffff_ffff
            })
            .ok()
        };
        match offset {
            0 => Some(self.number),
            4 => Some(self.arch),
            8 | 12 => half(self.pointer, offset == 12),
            16..=60 if offset.is_multiple_of(4) => {
                let index = usize::try_from(offset.saturating_sub(16) / 8).ok()?;
                half(*self.arguments.get(index)?, offset % 8 == 4)
            }
            _ => None,
        }
    }
}

/// Runs the program; anything ill-formed is [`Action::Other`].
pub(super) fn evaluate(program: &[Instruction], call: &CallData) -> Action {
    run(program, call).map_or(Action::Other(u32::MAX), |(_, value)| match value {
        0x7fff_0000 => Action::Allow,
        0x7fc0_0000 => Action::Notify,
        0x8000_0000 => Action::Kill,
        _ if value & 0xffff_0000 == 0x0005_0000 => {
            Action::Errno(u16::try_from(value & 0xffff).unwrap_or(u16::MAX))
        }
        _ => Action::Other(value),
    })
}

/// Which instruction gives the answer; none if the program is ill-formed.
pub(super) fn answered_at(program: &[Instruction], call: &CallData) -> Option<usize> {
    run(program, call).map(|(at, _)| at)
}

fn run(program: &[Instruction], call: &CallData) -> Option<(usize, u32)> {
    let mut accumulator = 0_u32;
    let mut at = 0_usize;
    loop {
        let step = program.get(at)?;
        let jump = |taken: bool| usize::from(if taken { step.jt } else { step.jf });
        let skip = match step.code {
            0x20 => {
                accumulator = call.word(step.k)?;
                0
            }
            0x54 => {
                accumulator &= step.k;
                0
            }
            0x05 => usize::try_from(step.k).ok()?,
            0x15 => jump(accumulator == step.k),
            0x25 => jump(accumulator > step.k),
            0x35 => jump(accumulator >= step.k),
            0x45 => jump(accumulator & step.k != 0),
            0x06 => return Some((at, step.k)),
            _ => return None,
        };
        at = at.checked_add(skip)?.checked_add(1)?;
    }
}
