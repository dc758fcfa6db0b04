//! Classes of calls, compiled into one program.
//!
//! The number is found by halving, so the kernel, which runs the program once for each number
//! when it is loaded, and translates all of it, has little to do at each start. What comes
//! behind it, the rules on the arguments of one call, is seccompiler's.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare,
    SeccompCondition as Condition, SeccompFilter, SeccompRule, TargetArch,
};

use super::{Arch, Filter, FilterError, Instruction};

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;
/// What marks a return of seccompiler's that is to be rewritten: on to what comes behind.
const NEXT: u32 = 0xfffe;
/// And to a user notification, which it has no action for.
const NOTIFY: u32 = 0xffff;
const RETURN_TRACE: u32 = 0x7ff0_0000;
/// What seccompiler begins with: the check of the architecture, load and comparison of the number.
const HEAD: usize = 5;
/// The longest program seccomp(2) takes.
const LONGEST: usize = 4096;
const X32: u32 = 0x4000_0000;

/// What a call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The kernel performs it.
    Allow,
    /// It fails with this errno.
    Errno(u32),
    /// The broker is notified.
    Notify,
    /// The process dies.
    Kill,
}

impl Outcome {
    const fn value(self) -> u32 {
        match self {
            Self::Allow => 0x7fff_0000,
            Self::Errno(errno) => 0x0005_0000 | errno,
            Self::Notify => 0x7fc0_0000,
            Self::Kill => 0x8000_0000,
        }
    }

    /// As seccompiler has it.
    const fn action(self) -> SeccompAction {
        match self {
            Self::Allow => SeccompAction::Allow,
            Self::Errno(errno) => SeccompAction::Errno(errno),
            Self::Notify => SeccompAction::Trace(NOTIFY),
            Self::Kill => SeccompAction::KillProcess,
        }
    }
}

/// One comparison of an argument: index, width, how, value.
pub(super) type Test = (u8, Width, Compare, u64);

/// What a class says of one call.
struct Saying {
    class: usize,
    outcome: Outcome,
    /// It holds whatever the arguments are.
    always: bool,
    /// Else it holds where the tests of one of these do.
    rules: Vec<Vec<Test>>,
}

/// What is known so far, in the order in which it is asked.
pub(super) struct Classes {
    arch: Arch,
    /// How many there are, and the outcome of the last.
    class: usize,
    last: Option<Outcome>,
    calls: BTreeMap<u32, Vec<Saying>>,
}

/// The argument's lower half is this.
pub(super) const fn low(index: u8, value: u64) -> Test {
    (index, Width::Dword, Compare::Eq, value)
}

/// All 64 bits of the argument are this.
pub(super) const fn whole(index: u8, value: u64) -> Test {
    (index, Width::Qword, Compare::Eq, value)
}

/// These bits of the argument's lower half are this.
pub(super) const fn masked(index: u8, mask: u64, value: u64) -> Test {
    (index, Width::Dword, Compare::MaskedEq(mask), value)
}

impl Classes {
    pub(super) const fn new(arch: Arch) -> Self {
        Self {
            arch,
            class: 0,
            last: None,
            calls: BTreeMap::new(),
        }
    }

    /// Adds to the class with this outcome, if it is the last one, else begins one.
    pub(super) fn add(&mut self, outcome: Outcome, name: &str, tests: &[Test]) {
        let Some(number) = self.arch.number(name) else {
            return;
        };
        #[cfg(test)]
        if super::tests::needed::is_left_out(&outcome, name, tests) {
            return;
        }
        if self.last.replace(outcome) != Some(outcome) {
            self.class = self.class.saturating_add(1);
        }
        let class = self.class;
        let sayings = self.calls.entry(number).or_default();
        if sayings.last().is_none_or(|saying| saying.class != class) {
            sayings.push(Saying {
                class,
                outcome,
                always: false,
                rules: Vec::new(),
            });
        }
        let Some(saying) = sayings.last_mut() else {
            return;
        };
        if tests.is_empty() {
            // Whatever else is said of it there says less.
            saying.always = true;
        } else {
            saying.rules.push(tests.to_vec());
        }
    }

    pub(super) fn allow(&mut self, name: &str, tests: &[Test]) {
        self.add(Outcome::Allow, name, tests);
    }

