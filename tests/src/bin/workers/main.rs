//! `doorward-workers CASE FRONT`: a host with workers, some of them hostile. It fails by
//! panicking; a bench of tests/tests/workers runs it at each level.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a harness fails its test by panicking"
)]

mod c;
mod calls;
mod confined;
mod deaths;
mod pool;
mod rogue;

use std::{path::Path, sync::Arc, time::Duration};

use doorward::{
    Entry,
    host::{Program, Sandbox},
    worker::{Nest, StartError, Terms, Worker, Zygote},
};
use doorward_policy::{Expansion, Policy};

use rogue::Rogues;

const ENTRY: &str = "rogue";
const C_ENTRY: &str = "decoder";
/// Longer than any call takes that is expected to end.
const LONG: Duration = Duration::from_secs(20);
const PLAIN: Nest = Nest {
    places: 4,
    arena: 1 << 20,
};

/// A case by its name; it is told the front.
type Case = (&'static str, fn(&str));

const CASES: &[Case] = &[
    ("calls", calls::all),
    ("c", c::all),
    ("reads", calls::reads),
    ("narrows", calls::narrows),
    ("waits", confined::waits),
    ("deaths", deaths::at_each_step),
    ("late", deaths::late),
    ("crashes", deaths::a_thousand),
    ("places", deaths::places),
    ("confined", confined::all),
    ("isolated", confined::isolated),
    ("memory", confined::memory),
    ("refusals", confined::refusals),
    ("pool fresh", pool::fresh),
    ("pool reuse", pool::reuse),
    ("pool dirty", pool::dirty),
    ("pool retries", pool::retries),
    ("pool backoff", pool::backoff),
    ("pool zygote", pool::zygote_dies),
    ("pool threads", pool::threads),
];

fn main() {
    doorward::init(&[
        Entry {
            name: ENTRY,
            run: rogue::serve,
        },
        Entry {
            name: C_ENTRY,
            run: c::serve,
        },
    ]);
    let mut words = std::env::args().skip(1);
    let case = words.next().expect("doorward-workers CASE FRONT");
    let front = words.next().unwrap_or_else(|| "api".to_owned());
    let (_, run) = CASES.iter().find(|(name, _)| *name == case).unwrap();
    run(&front);
}

/// A zygote under a policy with this front and these further lines.
fn zygote(front: &str, more: &str, nest: Nest) -> Result<Zygote, StartError> {
    Zygote::start(sandbox(front, more), nest)
}

/// What its workers run in.
fn sandbox(front: &str, more: &str) -> Sandbox {
    sandbox_of(ENTRY, front, more)
}

/// The same, with workers of this entry.
fn sandbox_of(entry: &str, front: &str, more: &str) -> Sandbox {
    let text = format!("version = 1\nfront = \"{front}\"\n{more}");
    let expansion = Expansion::of_process(rustix::process::getuid().as_raw());
    let loaded = Policy::parse(&text, "workers.toml", Path::new("/"), &expansion);
    let policy = loaded.unwrap_or_else(|errors| panic!("{errors}")).policy;
    let program = Program::Entry {
        name: entry.to_owned(),
        arguments: Vec::new(),
    };
    Sandbox::new(Arc::new(policy), program)
}

/// The plain one.
fn plain(front: &str) -> Zygote {
    zygote(front, "", PLAIN).unwrap()
}

fn rogue(zygote: &Zygote) -> Rogues<Worker> {
    Rogues::new(zygote.fork().unwrap())
}

fn terms<'a>() -> Terms<'a> {
    Terms::within(LONG)
}
