//! `archive [--local] FILE…`: lists tar archives. The parser is a worker of a pool, a fresh one
//! for every archive, under a policy that gives it nothing (examples/archive.toml); `--local`
//! runs it in this process, for a debugger.

mod list;

use std::{ffi::OsString, path::Path, process::ExitCode, sync::Arc, time::Duration};

use doorward::{
    Entry, Sandboxee,
    host::{Program, Sandbox},
    worker::{Answer, Backend, Call, CallError, Local, Nest, Pool, StartError, Terms, Upkeep},
};
use doorward_policy::{Expansion, Policy, PolicyErrors};

use list::{Listing, Member, Refused};

const POLICY: &str = "examples/archive.toml";
/// Entries of one archive that are listed.
const MOST: usize = 200;
/// Bytes of an archive that is read.
const LARGEST: u64 = 32 << 20;
const ENTRY: &str = "lister";

doorward::interface! {
    /// Lists archives.
    trait Lister, stub Listers {
        /// At most so many entries of the archive that is the input.
        fn list(most: u32) -> Result<Listing, Refused>, idempotent;
    }
}

/// The worker's side.
struct Tar;

impl Lister for Tar {
    fn list(&mut self, call: &mut Call<'_>, most: u32) -> Result<Listing, Refused> {
        let archive = call.input().unwrap_or_default();
        list::list(&archive, usize::try_from(most).unwrap_or(usize::MAX))
    }
}

fn lister(sandboxee: Sandboxee) -> u8 {
    let interface: &mut dyn Lister = &mut Tar;
    sandboxee.serve(interface)
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the policy is wrong:\n{0}")]
    Policy(#[from] PolicyErrors),
    #[error("no worker can be started: {0}")]
    Start(#[from] StartError),
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("is larger than {LARGEST} bytes")]
    Large,
    #[error("the parser failed: {0}")]
    Call(#[from] CallError),
    #[error("is refused: {0}")]
    Refused(#[from] Refused),
    #[error("the parser says what no archive of that size holds")]
    Lie,
    #[error("no memory for the parser: {0}")]
    Arena(String),
}

fn main() -> ExitCode {
    doorward::init(&[Entry {
        name: ENTRY,
        run: lister,
    }]);
    let mut files: Vec<OsString> = std::env::args_os().skip(1).collect();
    let local = files.first().is_some_and(|word| word == "--local");
    files.drain(..usize::from(local));
    if files.is_empty() {
        eprintln!("usage: archive [--local] FILE…");
        return ExitCode::from(2);
    }
    let all = match local {
        true => in_process().map(|stub| all(stub, &files)),
        false => pool().map(|pool| all(Listers::new(pool), &files)),
    };
    match all {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("archive: {failure}");
            ExitCode::from(2)
        }
    }
}

fn pool() -> Result<Pool, Failure> {
    let expansion = Expansion::of_process(rustix::process::getuid().as_raw());
    let policy = Arc::new(Policy::load(Path::new(POLICY), &expansion)?.policy);
    let upkeep = Upkeep {
        nest: Nest {
            places: 4,
            arena: 40 << 20,
        },
        ..Upkeep::default()
    };
    let sandbox = move || {
        let program = Program::Entry {
            name: ENTRY.to_owned(),
            arguments: Vec::new(),
        };
        Sandbox::new(Arc::clone(&policy), program)
    };
    Ok(Pool::start(sandbox, upkeep)?)
}

fn in_process() -> Result<Listers<Local<dyn Lister>>, Failure> {
    let tar: Box<dyn Lister> = Box::new(Tar);
    let local = Local::new(tar, 40 << 20).map_err(|error| Failure::Arena(error.to_string()))?;
    Ok(Listers::new(local))
}

/// Lists them one after the other; whether all of them could be.
fn all<B: Backend>(mut stub: Listers<B>, files: &[OsString]) -> bool {
    let mut well = true;
    for file in files {
        match one(&mut stub, Path::new(file)) {
            Ok(listing) => print(Path::new(file), &listing),
            Err(failure) => {
                println!("{}: {failure}", file.display());
                well = false;
            }
        }
    }
    well
}

fn one<B: Backend>(stub: &mut Listers<B>, file: &Path) -> Result<Listing, Failure> {
    let size = std::fs::metadata(file)?.len();
    if size > LARGEST {
        return Err(Failure::Large);
    }
    let archive = std::fs::read(file)?;
    let terms = Terms::within(Duration::from_secs(5))
        .input(&archive)
        .result_up_to(64 << 10);
    let most = u32::try_from(MOST).unwrap_or(u32::MAX);
    stub.list(terms, most)?
        .verify(|answer| verified(answer, archive.len()))
}

/// What a worker that was taken over may say and an archive of this size may not: more entries
/// than fit, or than were asked for, and larger ones than all of it.
fn verified(answer: Answer<Result<Listing, Refused>>, length: usize) -> Result<Listing, Failure> {
    let listing = answer.result?;
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let fits = |member: &Member| member.size <= length && member.name.len() <= 4096;
    if listing.members.len() <= MOST && listing.members.iter().all(fits) {
        Ok(listing)
    } else {
        Err(Failure::Lie)
    }
}

/// A name may hold what commands a terminal.
fn print(file: &Path, listing: &Listing) {
    println!("{}: {} entries", file.display(), listing.members.len());
    for member in &listing.members {
        println!("{:>10} {}", member.size, member.name.escape_ascii());
    }
    if listing.more {
        println!("           and more");
    }
}
