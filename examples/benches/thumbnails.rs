//! Pictures decoded by warm workers, beside the same code in this process: how long each takes,
//! and the ratio, with one, two and four threads of each.

#![allow(clippy::expect_used, reason = "a bench fails by panicking")]

#[path = "../src/bin/thumbnails/shrink.rs"]
mod shrink;
#[path = "../src/bin/thumbnails/worker.rs"]
mod worker;

use std::{
    ffi::CString,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use doorward::worker::{Backend, Pool, Reuse, StartError, Terms};
use doorward_examples::Picture;
use doorward_policy::PolicyErrors;
use worker::Thumbnails;

/// How many pictures, and bytes of the largest of them.
const COUNT: usize = 1000;
const SMALL: u64 = 64 << 10;
/// Points of the longer side.
const SIDE: u32 = 96;
/// Each way is taken so often; the best counts.
const TURNS: usize = 5;
/// Where pictures are looked for, unless the bench is told.
const WHERE: &str = "/usr/share";

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Policy(#[from] PolicyErrors),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}")]
    Arena(String),
}

/// Whether this process can decode it: systems ship broken ones too, for tests.
fn decodes(file: &Path) -> bool {
    let name = CString::new(file.as_os_str().as_bytes());
    name.is_ok_and(|name| Picture::named(&name).is_ok())
}

/// All small PNG files below a directory that can be decoded.
fn listed(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type());
        let is_small = || entry.metadata().is_ok_and(|status| status.len() <= SMALL);
        match kind {
            Ok(kind) if kind.is_dir() => listed(&path, found),
            Ok(kind)
                if kind.is_file()
                    && path.extension().is_some_and(|end| end == "png")
                    && is_small()
                    && decodes(&path) =>
            {
                found.push(path);
            }
            _ => {}
        }
    }
}

/// [`COUNT`] of them, as evenly spread as they can be.
fn chosen(files: &[PathBuf]) -> Vec<PathBuf> {
    let at = |index: usize| index.saturating_mul(files.len()).checked_div(COUNT);
    let picked = (0..COUNT).filter_map(|index| files.get(at(index)?));
    picked.cloned().collect()
}

/// Decodes all of them in some threads, each over a stub of its own; how long that took.
fn all<B: Backend>(
    stub: impl Fn() -> Thumbnails<B> + Sync,
    at_once: usize,
    files: &[PathBuf],
) -> Duration {
    let (next, ready) = (AtomicUsize::new(0), Barrier::new(at_once.saturating_add(1)));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                let mut stub = stub();
                ready.wait();
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    one(&mut stub, file);
                }
                ready.wait();
            });
        }
        ready.wait();
        let begun = Instant::now();
        ready.wait();
        begun.elapsed()
    })
}

fn one<B: Backend>(stub: &mut Thumbnails<B>, file: &Path) {
    let terms = Terms::within(Duration::from_secs(10))
        .result_up_to(4096)
        .output_up_to(worker::OUTPUT);
    let name = file.as_os_str().as_bytes().to_vec();
    let answer = stub.shrink(terms, name, SIDE).expect("an answer");
    answer.whatever_it_is().result.expect("a picture");
}

/// Best of some turns, in seconds: by workers, and in this process. In turns, so that what else
/// the machine does meets both.
fn measured(pool: &Pool, files: &[PathBuf], at_once: usize) -> [f64; 2] {
    let by_worker = || Thumbnails::new(pool.clone());
    let here = || Thumbnails::new(worker::local().expect("memory"));
    let mut best = [Duration::MAX; 2];
    for _ in 0..TURNS {
        let [by_workers, in_process] = &mut best;
        *by_workers = (*by_workers).min(all(by_worker, at_once, files));
        *in_process = (*in_process).min(all(here, at_once, files));
    }
    best.map(|time| time.as_secs_f64())
}

fn main() -> ExitCode {
    doorward::init(&[worker::ENTRY]);
    let directory = std::env::var_os("PICTURES").unwrap_or_else(|| WHERE.into());
    let directory = fs::canonicalize(directory).expect("a directory");
    let mut files = Vec::new();
    listed(&directory, &mut files);
    if files.len() < COUNT {
        eprintln!(
            "{} has {} small pictures, not {COUNT}; say PICTURES=DIRECTORY",
            directory.display(),
            files.len()
        );
        return ExitCode::FAILURE;
    }
    let files = chosen(&files);
    let pool = worker::pool(&directory, Reuse::calls(u64::MAX)).expect("a pool");
    println!("{COUNT} pictures, at once: by warm workers, in this process, of its speed");
    let mut alone = None;
    for at_once in [1, 2, 4] {
        let [by_workers, in_process] = measured(&pool, &files, at_once);
        let alone = *alone.get_or_insert(in_process);
        println!(
            "{at_once}: {:.1} ms, {:.1} ms, {:.2}; of that of one thread: {:.2}",
            by_workers * 1e3,
            in_process * 1e3,
            in_process / by_workers,
            alone / by_workers
        );
    }
    ExitCode::SUCCESS
}
