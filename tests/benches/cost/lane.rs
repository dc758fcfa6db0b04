//! What an operation over a lane costs: an entry of this executable asks.

use std::{
    io::{BufRead, Write},
    os::fd::OwnedFd,
    path::Path,
    process::Command,
    sync::Arc,
    time::Instant,
};

use criterion::Criterion;
use doorward::{
    Entry, Sandboxee,
    host::{Program, Sandbox},
};
use doorward_policy::{Expansion, Policy};
use doorward_sandboxee::{Client as Lane, Mode, OFlags};

use crate::{Place, client::Client, group};

/// The sandboxee of this bench.
pub(crate) const ENTRIES: &[Entry] = &[Entry {
    name: "ask",
    run: ask,
}];

/// Speaks what `floor.c` says of `ask`, over its lane.
fn ask(sandboxee: Sandboxee) -> u8 {
    let lane = sandboxee.lane.expect("there is a lane");
    let mut lane = Lane::from_fd(lane).expect("the broker answers");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line can be read");
        let mut words = line.splitn(3, ' ').skip(1);
        let count: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let path = Path::new(words.next().unwrap_or("/"));
        let begun = Instant::now();
        for _ in 0..count {
            let file = lane.open(path, OFlags::RDONLY, Mode::empty());
            drop(file.expect("the file is granted"));
        }
        println!("{}", begun.elapsed().as_nanos());
        std::io::stdout().flush().expect("a line can be written");
    }
    0
}

/// The entry under a policy that reads the tree.
fn entry(place: &Place) -> Client {
    let text = format!(
        "version = 1\nfront = \"api\"\nfs.read = [\"{}/**\"]\n",
        place.tree.work().display()
    );
    let expansion = Expansion::of_process(rustix::process::getuid().as_raw());
    let policy = Policy::parse(&text, "lane", Path::new("/"), &expansion)
        .expect("the policy is right")
        .policy;
    let program = Program::Entry {
        name: "ask".to_owned(),
        arguments: Vec::new(),
    };
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
    let ((theirs_in, input), (output, theirs_out)) = (pipe(), pipe());
    let errors = rustix::io::dup(std::io::stderr()).expect("standard error is open");
    let streams: [OwnedFd; 3] = [theirs_in, theirs_out, errors];
    let running = Sandbox::new(Arc::new(policy), program)
        .streams(streams)
        .start()
        .expect("the sandbox starts");
    Client::over(input.into(), output.into(), running)
}

pub(crate) fn bench(criterion: &mut Criterion, place: &Place) {
    let mut group = group(criterion, "lane");
    let floor = |command: Command| Client::start(command);
    for (what, mut client) in [
        ("open", entry(place)),
        ("open floor", floor(place.floor("lane"))),
    ] {
        let _warm = client.time("open", 1000, &place.file);
        group.bench_function(what, |bencher| {
            bencher.iter_custom(|count| {
                let took = client.time("open", count, &place.file);
                place.times.keep(&format!("lane/{what}"), count, took);
                took
            });
        });
    }
}
