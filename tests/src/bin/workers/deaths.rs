//! Workers that end, or do not.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

use doorward::worker::{CallError, Nest, StartError, Tainted, Zygote};

use super::{
    plain, rogue,
    rogue::{self as how},
    terms, zygote,
};

/// At each step of a call the host gets one error that says how, and the next call goes well.
pub(crate) fn at_each_step(front: &str) {
    let zygote = plain(front);
    let code = |code: i32| code << 8;
    let ends = [
        (how::EXIT, code(3)),
        (how::ABORT, libc::SIGABRT),
        (how::AFTER_OUTPUT, code(4)),
        (how::IN_QUESTION, code(5)),
        (how::PANIC, code(101)),
        (how::FORBIDDEN, libc::SIGSYS),
    ];
    for (way, raw) in ends {
        let mut worker = rogue(&zygote);
        let answering = terms()
            .output_up_to(64)
            .answering(1, |_: Tainted<u32>| 1_u64);
        let begun = Instant::now();
        let result = worker.die(answering, way);
        let Err(CallError::Died(death)) = result else {
            panic!("{way}: {result:?}")
        };
        let told = death.status.map(|status| status.into_raw() & !0x80);
        assert_eq!(told, Some(raw), "{way}");
        assert!(begun.elapsed() < Duration::from_secs(5));
        // This worker is over; another is well.
        assert!(matches!(worker.change(terms()), Err(CallError::Over)));
        assert_eq!(change(&zygote), 3);
    }
    // Killed by its host before the call, and in the middle of it.
    let mut worker = zygote.fork().unwrap();
    worker.kill();
    assert!(!worker.is_well());
    assert_eq!(change(&zygote), 3);
    settles(&zygote, 0);
}

fn change(zygote: &Zygote) -> u64 {
    let mut worker = rogue(zygote);
    let given = terms().input(b"abc").output_up_to(3);
    let answer = worker.change(given).unwrap().whatever_it_is();
    assert_eq!(answer.output, b"bcd");
    answer.result
}

fn settles(zygote: &Zygote, living: usize) {
    let end = Instant::now() + Duration::from_secs(5);
    while zygote.living() != living {
        assert!(Instant::now() < end, "{} live", zygote.living());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// One that does not reply is given up in time, and is killed whether it notices or not.
pub(crate) fn late(front: &str) {
    let zygote = plain(front);
    for politely in [true, false] {
        let mut worker = rogue(&zygote);
        let deadline = Duration::from_millis(200);
        // It is locked down by then.
        change_with(&mut worker);
        let begun = Instant::now();
        let given = doorward::worker::Terms::within(deadline).grace(Duration::from_millis(50));
        assert_eq!(worker.spin(given, politely), Err(CallError::Late));
        let took = begun.elapsed();
        assert!(
            took >= deadline && took < Duration::from_secs(3),
            "{took:?}"
        );
        settles(&zygote, 0);
        assert_eq!(change(&zygote), 3);
    }
}

fn change_with(worker: &mut how::Rogues<doorward::worker::Worker>) {
    let given = terms().input(b"abc").output_up_to(3);
    assert_eq!(worker.change(given).unwrap().whatever_it_is().result, 3);
}

/// A thousand of them that crash leave nothing, in no process of the family.
pub(crate) fn a_thousand(front: &str) {
    let zygote = plain(front);
    for _ in 0..8 {
        crash(&zygote);
    }
    settles(&zygote, 0);
    let before = family();
    for _ in 0..1000 {
        crash(&zygote);
    }
    settles(&zygote, 0);
    let end = Instant::now() + Duration::from_secs(5);
    while family() != before && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(family(), before);
    println!("{before:?}");
    assert_eq!(change(&zygote), 3);
}

fn crash(zygote: &Zygote) {
    let mut worker = rogue(zygote);
    let died = worker.die(terms(), how::ABORT);
    assert!(matches!(died, Err(CallError::Died(_))), "{died:?}");
}

/// Name, threads and descriptors of this process and all below it.
pub(crate) fn family() -> Vec<(String, usize, usize)> {
    let own = std::process::id().cast_signed();
    let all = std::iter::once(own).chain(doorward_tests::below(own));
    let mut found: Vec<_> = all
        .map(|process| {
            let entries = |name: &str| fs::read_dir(format!("/proc/{process}/{name}"));
            let count = |name: &str| entries(name).map_or(0, Iterator::count);
            let name = doorward_tests::called(process);
            (name, count("task"), count("fd"))
        })
        .collect();
    found.sort();
    found
}

/// There are as many as there are places.
pub(crate) fn places(front: &str) {
    let nest = Nest {
        places: 2,
        arena: 4096,
    };
    let two = zygote(front, "", nest).unwrap();
    let first = two.fork().unwrap();
    let second = two.fork().unwrap();
    assert!(matches!(two.fork(), Err(StartError::Full)));
    drop(first);
    let third = two.fork().unwrap();
    assert!(matches!(two.fork(), Err(StartError::Full)));
    drop((second, third));
    for places in [0, 257] {
        let nest = Nest { places, ..nest };
        let refused = zygote(front, "", nest);
        assert!(matches!(refused, Err(StartError::Places(_))));
    }
}
