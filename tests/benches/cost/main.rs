//! What doorward costs, each figure beside its floor (docs/COST.md says how to read them).

#![allow(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

mod busy;
mod client;
mod lane;
mod start;
mod table;
mod worker;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use criterion::{BenchmarkGroup, Criterion, SamplingMode, measurement::WallTime};
use doorward_tests::{Level, Tree, built};

use busy::Busy;
use client::Client;
use table::{Row, Times};

const ROWS: &[Row] = &[
    row(
        "open+close over a lane, idle",
        "lane/open",
        "lane/open floor",
        2.0,
        1.25,
    ),
    row(
        "open+close over a lane, two at once, idle",
        "lane/open by two",
        "lane/open by two floor",
        2.0,
        1.25,
    ),
    row(
        "open+close over a lane, four at once, idle",
        "lane/open by four",
        "lane/open by four floor",
        2.0,
        1.25,
    ),
    row(
        "open+close over a lane, busy",
        "lane busy/open",
        "lane busy/open floor",
        2.0,
        1.25,
    ),
    row(
        "open+close over a lane, two at once, busy",
        "lane busy/open by two",
        "lane busy/open by two floor",
        2.0,
        1.25,
    ),
    row(
        "open+close over a lane, four at once, busy",
        "lane busy/open by four",
        "lane busy/open by four floor",
        2.0,
        1.25,
    ),
    row(
        "open+close by the trap front, idle",
        "trap/open",
        "lane/open floor",
        2.0,
        1.25,
    ),
    row(
        "open+close by the trap front, busy",
        "trap busy/open",
        "lane busy/open floor",
        2.0,
        1.25,
    ),
    row(
        "open+close by notification, idle",
        "notify/open",
        "notify/open floor",
        2.0,
        1.35,
    ),
    row(
        "open+close by notification, busy",
        "notify busy/open",
        "notify busy/open floor",
        2.0,
        1.35,
    ),
    row(
        "stat by notification, idle",
        "notify/stat",
        "notify/stat floor",
        2.0,
        1.35,
    ),
    row(
        "stat by notification, busy",
        "notify busy/stat",
        "notify busy/stat floor",
        2.0,
        1.35,
    ),
    row(
        "a fresh worker and a call / fork and exit",
        "worker/fresh",
        "worker/fork floor",
        3.0,
        2.0,
    ),
    row(
        "a lease of a warm worker / fork and exec",
        "worker/lease",
        "worker/exec floor",
        1.0,
        0.1,
    ),
    row(
        "a call of a worker / a record and back",
        "worker/call",
        "worker/round floor",
        2.0,
        1.25,
    ),
    row(
        "start of true / bubblewrap",
        "start/true",
        "start/true bubblewrap",
        1.0,
        0.7,
    ),
    row(
        "start of true / bare namespaces",
        "start/true",
        "start/true floor",
        2.0,
        1.25,
    ),
    row(
        "start of python3 / native",
        "start/python3",
        "start/python3 native",
        1.25,
        1.15,
    ),
];

const fn row(
    what: &'static str,
    ours: &'static str,
    floor: &'static str,
    must: f64,
    reach: f64,
) -> Row {
    Row {
        what,
        ours,
        floor,
        must,
        reach,
    }
}

/// The sandboxees of the benches.
const ENTRIES: &[doorward::Entry] = &[lane::ENTRY, worker::ENTRY];

/// Where the benches run, and what they have measured.
struct Place {
    tree: Tree,
    /// `floor.c`, compiled.
    floor: PathBuf,
    /// What is opened and looked at.
    file: PathBuf,
    times: Times,
}

impl Place {
    fn make() -> Self {
        let tree = Tree::new(Level::Root);
        let floor = tree.name("floor");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/cost/floor.c");
        let compiled = Command::new("gcc")
            .args(["-O2", "-Wall", "-Werror", "-o"])
            .args([&floor, &source])
            .status()
            .expect("gcc can be run");
        assert!(compiled.success(), "floor.c does not compile");
        let file = tree.file("directory/file", "content");
        Self {
            tree,
            floor,
            file,
            times: Times::default(),
        }
    }

    fn floor(&self, part: &str) -> Command {
        let mut command = Command::new(&self.floor);
        command.arg(part).current_dir(self.tree.work());
        command
    }

    /// A program under the policy that a run without one has, by a front.
    fn doorward(&self, front: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(built());
        command.args(["run", "--quiet", "--front", front, "--"]);
        command.arg(program).current_dir(self.tree.work());
        command
    }

    /// Measures a call of a client; `name` is that of the group and of the function.
    fn time(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        (name, what): (&str, &str),
        call: &str,
        mut client: Client,
    ) {
        let _warm = client.time(call, 1000, &self.file);
        group.bench_function(what, |bencher| {
            bencher.iter_custom(|count| {
                let took = client.time(call, count, &self.file);
                self.times.keep(&format!("{name}/{what}"), count, took);
                took
            });
        });
    }
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    group
}

fn notify(criterion: &mut Criterion, place: &Place, name: &str) {
    let mut group = group(criterion, name);
    for call in ["open", "stat"] {
        let mut ours = place.doorward("notify", &place.floor);
        ours.arg("ask");
        for (what, command) in [
            (call.to_owned(), ours),
            (format!("{call} floor"), place.floor("notify")),
        ] {
            place.time(&mut group, (name, &what), call, Client::start(command));
        }
    }
}

/// Its floor is that of lanes.
fn trap(criterion: &mut Criterion, place: &Place, name: &str) {
    let mut ours = place.doorward("trap", &place.floor);
    ours.arg("ask");
    let mut group = group(criterion, name);
    place.time(&mut group, (name, "open"), "open", Client::start(ours));
}

fn main() {
    doorward::init(ENTRIES);
    let mut criterion = Criterion::default().configure_from_args();
    let place = Place::make();
    lane::bench(&mut criterion, &place, "lane");
    trap(&mut criterion, &place, "trap");
    notify(&mut criterion, &place, "notify");
    {
        let _busy = Busy::start();
        lane::bench(&mut criterion, &place, "lane busy");
        trap(&mut criterion, &place, "trap busy");
        notify(&mut criterion, &place, "notify busy");
    }
    worker::bench(&mut criterion, &place);
    start::bench(&mut criterion, &place);
    criterion.final_summary();
    place.times.print(ROWS);
}
