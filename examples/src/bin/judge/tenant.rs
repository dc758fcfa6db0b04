//! One program of somebody's, run under limits of its own.

use std::{
    fs::File,
    io::{self, Read, Seek},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use doorward::host::{HostError, Program, Sandbox, Usage};
use doorward_policy::{Expansion, Policy, PolicyErrors};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::verdict::Verdict;

/// Why a tenant has no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JudgeError {
    #[error("the policy is wrong:\n{0}")]
    Policy(#[from] PolicyErrors),
    #[error("the sandbox was not run: {0}")]
    Host(#[from] HostError),
    #[error("cannot read the task or the program: {0}")]
    Input(#[from] io::Error),
    #[error("the program's name cannot be written in a policy")]
    Name,
}

/// What is asked for: a directory with the files `input` and `answer`.
#[derive(Debug)]
pub(crate) struct Task {
    input: PathBuf,
    answer: Vec<u8>,
}

impl Task {
    pub(crate) fn read(directory: &Path) -> Result<Self, JudgeError> {
        Ok(Self {
            input: directory.join("input"),
            answer: std::fs::read(directory.join("answer"))?,
        })
    }
}

/// The policy of a tenant: what all have, and its own program.
fn policy(program: &Path, base: &Path) -> Result<Policy, JudgeError> {
    let words = [base, program].map(|path| {
        let text = path.to_str().ok_or(JudgeError::Name)?;
        // In quotes that know no escapes, and without a meaning as a pattern.
        let odd = |one: char| one.is_control() || "'*?[]\\${}".contains(one);
        if text.contains(odd) {
            return Err(JudgeError::Name);
        }
        Ok(text)
    });
    let [base, program] = words;
    let document = format!(
        "version = 1\ninclude = ['{}']\n[exec]\nallow = ['{}']\n",
        base?, program?
    );
    let expansion = Expansion::of_process(rustix::process::getuid().as_raw());
    Ok(Policy::parse(&document, "tenant", Path::new("/"), &expansion)?.policy)
}

/// Runs it on the task: what became of it, and what it used.
pub(crate) fn judge(
    program: &Path,
    task: &Task,
    base: &Path,
) -> Result<(Verdict, Usage), JudgeError> {
    let program = program.canonicalize()?;
    let policy = policy(&program, &base.canonicalize()?)?;
    let limits = policy.limits;
    // What it says goes through this process, which counts it, into memory that is not its own.
    let memory = memfd_create("answer", MemfdFlags::CLOEXEC).map_err(io::Error::from)?;
    let mut answer = File::from(memory);
    let errors = File::options().write(true).open("/dev/null")?;
    let streams: [OwnedFd; 3] = [
        File::open(&task.input)?.into(),
        answer.try_clone()?.into(),
        errors.into(),
    ];
    let command = Program::Command(vec![program.into_os_string()]);
    let sandbox = Sandbox::new(Arc::new(policy), command).streams(streams);
    let report = sandbox.start()?.wait()?;
    let mut said = Vec::new();
    answer.rewind()?;
    answer.read_to_end(&mut said)?;
    let verdict = Verdict::of(&report, said == task.answer, &limits);
    Ok((verdict, report.usage))
}
