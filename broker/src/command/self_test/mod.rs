//! `doorward doctor --self-test`: real sandboxes are attacked, and it is looked at from outside
//! whether that came to anything.
//!
//! Each case is tried without a sandbox, as the control that the attempt can succeed here; and
//! under a policy by each front, and from within a worker, beside what that policy permits.

mod attacker;
mod attacks;
mod case;
mod permitted;
mod place;
#[allow(unsafe_code, reason = "raw system calls live here alone")]
mod sys;
mod told;
mod worker;

pub(crate) use told::perform;

use std::{
    ffi::OsString,
    fs::File,
    io::{BufRead, BufReader},
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Command, ExitCode, Stdio},
    sync::Arc,
};

use doorward::{
    Entry,
    host::{Ended, Program, Sandbox, told as sentence},
};
use doorward_policy::{Expansion, Policy};
use serde::{Deserialize, Serialize};

use attacker::{ENTRY, Line, Way};
use case::{Case, Sign};
use place::Place;

/// The first word of a process that plays a part in this.
const PART: &str = "doorward-self-test";

/// What its sandboxes run.
pub(crate) const ENTRIES: &[Entry] = &[ENTRY, worker::ENTRY];

/// Plays a part and ends, where this process was started for that.
pub(crate) fn play() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    if words.next()? != PART {
        return None;
    }
    let words: Vec<OsString> = words.collect();
    let played = match words.as_slice() {
        [part] if part == "process" => place::wait(),
        [part, way, target, case] if part == "attacker" => {
            attacker::perform(way, target, case, None)
        }
        _ => Err(()),
    };
    Some(ExitCode::from(u8::from(played.is_err())))
}

/// What came of one case by one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Outcome {
    case: String,
    way: Way,
    /// Whether something outside tells that the attempt succeeded.
    reached: bool,
    /// Whether what is permitted worked.
    permitted: bool,
    /// What the call that went furthest answered, for people.
    answer: String,
}

