//! `png [--native] FILE…`: decodes pictures with libpng in a sandboxee whose only way out is
//! a lane to the broker (examples/png.toml). `--attempts` instead of files tells what the
//! same sandboxee is refused; `--native` does either without a sandbox, to compare.

mod attempts;
mod decode;

use std::{
    ffi::OsString,
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use doorward::{
    Entry, Sandboxee,
    host::{Ended, HostError, Program, Sandbox},
};
use doorward_policy::{Expansion, Policy, PolicyErrors};
use doorward_sandboxee::{Client, ClientError, Mode, OFlags};

/// It names the pictures below the current directory.
const POLICY: &str = "examples/png.toml";
const ENTRIES: &[Entry] = &[
    Entry {
        name: "decode",
        run: decode_inside,
    },
    Entry {
        name: "attempts",
        run: attempt_inside,
    },
];
const USAGE: &str = "usage: png [--native] FILE… | png [--native] --attempts";

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the policy is wrong:\n{0}")]
    Policy(#[from] PolicyErrors),
    #[error("the sandbox was not run: {0}")]
    Host(#[from] HostError),
    #[error("the sandboxee has no lane to the broker")]
    Lane,
    #[error("the broker cannot be asked: {0}")]
    Client(#[from] ClientError),
    #[error("{0} cannot be made absolute")]
    Name(PathBuf),
    #[error("the decoder was ended: {0:?}")]
    Ended(Ended),
}

fn main() -> ExitCode {
    doorward::init(ENTRIES);
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut flag = |name: &str| {
        let found = words.first().is_some_and(|word| word == name);
        words.drain(..usize::from(found));
        found
    };
    let (native, attempts) = (flag("--native"), flag("--attempts"));
    if words.is_empty() != attempts {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let done = match (native, attempts) {
        (true, true) => Ok(attempts::all(None)),
        (true, false) => absolute(words).map(|names| decode::all(names, open_here)),
        (false, true) => inside("attempts", Vec::new()),
        (false, false) => absolute(words).and_then(|names| inside("decode", names)),
    };
    told(done).into()
}

/// A lane has no working directory, so names are made absolute where there is one.
fn absolute(words: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let absolute = |word: OsString| match std::path::absolute(&word) {
        Ok(path) => Ok(path.into_os_string()),
        Err(_) => Err(Failure::Name(word.into())),
    };
    words.into_iter().map(absolute).collect()
}

/// Runs an entry under the policy; its exit status.
fn inside(name: &str, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let expansion = Expansion::of_process(rustix::process::getuid().as_raw());
    let loaded = Policy::load(Path::new(POLICY), &expansion)?;
    let name = name.to_owned();
    let program = Program::Entry { name, arguments };
    let report = Sandbox::new(Arc::new(loaded.policy), program)
        .start()?
        .wait()?;
    eprintln!(
        "png: {} requests on lanes, {} notifications",
        report.api.served, report.notify.served
    );
    match report.ended {
        Ended::Program(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .ok_or(Failure::Ended(Ended::Program(status))),
        ended => Err(Failure::Ended(ended)),
    }
}

fn told(done: Result<u8, Failure>) -> u8 {
    done.unwrap_or_else(|failure| {
        eprintln!("png: {failure}");
        1
    })
}

/// The decoder, locked down.
fn decode_inside(sandboxee: Sandboxee) -> u8 {
    let arguments = sandboxee.arguments;
    told(client(sandboxee.lane).map(|mut client| {
        decode::all(arguments, |path| {
            client.open(path, OFlags::RDONLY, Mode::empty())
        })
    }))
}

/// What the decoder could do besides if it were taken over.
fn attempt_inside(sandboxee: Sandboxee) -> u8 {
    told(client(sandboxee.lane).map(|client| attempts::all(Some(client))))
}

fn client(lane: Option<OwnedFd>) -> Result<Client, Failure> {
    Ok(Client::from_fd(lane.ok_or(Failure::Lane)?)?)
}

fn open_here(path: &Path) -> std::io::Result<OwnedFd> {
    File::open(path).map(OwnedFd::from)
}
