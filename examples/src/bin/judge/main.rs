//! `judge [--at-once N] TASK PROGRAM…`: runs programs of people who do not trust each other, so
//! many at once, each in a sandbox of its own under examples/judge/judge.toml, and says whether
//! its answer to the task's input is right or which limit it came up against.

mod tenant;
mod verdict;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use doorward::host::{Usage, told};
use tenant::{JudgeError, Task, judge};
use verdict::Verdict;

/// Below the current directory.
const POLICY: &str = "examples/judge/judge.toml";
const USAGE: &str = "usage: judge [--at-once N] TASK PROGRAM…";
/// Programs that run at once, if nothing is said.
const AT_ONCE: usize = 2;

fn main() -> ExitCode {
    doorward::init(&[]);
    let Some((at_once, task, programs)) = words(std::env::args_os().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let task = match Task::read(&task) {
        Ok(task) => task,
        Err(error) => {
            eprintln!("judge: {}", told(&error));
            return ExitCode::FAILURE;
        }
    };
    ExitCode::from(u8::from(!all(at_once, &task, programs)))
}

fn words(mut words: impl Iterator<Item = OsString>) -> Option<(usize, PathBuf, Vec<PathBuf>)> {
    let first = words.next()?;
    let (at_once, task) = if first == "--at-once" {
        let number = words.next()?.to_str()?.parse().ok().filter(|&n| n > 0)?;
        (number, words.next()?)
    } else {
        (AT_ONCE, first)
    };
    let programs: Vec<PathBuf> = words.map(PathBuf::from).collect();
    (!programs.is_empty()).then(|| (at_once, PathBuf::from(task), programs))
}

/// Judges all of them; whether all were accepted.
fn all(at_once: usize, task: &Task, programs: Vec<PathBuf>) -> bool {
    let seats = at_once.min(programs.len());
    let (waiting, accepted) = (Mutex::new(programs.into_iter()), AtomicBool::new(true));
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.next()
    };
    std::thread::scope(|scope| {
        for _ in 0..seats {
            scope.spawn(|| {
                while let Some(program) = next() {
                    let judged = judge(&program, task, Path::new(POLICY));
                    if !matches!(judged, Ok((Verdict::Accepted, _))) {
                        accepted.store(false, Ordering::Relaxed);
                    }
                    println!("{}: {}", program.display(), line(&judged));
                }
            });
        }
    });
    accepted.into_inner()
}

fn line(judged: &Result<(Verdict, Usage), JudgeError>) -> String {
    let (verdict, usage) = match judged {
        Ok(judged) => judged,
        Err(error) => return format!("no verdict: {}", told(error)),
    };
    let mut line = format!("{verdict} (wall {} ms", usage.wall.as_millis());
    if let Some(time) = usage.processor {
        line.push_str(&format!(", processor {} ms", time.as_millis()));
    }
    if let Some(bytes) = usage.memory {
        line.push_str(&format!(", memory {} KiB", bytes / 1024));
    }
    if let Some(bytes) = usage.output {
        line.push_str(&format!(", output {bytes} bytes"));
    }
    line + ")"
}
