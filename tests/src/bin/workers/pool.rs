//! Pools: who serves which call, and what becomes of workers.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use doorward::worker::{CallError, Cancel, Nest, Pool, Reuse, Tainted, Terms, Upkeep};

use super::{
    LONG, deaths,
    rogue::{self as how, Rogues},
    sandbox, terms,
};

fn pool(front: &str, more: &str, upkeep: Upkeep) -> Pool {
    let (front, more) = (front.to_owned(), more.to_owned());
    Pool::start(move || sandbox(&front, &more), upkeep).unwrap()
}

fn small() -> Upkeep {
    Upkeep {
        nest: Nest {
            places: 4,
            arena: 1 << 20,
        },
        ..Upkeep::default()
    }
}

/// The process that serves a call.
fn process(pool: &Pool, tenant: u64) -> i32 {
    let own = Rogues::new(pool.clone()).own(terms().tenant(tenant));
    own.unwrap().whatever_it_is().result.1
}

pub(crate) fn fresh(front: &str) {
    let pool = pool(front, "", small());
    let served: BTreeSet<i32> = (0..20).map(|_| process(&pool, 0)).collect();
    assert_eq!(served.len(), 20);
    let counters = pool.counters();
    assert_eq!((counters.calls, counters.done), (20, 20));
    assert_eq!(counters.retired_by_calls, 20);
    assert_eq!((counters.warm, counters.cold), (20, 0), "{counters:?}");
    assert_eq!((counters.idle, counters.leased), (2, 0));
}

pub(crate) fn reuse(front: &str) {
    // So many calls, of one tenant.
    let upkeep = Upkeep {
        reuse: Reuse::calls(3),
        ..small()
    };
    let three = pool(front, "", upkeep);
    let served: Vec<i32> = (0..7).map(|_| process(&three, 1)).collect();
    assert!(
        served[..3].iter().all(|one| *one == served[0]),
        "{served:?}"
    );
    assert!(
        served[3..6].iter().all(|one| *one == served[3]),
        "{served:?}"
    );
    assert_ne!(served[2], served[3]);
    let other: Vec<i32> = (0..6).map(|_| process(&three, 2)).collect();
    assert!(other.iter().all(|one| !served.contains(one)), "{other:?}");
    // More tenants than places: those that wait make place.
    for tenant in 0..20 {
        process(&three, tenant);
    }
    assert!(three.counters().retired_by_tenant > 0);
    // A lease keeps its worker.
    let mut leased = Rogues::new(three.lease(7, LONG).unwrap());
    let mut own = || leased.own(terms()).unwrap().whatever_it_is().result.1;
    assert_eq!(own(), own());
    // An age, and so much memory.
    let old = Upkeep {
        reuse: Reuse {
            age: Some(Duration::from_millis(50)),
            ..Reuse::calls(u64::MAX)
        },
        ..small()
    };
    let old = pool(front, "", old);
    let first = process(&old, 0);
    std::thread::sleep(Duration::from_millis(60));
    process(&old, 0);
    assert_ne!(process(&old, 0), first);
    assert!(old.counters().retired_by_age > 0);
    let large = Upkeep {
        reuse: Reuse {
            memory: Some(64 << 20),
            ..Reuse::calls(u64::MAX)
        },
        ..small()
    };
    let large = pool(front, "", large);
    let mut stub = Rogues::new(large.clone());
    let first = process(&large, 0);
    assert_eq!(process(&large, 0), first, "it has little");
    stub.keep(terms(), 100 << 20).unwrap().whatever_it_is();
    assert_ne!(process(&large, 0), first);
    assert_eq!(large.counters().retired_by_memory, 1);
}

pub(crate) fn dirty(front: &str) {
    let upkeep = Upkeep {
        reuse: Reuse::calls(u64::MAX),
        keep: 2,
        ..small()
    };
    let pool = pool(front, "", upkeep);
    let mut stub = Rogues::new(pool.clone());
    let mut used = BTreeSet::new();
    let mut differs = |pool: &Pool| assert!(used.insert(process(pool, 1)));
    differs(&pool);
    let given = || terms().tenant(1).input(b"what it died of");
    let died = stub.die(given(), how::ABORT);
    assert!(matches!(died, Err(CallError::Died(_))));
    differs(&pool);
    let late = Terms::within(Duration::from_millis(100)).tenant(1);
    assert_eq!(stub.spin(late, true), Err(CallError::Late));
    differs(&pool);
    let cancel = Cancel::new().unwrap();
    cancel.cancel();
    let cancelled = given().cancelled_by(&cancel);
    assert_eq!(stub.spin(cancelled, false), Err(CallError::Cancelled));
    differs(&pool);
    // It asks where it is not answered.
    let breach = stub.ask(given(), 1);
    assert!(matches!(breach, Err(CallError::Breach(_))));
    differs(&pool);
    // One that was asked for too much is spared.
    let long = given().result_up_to(1);
    assert_eq!(stub.own(long), Err(CallError::ResultTooLong));
    assert!(used.contains(&process(&pool, 1)));
    let counters = pool.counters();
    let (died, late, cancelled) = (counters.died, counters.late, counters.cancelled);
    assert_eq!((died, late, cancelled), (1, 1, 1), "{counters:?}");
    assert_eq!((counters.breaches, counters.refused), (1, 1));
    // The latest two of three that a worker is to blame for.
    let kept = pool.kept();
    let methods: Vec<&str> = kept.iter().map(|one| one.method).collect();
    assert_eq!(methods, ["spin", "ask"]);
    assert_eq!(kept[1].input, b"what it died of");
    assert_eq!(kept[1].tenant, 1);
    assert!(pool.kept().is_empty());
}

