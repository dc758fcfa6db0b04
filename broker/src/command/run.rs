//! `doorward run`.

use std::{
    ffi::OsString,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, ValueEnum};
use doorward::host::{Ended, HostError, Program, ProgramError, Report, Sandbox, Spare, told};
use doorward_policy::policy;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use crate::{
    denials,
    document::load,
    tell::{FAILED, fail},
};

/// A limit of the policy ended it.
const LIMIT: u8 = 124;
/// It is not executable, or no rule allows it.
const NOT_EXECUTABLE: u8 = 126;
/// It was not found.
const NOT_FOUND: u8 = 127;

/// What `run` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: that of the command, 128+n if signal n ended it; 124 a limit of the policy \
ended it, 125 doorward itself failed, 126 the command is not executable or not allowed, 127 it was \
not found."
)]
pub(crate) struct Run {
    /// A policy file, or `builtin:NAME`.
    #[arg(
        long,
        value_name = "FILE|builtin:NAME",
        default_value = "builtin:default"
    )]
    policy: String,
    /// The way by which operations reach the broker, instead of the policy's `front`.
    #[arg(long, value_enum)]
    front: Option<Front>,
    /// Append a record of each decision to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Do not sum up at the end what was denied.
    #[arg(long, short)]
    quiet: bool,
    /// Print notifications continued in the kernel, by call, when it has ended.
    #[arg(long)]
    continued: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Fronts that `run` can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Front {
    /// The best one there is for unmodified programs.
    Auto,
    /// Seccomp user notification.
    Notify,
    /// The same, and a lane for programs that were written for it.
    Api,
    /// Notification, and a library loaded into dynamic programs, which takes their calls.
    Trap,
}

impl Run {
    pub(crate) fn perform(self) -> ExitCode {
        let audit = match self.audit.as_deref().map(open_audit).transpose() {
            Ok(audit) => audit,
            Err(text) => return fail(&text),
        };
        // It gets ready while the policy is read. What it is forked from has read no more than
        // its arguments.
        let broker = match Spare::fork() {
            Ok(broker) => broker,
            Err(error) => return fail(&told(&error)),
        };
        let mut policy = match load(&self.policy) {
            Ok(loaded) => loaded.policy,
            Err(errors) => return fail(&errors.to_string()),
        };
        policy.front = match self.front {
            Some(Front::Auto) => policy::Front::Auto,
            Some(Front::Notify) => policy::Front::Notify,
            Some(Front::Api) => policy::Front::Api,
            Some(Front::Trap) => policy::Front::Trap,
            None => policy.front,
        };
        let program = Program::Command(self.command);
        let mut sandbox = Sandbox::new(Arc::new(policy), program).broker(broker);
        if let Some(audit) = audit {
            sandbox = sandbox.audit(audit);
        }
        match sandbox.run() {
            Ok(report) => {
                if self.continued {
                    for (call, count) in &report.notify.continued {
                        eprintln!("doorward: continued {call} {count}");
                    }
                }
                let code = code(&report);
                if !self.quiet {
                    denials::tell(&report.summary, self.audit.as_deref());
                }
                ExitCode::from(code)
            }
            Err(HostError::Program(error)) => {
                eprintln!("doorward: {error}");
                ExitCode::from(match error {
                    ProgramError::NotExecutable(_)
                    | ProgramError::NotAllowed { .. }
                    | ProgramError::Static(_)
                    | ProgramError::Loader { .. } => NOT_EXECUTABLE,
                    ProgramError::NotFound(_) => NOT_FOUND,
                    ProgramError::None => FAILED,
                })
            }
            Err(error) => fail(&told(&error)),
        }
    }
}

/// Opens the audit file on a description of its own, which never blocks on a slow reader.
fn open_audit(path: &Path) -> Result<OwnedFd, String> {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).map_err(|errno| {
        let shown = path.display();
        match errno {
            Errno::NXIO => format!("the audit log {shown} is a FIFO that nobody reads; start its reader first"),
            _ => format!("the audit log {shown} cannot be opened for writing: {errno}; name a file you may write"),
        }
    })
}

fn code(report: &Report) -> u8 {
    match &report.ended {
        Ended::Program(status) => {
            let signal = status.signal().and_then(|signal| signal.checked_add(128));
            status
                .code()
                .or(signal)
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(FAILED)
        }
        Ended::Limit(broken) => {
            eprintln!("doorward: {broken}");
            LIMIT
        }
        Ended::Killed => FAILED,
        Ended::Exec(Errno::NOENT) => {
            eprintln!(
                "doorward: the program, its interpreter or its loader was not found in the view; see [exec] of the policy"
            );
            NOT_FOUND
        }
        Ended::Exec(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => {
            let told = told(&HostError::System("execute the program", *errno));
            eprintln!("doorward: {told}");
            FAILED
        }
        Ended::Exec(errno) => {
            eprintln!(
                "doorward: the program cannot be executed: {errno}; name it in [exec] allow of the policy"
            );
            NOT_EXECUTABLE
        }
    }
}
