//! What it costs to start a program.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use criterion::Criterion;

use crate::{Place, group};

/// Modules that make python3 look for some hundred files.
const MODULES: &str = "import argparse, http.client, json, logging, subprocess, tempfile";

/// Directories of the floor's and bubblewrap's views.
const SEEN: [&str; 5] = ["/usr", "/bin", "/lib", "/lib64", "/etc/alternatives"];

pub(crate) fn bench(criterion: &mut Criterion, place: &Place) {
    let mut floor = place.floor("start");
    floor.args(SEEN).args(["--", "/bin/true"]);
    let mut bubblewrap = Command::new("bwrap");
    bubblewrap.arg("--unshare-all");
    for directory in SEEN {
        bubblewrap.args(["--ro-bind-try", directory, directory]);
    }
    bubblewrap.args(["--", "/bin/true"]);
    let python = |mut command: Command| {
        command.args(["-c", MODULES]);
        command
    };
    let mut starts = vec![
        ("true native", Command::new("/bin/true")),
        ("true floor", floor),
        ("true", place.doorward("notify", "/bin/true")),
        ("python3 native", python(Command::new("/usr/bin/python3"))),
        (
            "python3",
            python(place.doorward("notify", "/usr/bin/python3")),
        ),
    ];
    if Path::new("/usr/bin/bwrap").exists() {
        starts.push(("true bubblewrap", bubblewrap));
    } else {
        println!("bubblewrap is not installed; its row is left out");
    }
    let mut group = group(criterion, "start");
    for (what, mut command) in starts {
        command.current_dir(place.tree.work()).stdin(Stdio::null());
        group.bench_function(what, |bencher| {
            bencher.iter_custom(|count| {
                let took = (0..count).map(|_| once(&mut command)).sum();
                place.times.keep(&format!("start/{what}"), count, took);
                took
            });
        });
    }
}

/// From before its start to its end.
fn once(command: &mut Command) -> Duration {
    let begun = Instant::now();
    let status = command.status().expect("the program can be started");
    assert!(status.success(), "{command:?}: {status}");
    begun.elapsed()
}
