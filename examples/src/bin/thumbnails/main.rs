//! `thumbnails [--native] [--fresh] PICTURES THUMBNAILS`: makes a small picture (PPM) of each PNG
//! file of a directory. The real libpng decodes them in workers, and opens them with fopen(3): its
//! system calls trap, and the broker opens what examples/thumbnails.toml names. Some workers decode
//! at once. `--fresh` takes a new one for each picture; `--native` does it in this process, one
//! picture after the other, to compare.

mod bar;
mod shrink;
mod worker;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use doorward::worker::{Answer, Backend, CallError, Reuse, StartError, Terms};
use doorward_policy::PolicyErrors;

use bar::Bar;
use worker::{Size, Thumbnails};

const USAGE: &str = "usage: thumbnails [--native] [--fresh] PICTURES THUMBNAILS";
/// Points of the longer side.
const SIDE: u32 = 96;
/// Calls of one worker, unless it is to be a fresh one.
const CALLS: u64 = 100;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the policy is wrong:\n{0}")]
    Policy(#[from] PolicyErrors),
    #[error("no worker can be started: {0}")]
    Start(#[from] StartError),
    #[error("no memory for the decoder: {0}")]
    Arena(String),
    #[error("cannot read or write: {0}")]
    File(#[from] io::Error),
    #[error("the decoder failed: {0}")]
    Call(#[from] CallError),
    #[error("is no picture: {}", .0.escape_debug())]
    Picture(String),
    #[error("the decoder says what no thumbnail is")]
    Lie,
}

fn main() -> ExitCode {
    doorward::init(&[worker::ENTRY]);
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut flag = |name: &str| {
        let found = words.first().is_some_and(|word| word == name);
        words.drain(..usize::from(found));
        found
    };
    let (native, fresh) = (flag("--native"), flag("--fresh"));
    let [pictures, thumbnails] = words.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let (from, to) = (Path::new(pictures), Path::new(thumbnails));
    let reuse = if fresh {
        Reuse::NEVER
    } else {
        Reuse::calls(CALLS)
    };
    let made = match native {
        true => natively(from, to),
        false => by_workers(from, to, reuse),
    };
    match made {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("thumbnails: {failure}");
            ExitCode::from(2)
        }
    }
}

/// How many could not be made.
fn natively(from: &Path, to: &Path) -> Result<usize, Failure> {
    let mut stub = Thumbnails::new(worker::local()?);
    let work = Work::new(from, to)?;
    work.share(&mut stub);
    Ok(work.end())
}

fn by_workers(from: &Path, to: &Path, reuse: Reuse) -> Result<usize, Failure> {
    let pool = worker::pool(&fs::canonicalize(from)?, reuse)?;
    let work = Work::new(from, to)?;
    std::thread::scope(|scope| {
        for _ in 0..worker::PLACES {
            scope.spawn(|| work.share(&mut Thumbnails::new(pool.clone())));
        }
    });
    Ok(work.end())
}

/// The PNG files of a directory, in order.
fn listed(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(fs::canonicalize(directory)?)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "png") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The pictures, and what became of them so far.
struct Work<'a> {
    files: Vec<PathBuf>,
    to: &'a Path,
    next: AtomicUsize,
    done: Mutex<(Bar, BTreeMap<PathBuf, Failure>)>,
}

impl<'a> Work<'a> {
    fn new(from: &Path, to: &'a Path) -> Result<Self, Failure> {
        let files = listed(from)?;
        fs::create_dir_all(to)?;
        let bar = Bar::new(files.len());
        Ok(Self {
            files,
            to,
            next: AtomicUsize::new(0),
            done: Mutex::new((bar, BTreeMap::new())),
        })
    }

    /// Makes what nobody has begun yet, until there is none.
    fn share<B: Backend>(&self, stub: &mut Thumbnails<B>) {
        while let Some(file) = self.files.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let made = one(stub, file, self.to);
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            let (bar, broken) = &mut *done;
            if let Err(failure) = made {
                broken.insert(file.clone(), failure);
            }
            bar.step(broken.len());
        }
    }

    /// Tells of it; how many could not be made.
    fn end(self) -> usize {
        let done = self.done.into_inner();
        let (bar, broken) = done.unwrap_or_else(PoisonError::into_inner);
        bar.end();
        for (file, failure) in &broken {
            eprintln!("{}: {failure}", file.display());
        }
        println!("{} pictures, {} broken", self.files.len(), broken.len());
        broken.len()
    }
}

/// The names of both files are the host's own; of the decoder comes what is verified.
fn one<B: Backend>(stub: &mut Thumbnails<B>, file: &Path, to: &Path) -> Result<(), Failure> {
    let terms = Terms::within(Duration::from_secs(10))
        .result_up_to(4096)
        .output_up_to(worker::OUTPUT);
    let name = file.as_os_str().as_bytes().to_vec();
    let (size, points) = stub.shrink(terms, name, SIDE)?.verify(verified)?;
    let name = file.file_stem().unwrap_or_default();
    let mut text = format!("P6\n{} {}\n255\n", size.width, size.height).into_bytes();
    text.extend(points);
    fs::write(to.join(name).with_extension("ppm"), text)?;
    Ok(())
}

/// What a worker that was taken over may say and no thumbnail is.
fn verified(answer: Answer<Result<Size, String>>) -> Result<(Size, Vec<u8>), Failure> {
    let size = answer.result.map_err(Failure::Picture)?;
    let sides = 1..=SIDE;
    let bytes = u64::from(size.width)
        .saturating_mul(u64::from(size.height))
        .saturating_mul(3);
    let fits = u64::try_from(answer.output.len()).is_ok_and(|length| length == bytes);
    if fits && sides.contains(&size.width) && sides.contains(&size.height) {
        Ok((size, answer.output))
    } else {
        Err(Failure::Lie)
    }
}