    /// The program; what no class knows gets `unknown`.
    pub(super) fn link(self, unknown: Outcome) -> Result<Filter, FilterError> {
        // From which number on there is which code.
        let mut ranges: Vec<(u32, Vec<Instruction>)> = vec![(0, vec![give(unknown)])];
        let mut begin = |number: u32, code: Vec<Instruction>| match ranges.last_mut() {
            Some((_, last)) if *last == code => {}
            Some((from, last)) if *from == number => *last = code,
            _ => ranges.push((number, code)),
        };
        for (number, sayings) in &self.calls {
            begin(*number, answer(self.arch, *number, sayings, unknown)?);
            begin(number.saturating_add(1), vec![give(unknown)]);
        }
        let mut instructions = prologue(self.arch);
        instructions.extend(halved(&ranges));
        if instructions.len() > LONGEST {
            return Err(FilterError::TooLong(instructions.len()));
        }
        let arch = self.arch;
        Ok(Filter { instructions, arch })
    }
}

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

const fn give(outcome: Outcome) -> Instruction {
    step(RETURN, 0, 0, outcome.value())
}

/// Another architecture dies; an x32 number is no call at all. Leaves the number loaded.
fn prologue(arch: Arch) -> Vec<Instruction> {
    vec![
        step(LOAD, 0, 0, 4),
        step(JUMP_EQUAL, 1, 0, arch.audit()),
        give(Outcome::Kill),
        step(LOAD, 0, 0, 0),
        step(JUMP_GREATER_OR_EQUAL, 0, 1, X32),
        give(Outcome::Errno(38)),
    ]
}

/// Jumps over `behind` instructions unless the comparison holds.
fn unless(code: u16, k: u32, behind: usize) -> Vec<Instruction> {
    match u8::try_from(behind) {
        Ok(near) => vec![step(code, 0, near, k)],
        Err(_) => {
            let far = u32::try_from(behind).unwrap_or(u32::MAX);
            vec![step(code, 1, 0, k), step(JUMP, 0, 0, far)]
        }
    }
}

/// Finds the range that the loaded number lies in.
fn halved(ranges: &[(u32, Vec<Instruction>)]) -> Vec<Instruction> {
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    match upper {
        [(_, code)] if lower.is_empty() => code.clone(),
        [(from, _), ..] => {
            let above = halved(upper);
            let mut code = unless(JUMP_GREATER_OR_EQUAL, *from, above.len());
            code.extend(above);
            code.extend(halved(lower));
            code
        }
        [] => Vec::new(),
    }
}

/// What one call gets: the first saying whose tests hold.
fn answer(
    arch: Arch,
    number: u32,
    sayings: &[Saying],
    unknown: Outcome,
) -> Result<Vec<Instruction>, FilterError> {
    let mut code = Vec::new();
    for saying in sayings {
        if saying.always {
            code.push(give(saying.outcome));
            return Ok(code);
        }
        append(&mut code, compiled(arch, number, saying)?);
    }
    code.push(give(unknown));
    Ok(code)
}

/// seccompiler's program for the rules of one call.
fn compiled(arch: Arch, number: u32, saying: &Saying) -> Result<BpfProgram, FilterError> {
    let condition = |(index, width, compare, value): &Test| {
        Condition::new(*index, width.clone(), compare.clone(), *value)
    };
    let rule = |tests: &Vec<Test>| {
        let conditions = tests.iter().map(condition).collect::<Result<_, _>>()?;
        SeccompRule::new(conditions)
    };
    let rules = saying.rules.iter().map(rule).collect::<Result<_, _>>()?;
    let target = match arch {
        Arch::X86_64 => TargetArch::x86_64,
        Arch::Aarch64 => TargetArch::aarch64,
    };
    let filter = SeccompFilter::new(
        BTreeMap::from([(i64::from(number), rules)]),
        SeccompAction::Trace(NEXT),
        saying.outcome.action(),
        target,
    )?;
    Ok(filter.try_into()?)
}

/// Adds such a program behind its head, with its marked returns rewritten.
fn append(code: &mut Vec<Instruction>, program: BpfProgram) {
    let end = program.len();
    for (index, given) in program.into_iter().enumerate().skip(HEAD) {
        code.push(match (given.code, given.k) {
            (RETURN, k) if k == RETURN_TRACE | NEXT => {
                let behind = end.saturating_sub(index).saturating_sub(1);
                step(JUMP, 0, 0, u32::try_from(behind).unwrap_or(u32::MAX))
            }
            (RETURN, k) if k == RETURN_TRACE | NOTIFY => give(Outcome::Notify),
            (code, k) => step(code, given.jt, given.jf, k),
        });
    }
}
