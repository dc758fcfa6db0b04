//! `restrict FILE…`: a program that reads its configuration, narrows its own sandbox to what
//! it needs from then on, and only then parses what it does not trust (examples/restrict.toml).
//! `--attempts` tells instead what it is refused after that; `--unrestricted` leaves the
//! narrowing out, to compare; `--by-host` lets the host do it.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
};

use doorward::{
    Entry, Sandboxee,
    host::{Ended, HostError, Program, Sandbox},
};
use doorward_policy::{Expansion, Policy, PolicyErrors};
use doorward_sandboxee::{Client, ClientError, Mode, OFlags};

/// Both lie below the current directory.
const POLICY: &str = "examples/restrict.toml";
const CONFIGURATION: &str = "examples/restrict.conf";
const ENTRIES: &[Entry] = &[Entry {
    name: "parse",
    run: parse_inside,
}];
const USAGE: &str = "usage: restrict [--unrestricted | --by-host] FILE… | --attempts";

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the policy is wrong:\n{0}")]
    Policy(#[from] PolicyErrors),
    #[error("the sandbox was not run: {0}")]
    Host(#[from] HostError),
    #[error("the broker refuses: {0}")]
    Client(#[from] ClientError),
    #[error("cannot read or write: {0}")]
    Input(#[from] io::Error),
    #[error("the configuration says no number of bytes")]
    Configuration,
    #[error("the program has no lane to the broker")]
    Lane,
    #[error("the program was ended: {0:?}")]
    Ended(Ended),
}

fn main() -> ExitCode {
    doorward::init(ENTRIES);
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if words
        .iter()
        .all(|word| word == "--unrestricted" || word == "--by-host")
    {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    told(run(words)).into()
}

fn told(done: Result<u8, Failure>) -> u8 {
    done.unwrap_or_else(|failure| {
        eprintln!("restrict: {failure}");
        1
    })
}

/// What remains: the pictures, to be read.
fn restriction(here: &Path) -> String {
    let pictures = here.join("examples/pictures");
    format!("version = 1\n[fs]\nread = ['{}/**']\n", pictures.display())
}

/// The host: runs the program under the policy, and narrows it where it is asked to.
fn run(arguments: Vec<OsString>) -> Result<u8, Failure> {
    let here = std::env::current_dir()?;
    let expansion = Expansion::of_process(rustix::process::getuid().as_raw());
    let loaded = Policy::load(Path::new(POLICY), &expansion)?;
    let by_host = arguments.iter().any(|word| word == "--by-host");
    let name = "parse".to_owned();
    let mut sandbox = Sandbox::new(Arc::new(loaded.policy), Program::Entry { name, arguments });
    let (mut ours, theirs) = UnixStream::pair()?;
    if by_host {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        let errors = io::stderr().as_fd().try_clone_to_owned()?;
        sandbox = sandbox.streams([theirs.into(), output, errors]);
    }
    let mut running = sandbox.start()?;
    if by_host {
        // The program says when it has read its configuration, and waits.
        ours.read_exact(&mut [0])?;
        running.restrict(&restriction(&here))?;
        ours.write_all(b"\n")?;
    }
    match running.wait()?.ended {
        Ended::Program(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .ok_or(Failure::Ended(Ended::Program(status))),
        ended => Err(Failure::Ended(ended)),
    }
}

fn parse_inside(sandboxee: Sandboxee) -> u8 {
    told(parse(sandboxee.arguments, sandboxee.lane))
}

/// The program, in the sandbox.
fn parse(words: Vec<OsString>, lane: Option<OwnedFd>) -> Result<u8, Failure> {
    let here = std::env::current_dir()?;
    let mut client = Client::from_fd(lane.ok_or(Failure::Lane)?)?;
    let bytes = configured(&here.join(CONFIGURATION))?;
    if words.iter().any(|word| word == "--by-host") {
        let mut host = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        host.write_all(b"\n")?;
        host.read_exact(&mut [0])?;
    } else if !words.iter().any(|word| word == "--unrestricted") {
        client.restrict(&restriction(&here))?;
    }
    for word in words {
        match word.as_encoded_bytes() {
            b"--unrestricted" | b"--by-host" => {}
            b"--attempts" => attempts(&mut client, &here),
            _ => look(&here.join(PathBuf::from(word)), bytes)?,
        }
    }
    Ok(0)
}

fn configured(path: &Path) -> Result<u64, Failure> {
    for line in BufReader::new(File::open(path)?).lines() {
        if let Some(number) = line?.strip_prefix("bytes = ") {
            return number.parse().map_err(|_| Failure::Configuration);
        }
    }
    Err(Failure::Configuration)
}

/// Tells what kind of file it is. A real parser would be longer, and wrong somewhere.
fn look(path: &Path, bytes: u64) -> Result<(), Failure> {
    let mut text = Vec::new();
    File::open(path)?.take(bytes).read_to_end(&mut text)?;
    let kind = match text.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => "a picture",
        _ => "something else",
    };
    println!("{}: {kind}, {} bytes looked at", path.display(), text.len());
    Ok(())
}

/// What the program could do besides if it were taken over.
fn attempts(client: &mut Client, here: &Path) {
    let configuration = here.join(CONFIGURATION);
    let configuration = configuration.as_path();
    let open = |client: &mut Client| client.open(configuration, OFlags::RDONLY, Mode::empty());
    let tell = |what: &str, done: bool| {
        println!("{what}: {}", if done { "done" } else { "refused" });
    };
    tell(
        "configuration by system call",
        File::open(configuration).is_ok(),
    );
    tell("configuration by lane", open(client).is_ok());
    let another = client.another();
    tell(
        "configuration by another lane",
        another.is_ok_and(|mut another| open(&mut another).is_ok()),
    );
    let thread = std::thread::spawn({
        let configuration = configuration.to_owned();
        move || File::open(configuration).is_ok()
    });
    tell(
        "configuration by another thread",
        thread.join().unwrap_or(false),
    );
    let program = Command::new("/usr/bin/true").spawn();
    tell(
        "a program",
        program.is_ok_and(|mut program| program.wait().is_ok_and(|status| status.success())),
    );
    let wide = "version = 1\n[fs]\nread = ['/**']\n[exec]\nallow = ['/**']";
    let widened = client.restrict(wide).is_ok() && open(client).is_ok();
    tell("a wider restriction", widened);
    let included = client.restrict("version = 1\ninclude = ['builtin:default']");
    tell("a restriction that includes", included.is_ok());
    let error = Command::new("/usr/bin/true").exec();
    println!("a program in place of this one: {}", error.kind());
}
