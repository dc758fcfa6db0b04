//! `doorward-shim CASE DIRECTORY [WORD [PROMISE]]`: a program whose system calls trap, in a sandbox that
//! may read and write DIRECTORY. It fails by panicking or by `SIGALRM` when it hangs;
//! tests/tests/shim runs it.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a harness fails its test by panicking"
)]

mod forks;
mod guests;
mod masks;
mod own;
mod pointers;
mod poison;
mod scarce;
mod stack;
mod stranger;
mod stress;
#[allow(unsafe_code, reason = "raw system calls, handlers and forks")]
mod sys;

use std::{path::Path, process::ExitCode, sync::Arc};

use doorward::{
    Entry, Sandboxee,
    host::{Ended, Program, Sandbox},
};
use doorward_policy::{Expansion, Policy};

/// A case by its name.
type Case = (&'static str, fn(&own::Own));

const CASES: &[Case] = &[
    ("stress", stress::all),
    ("fork", forks::forked),
    ("vfork", forks::vforked),
    ("spawn", forks::spawned),
    ("clone", forks::cloned),
    ("sharing descriptors", guests::sharing_descriptors),
    ("killed", guests::killed),
    ("fork in a handler", forks::in_a_handler),
    ("signals", forks::ended_by_a_signal),
    ("descriptors", scarce::descriptors_at_their_limit),
    ("left", scarce::lanes_that_nobody_takes),
    ("stolen", scarce::lanes_that_others_take),
    ("stranger", stranger::all),
    ("poison", poison::all),
    ("crossing", stress::crossing),
    ("pointers", pointers::all),
    ("errno", pointers::errno_is_kept),
    ("masks", masks::all),
    ("stray", masks::stray),
    ("stack", stack::painted),
    ("small stack", stack::nested_on_a_small_one),
];

const ENTRY: &str = "case";
/// Seconds after which a case hangs.
const LIMIT: u32 = 50;

fn main() -> ExitCode {
    doorward::init(&[Entry {
        name: ENTRY,
        run: within,
    }]);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [case, directory, ..] = words.as_slice() else {
        panic!("doorward-shim CASE DIRECTORY");
    };
    let text = format!(
        "version = 1\nfront = \"trap\"\n[fs]\nread = [\"{directory}/**\", \"/proc/self/maps\"]\n\
         write = [\"{directory}/**\"]\ncreate = [\"{directory}/**\"]\n\
         special = [\"{directory}/fifo\"]\n\
         [limits]\nprocesses = 256\n"
    );
    let expansion = Expansion::of_process(rustix::process::getuid().as_raw());
    let loaded = Policy::parse(&text, "shim.toml", Path::new("/"), &expansion);
    let policy = loaded.unwrap_or_else(|errors| panic!("{errors}")).policy;
    if case == "masks" {
        sys::block_all();
    }
    let program = Program::Entry {
        name: ENTRY.to_owned(),
        arguments: words.iter().map(Into::into).collect(),
    };
    let running = Sandbox::new(Arc::new(policy), program).start();
    match running.unwrap().wait().unwrap().ended {
        Ended::Program(status) if status.success() => ExitCode::SUCCESS,
        other => {
            println!("ended {other:?}");
            ExitCode::FAILURE
        }
    }
}

/// In the sandbox.
fn within(sandboxee: Sandboxee) -> u8 {
    nix::unistd::alarm::set(LIMIT);
    let words: Vec<String> = sandboxee
        .arguments
        .iter()
        .map(|word| word.to_str().unwrap().to_owned())
        .collect();
    #[cfg(doorward_control = "chosen")]
    if let Some(promise) = words.get(3) {
        doorward_sandboxee::trap::break_promise(promise);
    }
    let own = own::Own::new(&words[1], words.get(2).cloned());
    let (_, run) = CASES.iter().find(|(name, _)| *name == words[0]).unwrap();
    run(&own);
    0
}
