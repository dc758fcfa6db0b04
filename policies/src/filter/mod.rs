//! The system-call filter of a sandboxee.
//!
//! seccompiler compiles each class of calls; its programs are chained and what
//! they return for "no match" becomes a jump to the next one. A marked return
//! becomes a user notification, which seccompiler has no action for.

mod assemble;
mod broker;
mod classes;
mod evaluate;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(test)]
mod tests;

pub use broker::Needs;
pub use evaluate::{Action, CallData};

use crate::Policy;

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// x86-64.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Arch {
    /// The architecture this was compiled for.
    pub const fn native() -> Self {
        if cfg!(target_arch = "aarch64") {
            Self::Aarch64
        } else {
            Self::X86_64
        }
    }

    /// Its `AUDIT_ARCH_*` value.
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }

    /// The number of a call, none where the architecture has no such call.
    pub fn number(self, name: &str) -> Option<u32> {
        match self {
            Self::X86_64 => name
                .parse::<syscalls::x86_64::Sysno>()
                .ok()
                .and_then(|call| u32::try_from(call.id()).ok()),
            Self::Aarch64 => name
                .parse::<syscalls::aarch64::Sysno>()
                .ok()
                .and_then(|call| u32::try_from(call.id()).ok()),
        }
    }

    /// The name of a call.
    pub fn name(self, number: u32) -> Option<&'static str> {
        let number = usize::try_from(number).ok()?;
        match self {
            Self::X86_64 => syscalls::x86_64::Sysno::new(number).map(|call| call.name()),
            Self::Aarch64 => syscalls::aarch64::Sysno::new(number).map(|call| call.name()),
        }
    }
}

/// One classic BPF instruction (`struct sock_filter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Jump if true.
    pub jt: u8,
    /// Jump if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// What a filter is assembled for.
#[derive(Debug, Clone, Copy)]
pub struct FilterRequest<'a> {
    /// Whose `[syscalls]` and network rules count.
    pub policy: &'a Policy,
    /// For which architecture.
    pub arch: Arch,
    /// Whether operations arrive by notification; else their calls are refused.
    pub notify: bool,
    /// Whether it has an empty network namespace of its own, so that sockets lead nowhere.
    pub network_namespace: bool,
}

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// `[syscalls]` names a call that does not exist.
    #[error("[syscalls] names '{0}', which is no system call; see syscalls(2)")]
    Unknown(String),
    /// `[syscalls] allow` names a call that no policy can open.
    #[error("[syscalls] allow names '{0}', which no policy can allow; remove it")]
    Forbidden(String),
    /// seccompiler refused a rule.
    #[error("the filter cannot be compiled")]
    Compile(#[from] seccompiler::BackendError),
    /// It is longer than the kernel takes.
    #[error("the filter has {0} instructions, the kernel takes 4096")]
    TooLong(usize),
}

/// An assembled filter, as it is loaded.
#[derive(Debug, Clone)]
pub struct Filter {
    instructions: Vec<Instruction>,
    arch: Arch,
}

impl Filter {
    /// Assembles the filter of one sandboxee.
    ///
    /// # Errors
    /// [`FilterError`] says what the policy asks for that cannot be.
    pub fn assemble(request: &FilterRequest<'_>) -> Result<Self, FilterError> {
        assemble::assemble(request)
    }

    /// Assembles the broker's own filter, of what the operation table says its services need
    /// and what serving itself needs.
    ///
    /// # Errors
    /// [`FilterError`] when seccompiler refuses it.
    pub fn of_broker(arch: Arch, needs: Needs) -> Result<Self, FilterError> {
        broker::assemble(arch, needs)
    }

    /// The program, for seccomp(2).
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// What the kernel would do with this call.
    pub fn evaluate(&self, call: &CallData) -> Action {
        evaluate::evaluate(&self.instructions, call)
    }

    /// Which of its instructions, counted from 0, answers this call, so that a test can tell
    /// what was tried; none if the program is ill-formed.
    pub fn answered_at(&self, call: &CallData) -> Option<usize> {
        evaluate::answered_at(&self.instructions, call)
    }

    /// Its architecture.
    pub fn arch(&self) -> Arch {
        self.arch
    }
}
