//! Processes and threads that end while they ask, and signals at every point (U-6, U-9, U-16).

use doorward_tests::Level;

use crate::bench::Bench;

/// Whoever dies in the middle of a request, the next one is answered.
#[test]
fn whoever_ends_while_it_asks_harms_nobody() {
    for level in [Level::Root, Level::UserNoNs] {
        let bench = Bench::new(level);
        let before = bench.canaries();
        let told = bench.race("dying", 5_000, "in/file");
        assert_eq!(told.number("refused"), 0, "{level}: {told:?}");
        assert_eq!(bench.canaries(), before, "{level}");
    }
}

/// Directories are made and removed by turns: an answer of EINTR means that nothing was done.
#[test]
fn signals_at_every_point_neither_lose_nor_repeat() {
    let bench = Bench::new(Level::Root);
    let told = bench.race("interrupted", 100_000, "rw/turn");
    assert_eq!(told.number("odd"), 0, "{told:?}");
    assert_eq!(told.number("handled"), 1, "{told:?}");
}

#[test]
fn control_eintr_after_the_deed_is_seen() {
    let bench = Bench::new(Level::Root);
    let told = bench.naive("interrupted", "rw/turn");
    assert!(told.number("odd") > 0, "{told:?}");
}