pub(crate) fn retries(front: &str) {
    let upkeep = Upkeep {
        retries: 2,
        ..small()
    };
    let pool = pool(front, "", upkeep);
    let mut stub = Rogues::new(pool.clone());
    // It dies twice, and then does not.
    let mut deaths = 2;
    let mut die = |_: Tainted<u32>| {
        let dies = deaths > 0;
        deaths -= i32::from(dies);
        if dies { 1_u64 } else { 7 }
    };
    let result = stub.flaky(terms().answering(1, &mut die)).unwrap();
    assert_eq!(result.whatever_it_is().result, 7);
    assert_eq!(pool.counters().retries, 2);
    let always = |_: Tainted<u32>| 1_u64;
    let result = stub.flaky(terms().answering(1, always));
    assert!(matches!(result, Err(CallError::Died(_))));
    assert_eq!(pool.counters().retries, 4);
    let mut asked = 0;
    let count = |_: Tainted<u32>| {
        asked += 1;
        1_u64
    };
    let result = stub.fragile(terms().answering(1, count));
    assert!(matches!(result, Err(CallError::Died(_))));
    assert_eq!((asked, pool.counters().retries), (1, 4));
}

pub(crate) fn backoff(front: &str) {
    let pool = pool(front, "", small());
    let mut stub = Rogues::new(pool.clone());
    let begun = Instant::now();
    for _ in 0..8 {
        let died = stub.die(terms().tenant(1), how::ABORT);
        assert!(matches!(died, Err(CallError::Died(_))), "{died:?}");
    }
    // 10, 20, 40, 80 and 160 ms.
    let throttled = begun.elapsed();
    assert!(throttled > Duration::from_millis(300), "{throttled:?}");
    let soon = Terms::within(Duration::from_millis(50)).tenant(1);
    let refused = stub.change(soon);
    assert!(
        matches!(refused, Err(CallError::CrashLoop(_))),
        "{refused:?}"
    );
    // Another does not wait.
    let begun = Instant::now();
    process(&pool, 2);
    assert!(begun.elapsed() < Duration::from_millis(300));
    assert!(pool.counters().throttled >= 6);
    // With a success it is over.
    process(&pool, 1);
    let begun = Instant::now();
    process(&pool, 1);
    assert!(begun.elapsed() < Duration::from_millis(300));
}

pub(crate) fn zygote_dies(front: &str) {
    let pool = pool(front, "", small());
    process(&pool, 0);
    for round in 2..4 {
        let zygote = find("doorward-zygote");
        rustix::process::kill_process(zygote, rustix::process::Signal::KILL).unwrap();
        // What was forked already ends with it, which a call or two may meet.
        let end = Instant::now() + LONG;
        let mut stub = Rogues::new(pool.clone());
        while stub.own(terms()).is_err() || pool.counters().zygotes < round {
            assert!(Instant::now() < end);
        }
        process(&pool, 0);
        assert_eq!(pool.counters().zygotes, round);
    }
}

/// The process of this name below this one.
fn find(name: &str) -> rustix::process::Pid {
    let own = std::process::id().cast_signed();
    let mut below = doorward_tests::below(own).into_iter();
    let found = below.find(|one| doorward_tests::called(*one) == name);
    let found = found.unwrap_or_else(|| panic!("there is no {name}"));
    rustix::process::Pid::from_raw(found).unwrap()
}

pub(crate) fn threads(front: &str) {
    let before = deaths::family();
    let pool = pool(front, "", small());
    std::thread::scope(|scope| {
        for tenant in 0..8_u64 {
            let pool = pool.clone();
            scope.spawn(move || {
                let mut stub = Rogues::new(pool);
                for round in 0..40_u8 {
                    let input = [tenant as u8, round];
                    let given = terms().tenant(tenant).input(&input).output_up_to(2);
                    let answer = stub.change(given).unwrap().whatever_it_is();
                    assert_eq!(answer.output, [tenant as u8 + 1, round + 1]);
                }
            });
        }
    });
    let counters = pool.counters();
    assert_eq!((counters.done, counters.leased), (320, 0), "{counters:?}");
    assert!(counters.idle <= 4);
    println!("{counters:?}");
    drop(pool);
    assert_eq!(deaths::family(), before);
}
