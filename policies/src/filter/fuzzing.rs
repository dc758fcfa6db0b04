//! Filters of any rules, which only the build of the fuzz targets (`--cfg fuzzing`) can make.

use seccompiler::{SeccompCmpArgLen as Width, SeccompCmpOp as Compare};

use super::{
    Action, Arch, Filter, FilterError,
    classes::{Classes, Outcome, Test},
};

/// A condition of a rule: these bits of an argument are the value.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// Number of the argument.
    pub argument: u8,
    /// The bits that count.
    pub mask: u64,
    /// What they must be.
    pub value: u64,
}

impl Condition {
    fn test(self) -> Test {
        let width = match u32::try_from(self.mask) {
            Ok(_) => Width::Dword,
            Err(_) => Width::Qword,
        };
        let how = Compare::MaskedEq(self.mask);
        (self.argument, width, how, self.value)
    }
}

/// A filter of these rules in their order, by name of the call; whatever none of them
/// takes gets this errno.
///
/// # Errors
/// [`FilterError`] when seccompiler refuses a rule, or there are too many.
pub fn filter(
    arch: Arch,
    rules: &[(Action, &str, Vec<Condition>)],
    errno: u32,
) -> Result<Filter, FilterError> {
    let mut classes = Classes::new(arch);
    for (action, name, conditions) in rules {
        let outcome = match action {
            Action::Allow => Outcome::Allow,
            Action::Notify => Outcome::Notify,
            Action::Errno(errno) => Outcome::Errno(u32::from(*errno)),
            Action::Kill | Action::Other(_) => Outcome::Kill,
        };
        let tests: Vec<Test> = conditions.iter().map(|one| one.test()).collect();
        classes.add(outcome, name, &tests);
    }
    classes.link(Outcome::Errno(errno))
}
