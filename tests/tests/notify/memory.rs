//! Argument memory that others write while the broker decides.

use doorward_tests::{Ended, Level, attempts};

use crate::bench::Bench;

fn bench() -> Bench {
    let bench = Bench::new(Level::Root, &["flip"]);
    bench.tree.file("in/allowed/file", "fine..");
    bench.tree.file("in/secret/file", "secret");
    bench
}

/// How often the secret was had.
#[track_caller]
fn had(ended: &Ended) -> u32 {
    let text = ended.text();
    let number = text
        .strip_prefix("had ")
        .and_then(|rest| rest.split(' ').next());
    let number = number.and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("{text}{}", ended.error()))
}

/// Whether another thread or another process writes it, what was decided on is opened.
#[test]
fn a_name_that_changes_never_leads_to_what_is_denied() {
    let bench = bench();
    let name = bench.tree.name("in/allowed/file");
    for writer in ["thread", "process"] {
        let attempts = attempts(100_000);
        let run = bench.run(&["flip", &attempts, writer, name.to_str().unwrap()]);
        let ended = run.under("flip");
        assert_eq!(had(&ended), 0, "{writer}: {}", ended.text());
        assert!(
            ended.text().contains("allowed 1 refused 1"),
            "no race: {}",
            ended.text()
        );
    }
}

/// The control: the same where the broker reads the name again after it decided.
#[test]
fn control_reading_the_name_twice_loses() {
    let bench = bench();
    let name = bench.tree.name("in/allowed/file");
    let run = bench.run(&["flip", "20000", "thread", name.to_str().unwrap()]);
    let ended = run.without("one-copy").under("flip");
    assert!(had(&ended) > 0, "{}{}", ended.text(), ended.error());
}
