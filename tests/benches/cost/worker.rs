//! What workers cost: a fresh one, one that waits, and a call.

use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::Criterion;
use doorward::{
    Entry, Sandboxee,
    host::{Program, Sandbox},
    worker::{Call, Nest, Pool, Reuse, Terms, Upkeep, Zygote},
};
use doorward_policy::{Expansion, Policy};

use crate::{Place, client::Client, group};

doorward::interface! {
    /// What is measured.
    pub(crate) trait Work, stub Works {
        /// Gives its argument back.
        fn same(number: u64) -> u64;
    }
}

struct Same;

impl Work for Same {
    fn same(&mut self, _call: &mut Call<'_>, number: u64) -> u64 {
        number
    }
}

pub(crate) const ENTRY: Entry = Entry {
    name: "work",
    run: serve,
};

fn serve(sandboxee: Sandboxee) -> u8 {
    let interface: &mut dyn Work = &mut Same;
    sandboxee.serve(interface)
}

fn sandbox() -> Sandbox {
    let expansion = Expansion::of_process(rustix::process::getuid().as_raw());
    let text = "version = 1\nfront = \"api\"\n";
    let policy = Policy::parse(text, "worker", Path::new("/"), &expansion);
    let policy = policy.expect("the policy is right").policy;
    let program = Program::Entry {
        name: "work".to_owned(),
        arguments: Vec::new(),
    };
    Sandbox::new(Arc::new(policy), program)
}

fn terms() -> Terms<'static> {
    Terms::within(Duration::from_secs(10))
}

const NEST: Nest = Nest {
    places: 4,
    arena: 1 << 20,
};

/// Workers one after the other, each with one call, and its end.
fn fresh(zygote: &Zygote, count: u64) -> Duration {
    let begun = Instant::now();
    for number in 0..count {
        let mut work = Works::new(zygote.fork().expect("a worker"));
        let answer = work.same(terms(), number).expect("an answer");
        black_box(answer.whatever_it_is());
    }
    while zygote.living() > 0 {
        std::hint::spin_loop();
    }
    begun.elapsed()
}

pub(crate) fn bench(criterion: &mut Criterion, place: &Place) {
    let zygote = Zygote::start(sandbox(), NEST).expect("a zygote");
    let upkeep = Upkeep {
        nest: NEST,
        reuse: Reuse::calls(u64::MAX),
        ..Upkeep::default()
    };
    let pool = Pool::start(sandbox, upkeep).expect("a pool");
    let lease = |count| {
        let begun = Instant::now();
        for _ in 0..count {
            drop(pool.lease(0, Duration::from_secs(10)).expect("a worker"));
        }
        begun.elapsed()
    };
    let mut work = Works::new(zygote.fork().expect("a worker"));
    let mut call = |count| {
        let begun = Instant::now();
        for number in 0..count {
            let answer = work.same(terms(), number).expect("an answer");
            black_box(answer.whatever_it_is());
        }
        begun.elapsed()
    };
    let of_fresh = Zygote::start(sandbox(), NEST).expect("a zygote");
    let mut floor = Client::start(place.floor("worker"));
    let mut floor = |part: &str, count| floor.time(part, count, Path::new("-"));
    let mut group = group(criterion, "worker");
    let mut measured = |what: &str, measure: &mut dyn FnMut(u64) -> Duration| {
        let _warm = measure(20);
        group.bench_function(what, |bencher| {
            bencher.iter_custom(|count| {
                let took = measure(count);
                place.times.keep(&format!("worker/{what}"), count, took);
                took
            });
        });
    };
    measured("fresh", &mut |count| fresh(&of_fresh, count));
    measured("lease", &mut |count| lease(count));
    measured("call", &mut call);
    for part in ["fork", "exec", "round"] {
        measured(&format!("{part} floor"), &mut |count| floor(part, count));
    }
}
