//! Classes of calls, each one of seccompiler's programs, chained into one filter.

use std::collections::{BTreeMap, btree_map::Entry};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare,
    SeccompCondition as Condition, SeccompFilter, SeccompRule, TargetArch,
};

use super::{Arch, Filter, FilterError, Instruction};

const NEXT: u32 = 0xfffe;
const RETURN_TRACE: u32 = 0x7ff0_0000;
const RETURN_NOTIFY: u32 = 0x7fc0_0000;
const RETURN: u16 = 0x06;
const JUMP: u16 = 0x05;
/// The longest program seccomp(2) takes.
const LONGEST: usize = 4096;
const X32: u32 = 0x4000_0000;
/// What marks a return to be rewritten to a user notification.
pub(super) const NOTIFY: u32 = 0xffff;

/// One comparison of an argument: index, width, how, value.
pub(super) type Test = (u8, Width, Compare, u64);
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// One class of calls: what they get, and the calls, each with its tests (none: always).
struct Class {
    action: SeccompAction,
    rules: Rules,
}

/// What is known so far, in the order in which it is asked.
pub(super) struct Classes {
    arch: Arch,
    classes: Vec<Class>,
}

pub(super) const fn low(index: u8, value: u64) -> Test {
    (index, Width::Dword, Compare::Eq, value)
}

pub(super) const fn masked(index: u8, mask: u64, value: u64) -> Test {
    (index, Width::Dword, Compare::MaskedEq(mask), value)
}

impl Classes {
    pub(super) const fn new(arch: Arch) -> Self {
        Self {
            arch,
            classes: Vec::new(),
        }
    }

    /// Adds to the class with this action, if it is the last one, else begins one.
    pub(super) fn add(
        &mut self,
        action: SeccompAction,
        name: &str,
        tests: &[Test],
    ) -> Result<(), FilterError> {
        let Some(number) = self.arch.number(name) else {
            return Ok(());
        };
        #[cfg(test)]
        if super::tests::needed::is_left_out(&action, name, tests) {
            return Ok(());
        }
        if self
            .classes
            .last()
            .is_none_or(|class| class.action != action)
        {
            self.classes.push(Class {
                action: action.clone(),
                rules: Rules::new(),
            });
        }
        let Some(class) = self.classes.last_mut() else {
            return Ok(());
        };
        if tests.is_empty() {
            // Always: whatever else is said of it there says less.
            class.rules.insert(i64::from(number), Vec::new());
            return Ok(());
        }
        let conditions = tests
            .iter()
            .map(|(index, width, compare, value)| {
                Condition::new(*index, width.clone(), compare.clone(), *value)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let rule = SeccompRule::new(conditions)?;
        match class.rules.entry(i64::from(number)) {
            Entry::Vacant(entry) => {
                entry.insert(vec![rule]);
            }
            Entry::Occupied(mut entry) if !entry.get().is_empty() => entry.get_mut().push(rule),
            Entry::Occupied(_) => {}
        }
        Ok(())
    }

    pub(super) fn allow(&mut self, name: &str, tests: &[Test]) -> Result<(), FilterError> {
        self.add(SeccompAction::Allow, name, tests)
    }

    /// Chains the programs; what none of them knows gets this errno.
    pub(super) fn link(self, errno: u32) -> Result<Filter, FilterError> {
        let arch = self.arch;
        let mut instructions = prologue(arch);
        for class in self.classes {
            let target = match arch {
                Arch::X86_64 => TargetArch::x86_64,
                Arch::Aarch64 => TargetArch::aarch64,
            };
            let filter = SeccompFilter::new(
                class.rules,
                SeccompAction::Trace(NEXT),
                class.action,
                target,
            )?;
            append(&mut instructions, filter.try_into()?);
        }
        instructions.push(Instruction {
            code: RETURN,
            jt: 0,
            jf: 0,
            k: 0x0005_0000 | errno,
        });
        if instructions.len() > LONGEST {
            return Err(FilterError::TooLong(instructions.len()));
        }
        Ok(Filter { instructions, arch })
    }
}

/// Another architecture dies; an x32 number is no call at all.
fn prologue(arch: Arch) -> Vec<Instruction> {
    let step = |code, jt, jf, k| Instruction { code, jt, jf, k };
    vec![
        step(0x20, 0, 0, 4),
        step(0x15, 1, 0, arch.audit()),
        step(RETURN, 0, 0, 0x8000_0000),
        step(0x20, 0, 0, 0),
        step(0x35, 0, 1, X32),
        step(RETURN, 0, 0, 0x0005_0000 | 38),
    ]
}

/// Adds one of seccompiler's programs, its marked returns rewritten.
fn append(instructions: &mut Vec<Instruction>, program: BpfProgram) {
    let end = program.len();
    for (index, step) in program.into_iter().enumerate() {
        let rewritten = match (step.code, step.k) {
            (RETURN, k) if k == RETURN_TRACE | NEXT => Instruction {
                code: JUMP,
                jt: 0,
                jf: 0,
                k: u32::try_from(end.saturating_sub(index).saturating_sub(1)).unwrap_or(u32::MAX),
            },
            (RETURN, k) if k == RETURN_TRACE | NOTIFY => Instruction {
                code: RETURN,
                jt: 0,
                jf: 0,
                k: RETURN_NOTIFY,
            },
            (code, k) => Instruction {
                code,
                jt: step.jt,
                jf: step.jf,
                k,
            },
        };
        instructions.push(rewritten);
    }
}