/// Why the self-test could not be made.
#[derive(Debug, thiserror::Error)]
enum SelfTestError {
    #[error("cannot make what stands outside of the sandbox")]
    Place(#[source] std::io::Error),
    #[error("the policy of the self-test is wrong: {0}")]
    Policy(#[from] doorward_policy::PolicyErrors),
    #[error("the sandbox of the self-test did not start: {0}")]
    Host(String),
    #[error("the attacker ended early: {0}")]
    Attacker(String),
    #[error("cannot tell the attacker its target")]
    Target(#[from] serde_json::Error),
}

const POLICY: &str = include_str!("policy.toml");

/// Tries the case of this name, or all, by one way.
fn tried(way: Way, name: &str) -> Result<Vec<Outcome>, SelfTestError> {
    let mut place = Place::new().map_err(SelfTestError::Place)?;
    let arguments = [
        serde_json::to_string(&way)?,
        serde_json::to_string(&place.target)?,
        name.to_owned(),
    ];
    let arguments = arguments.map(OsString::from).to_vec();
    let mut cases = case::all();
    cases.retain(|case| name.is_empty() || name == case.name);
    let (lines, ended) = match way {
        Way::Native => natively(&place, arguments)?,
        Way::Notify | Way::Api | Way::Trap => sandboxed(way, &place, arguments)?,
        Way::Worker => (by_workers(&place, &cases)?, String::new()),
    };
    cases
        .iter()
        .map(|case| {
            let line = lines.iter().find(|line| line.case == case.name);
            let line = line.ok_or_else(|| SelfTestError::Attacker(ended.clone()))?;
            Ok(judged(way, case, line, &mut place))
        })
        .collect()
}

fn lines(output: OwnedFd) -> Vec<Line> {
    let lines = BufReader::new(File::from(output))
        .lines()
        .map_while(Result::ok);
    lines
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect()
}

type Told = (Vec<Line>, String);

fn natively(place: &Place, mut arguments: Vec<OsString>) -> Result<Told, SelfTestError> {
    arguments.insert(0, "attacker".into());
    let mut child = Command::new("/proc/self/exe")
        .arg0(PART)
        .args(arguments)
        .stdin(place.input().map_err(SelfTestError::Place)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(SelfTestError::Place)?;
    let told = child.stdout.take().map(|output| lines(output.into()));
    let status = child.wait().map_err(SelfTestError::Place)?;
    Ok((told.unwrap_or_default(), status.to_string()))
}

fn policy(front: &str, place: &Place) -> Result<Arc<Policy>, SelfTestError> {
    let document = POLICY
        .replace("FRONT", front)
        .replace("PORT", &place.target.port.to_string());
    let expansion = Expansion {
        cwd: Some(place.target.directory.clone()),
        ..Expansion::default()
    };
    let loaded = Policy::parse(&document, "self-test", place.directory(), &expansion)?;
    Ok(Arc::new(loaded.policy))
}

/// Where what is said to nobody goes.
fn nowhere() -> Result<OwnedFd, SelfTestError> {
    let opened = File::options().write(true).open("/dev/null");
    Ok(opened.map_err(SelfTestError::Place)?.into())
}

fn by_workers(place: &Place, cases: &[&'static Case]) -> Result<Vec<Line>, SelfTestError> {
    let program = Program::Entry {
        name: worker::ENTRY.name.to_owned(),
        arguments: Vec::new(),
    };
    let input = place.input().map_err(SelfTestError::Place)?;
    let sandbox = Sandbox::new(policy("trap", place)?, program);
    let zygote = worker::zygote(sandbox.streams([input, nowhere()?, nowhere()?]))?;
    worker::tried(&zygote, &place.target, cases)
}

fn sandboxed(way: Way, place: &Place, arguments: Vec<OsString>) -> Result<Told, SelfTestError> {
    let front = match way {
        Way::Api => "api",
        Way::Trap => "trap",
        _ => "notify",
    };
    let pipe = |errno: rustix::io::Errno| SelfTestError::Place(errno.into());
    let (output, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(pipe)?;
    let input = place.input().map_err(SelfTestError::Place)?;
    let program = Program::Entry {
        name: ENTRY.name.to_owned(),
        arguments,
    };
    let running = Sandbox::new(policy(front, place)?, program)
        .streams([input, writer, nowhere()?])
        .start()
        .map_err(|error| SelfTestError::Host(sentence(&error)))?;
    let lines = lines(output);
    let report = running
        .wait()
        .map_err(|error| SelfTestError::Host(sentence(&error)))?;
    let ended = match report.ended {
        Ended::Program(status) => status.to_string(),
        other => format!("{other:?}"),
    };
    Ok((lines, ended))
}

/// Looks from outside.
fn judged(way: Way, case: &Case, line: &Line, place: &mut Place) -> Outcome {
    let attempt = line.attempt.as_ref();
    let exited = |status: i32| libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42;
    let reached = match case.sign {
        Sign::Secret => attempt.is_some_and(|attempt| place.tells(case, &attempt.data)),
        Sign::Changed => place.changed(case),
        Sign::SetId => place.has_set_id(case),
        Sign::Escaping => place.has_escaping(case),
        Sign::Heard => place.heard(case),
        Sign::Typed => place.typed(),
        Sign::Disturbed => place.disturbed(case),
        Sign::Done => attempt.is_some_and(|attempt| attempt.result >= 0),
        Sign::Ran => exited(line.status) || attempt.is_some_and(|attempt| attempt.result == 42),
    };
    Outcome {
        case: case.name.to_owned(),
        way,
        reached,
        permitted: line.permitted,
        answer: answer(line),
    }
}

/// An errno, a signal, or what else became of it.
fn answer(line: &Line) -> String {
    if libc::WIFSIGNALED(line.status) {
        let signal = nix::sys::signal::Signal::try_from(libc::WTERMSIG(line.status));
        return signal.map_or_else(|_| "a signal".to_owned(), |signal| signal.to_string());
    }
    match line.attempt.as_ref().map(|attempt| attempt.result) {
        None => "ended".to_owned(),
        Some(0..) => "done".to_owned(),
        Some(errno) => {
            let errno = i32::try_from(errno.unsigned_abs()).unwrap_or(0);
            format!("{:?}", nix::errno::Errno::from_raw(errno))
        }
    }
}
