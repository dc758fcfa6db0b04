//! Eight threads that ask without pause, interrupted and forked.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Stdio},
};

use doorward_tests::{Level, alone, below, called};

use crate::place::Place;

/// KiB that a process may grow by: pages of the allocator that came into use.
const GROWTH: u64 = 1024;

/// Descriptors that a program has besides: three streams, the rendezvous, and a slot for calls
/// about signals that threads make when they begin and end.
const OTHERS: usize = 3 + 1 + 3;

/// What the processes of a run hold, by name: KiB and descriptors.
type Held = Vec<(String, u64, usize)>;

fn held(host: &Child) -> Held {
    let host = i32::try_from(host.id()).unwrap();
    let mut all = below(host);
    all.insert(0, host);
    let hold = |process: i32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let memory = line.split_whitespace().nth(1)?.parse().ok()?;
        let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        Some((called(process), memory, descriptors.count()))
    };
    all.into_iter().filter_map(hold).collect()
}

#[test]
fn threads_signals_and_forks_get_their_own_answers_and_leave_nothing() {
    let _alone = alone();
    let place = Place::new(Level::Root);
    let count = std::env::var("DOORWARD_SHIM_OPERATIONS").unwrap_or_else(|_| "100000".to_owned());
    let mut command = Level::Root.command(&place.program);
    command
        .arg("stress")
        .arg(place.tree.name("own"))
        .arg(&count)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut host = command.spawn().unwrap();
    let mut told = host.stdin.take().unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    for mark in ["warm", "half", "end"] {
        let line = lines.next().unwrap().unwrap();
        let Some((told_mark, at_most)) = line.split_once(' ') else {
            panic!("{line}");
        };
        assert_eq!(told_mark, mark);
        seen.push((at_most.parse::<usize>().unwrap(), held(&host)));
        told.write_all(&[0]).unwrap();
    }
    for line in lines {
        println!("{}", line.unwrap());
    }
    assert!(host.wait().unwrap().success());
    println!("{seen:?}");
    let [warm, half, end] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    let of = |(at_most, held): &(usize, Held), name: &str| {
        let one = held.iter().find(|(of, ..)| of == name);
        let (_, memory, descriptors) = one.unwrap_or_else(|| panic!("{name} {held:?}"));
        (*at_most, *memory, *descriptors)
    };
    let [program, broker] = ["doorward-launch", "doorward-broker"];
    for later in [half, end] {
        // A lane and a pipe for each operation that was under way beside others, and no more.
        let (at_most, _, descriptors) = of(later, program);
        assert!(descriptors <= 3 * at_most + OTHERS, "{later:?}");
        // The broker has a lane and a pin for each that the program has.
        let more = |name: &str| of(later, name).2 - of(warm, name).2;
        assert_eq!(3 * more(broker), 2 * more(program), "{later:?}");
    }
    for name in [program, broker] {
        let (half, end) = (of(half, name).1, of(end, name).1);
        assert!(end <= half + GROWTH, "{name}: {half} KiB, then {end}");
    }
    assert_eq!(warm.1.len(), end.1.len(), "{warm:?} {end:?}");
}
