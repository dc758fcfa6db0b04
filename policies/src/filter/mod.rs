//! The system-call filter of a sandboxee.
//!
//! Calls are gathered in classes, of which the first that takes a call decides. All of them
//! become one program: the number is found by halving, then its arguments are compared by what
//! seccompiler makes of their rules.

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

use std::sync::LazyLock;

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
        static X86_64: LazyLock<Numbers> = LazyLock::new(|| numbers(Arch::X86_64));
        static AARCH64: LazyLock<Numbers> = LazyLock::new(|| numbers(Arch::Aarch64));
        let known = match self {
            Self::X86_64 => &X86_64,
            Self::Aarch64 => &AARCH64,
        };
        let at = known.binary_search_by_key(&name, |(name, _)| name).ok()?;
        known.get(at).map(|(_, number)| *number)
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

/// Names, sorted, and their numbers.
type Numbers = Vec<(&'static str, u32)>;

/// Behind the last number of either architecture.
const NUMBERS: u32 = 1024;

fn numbers(arch: Arch) -> Numbers {
    let named = |number| arch.name(number).map(|name| (name, number));
    let mut numbers: Numbers = (0..NUMBERS).filter_map(named).collect();
    numbers.sort_unstable();
    numbers
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
    /// Whether it may put filters of its own on top, of which the strictest counts, so that
    /// calls trap into its own code.
    pub trap: bool,
    /// Whether it has an empty network namespace of its own, so that sockets lead nowhere.
    pub network_namespace: bool,
    /// Whether it may make processes; threads it may make anyway.
    pub processes: bool,
    /// Whether it is a zygote's, which may also lock down what it forks; a worker loads
    /// [`Filter::behind_zygote`] behind it. No policy with `[syscalls]` of its own has one.
    pub zygote: bool,
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

    /// Assembles what a worker loads behind the filter of its zygote: both together say what a
    /// filter without `processes` says.
    ///
    /// # Errors
    /// [`FilterError`] when seccompiler refuses it.
    pub fn behind_zygote(arch: Arch) -> Result<Self, FilterError> {
        assemble::behind_zygote(arch)
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
