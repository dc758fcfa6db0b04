//! A thread that takes a grant is held on the broker's CPU meanwhile, and never runs so.

use std::time::Duration;

use doorward_tests::{Ended, Level};

use crate::bench::Bench;

const WHOLE: &str = "narrowed 0\n";

fn run(level: Level, words: &[&str], control_of: Option<&str>) -> Ended {
    let bench = Bench::new(level, &["hold"]);
    let mut run = bench.run(words).limit(Duration::from_secs(200));
    if let Some(defence) = control_of {
        run = run.without(defence);
    }
    run.under("notify").succeeded()
}

/// As shipped, and where it holds on a busy machine too.
const BUILDS: [Option<&str>; 2] = [None, Some("hold-always")];

#[test]
fn no_program_sees_a_hold() {
    for build in BUILDS {
        let ended = run(Level::Root, &["hold", "seen", "10000", "0"], build);
        assert_eq!(ended.text(), WHOLE, "{build:?}");
    }
}

#[test]
fn no_child_inherits_a_hold() {
    for level in Level::ALL {
        for build in BUILDS {
            let ended = run(level, &["hold", "inherited", "300", "0"], build);
            assert_eq!(ended.text(), WHOLE, "{level} {build:?}");
        }
    }
}

#[test]
fn the_affinity_a_program_sets_stays() {
    for build in BUILDS {
        let ended = run(Level::Root, &["hold", "undone", "2000", "0"], build);
        assert_eq!(ended.text(), WHOLE, "{build:?}");
    }
}

/// The control: a hold that ends late is seen by the program, and by its children.
#[test]
fn control_a_hold_that_outlives_the_answer_is_seen() {
    for what in ["seen", "inherited"] {
        let words = ["hold", what, "300", "60"];
        let ended = run(Level::Root, &words, Some("hold-released"));
        assert_ne!(ended.text(), WHOLE, "{what}");
    }
}
