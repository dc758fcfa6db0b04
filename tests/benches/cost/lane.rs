//! What an operation over a lane costs: an entry of this executable asks.

use std::{
    io::{BufRead, Write},
    os::fd::OwnedFd,
    path::Path,
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
pub(crate) const ENTRY: Entry = Entry {
    name: "ask",
    run: ask,
};

/// Speaks what `floor.c` says of `ask`, over its lane, or over as many lanes at once as
/// its argument says.
fn ask(sandboxee: Sandboxee) -> u8 {
    let lane = sandboxee.lane.expect("there is a lane");
    let mut lane = Lane::from_fd(lane).expect("the broker answers");
    let count = sandboxee.arguments.first();
    let count: usize = count
        .and_then(|count| count.to_str()?.parse().ok())
        .unwrap_or(1);
    let mut others: Vec<Lane> = (1..count)
        .map(|_| lane.another().expect("there are more lanes"))
        .collect();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line can be read");
        let mut words = line.splitn(3, ' ').skip(1);
        let count: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let path = Path::new(words.next().unwrap_or("/"));
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for other in &mut others {
                scope.spawn(|| repeat(other, count, path));
            }
            repeat(&mut lane, count, path);
        });
        println!("{}", begun.elapsed().as_nanos());
        std::io::stdout().flush().expect("a line can be written");
    }
    0
}

fn repeat(lane: &mut Lane, count: u64, path: &Path) {
    for _ in 0..count {
        let file = lane.open(path, OFlags::RDONLY, Mode::empty());
        drop(file.expect("the file is granted"));
    }
}

/// The entry under a policy that reads the tree, with so many lanes.
fn entry(place: &Place, lanes: usize) -> Client {
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
        arguments: vec![lanes.to_string().into()],
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

pub(crate) fn bench(criterion: &mut Criterion, place: &Place, name: &str) {
    let mut group = group(criterion, name);
    for (call, lanes) in [("open", 1), ("open by two", 2), ("open by four", 4)] {
        let mut floor = place.floor("lane");
        floor.arg(lanes.to_string());
        for (what, client) in [
            (call.to_owned(), entry(place, lanes)),
            (format!("{call} floor"), Client::start(floor)),
        ] {
            place.time(&mut group, (name, &what), "open", client);
        }
    }
}
