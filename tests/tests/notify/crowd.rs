//! Many threads at once, quick ones and waiting ones.

use doorward_tests::Level;

use crate::bench::Bench;

#[test]
fn sixty_four_threads_get_their_own_answers_and_fair_shares() {
    let bench = Bench::new(Level::Root, &["crowd"]);
    let ended = bench.run(&["crowd", "flood", "64"]).under("notify");
    let text = ended.succeeded().text();
    assert_eq!(text, "failures 0 wrong 0 fair 1\n");
}

/// A hundred opens of a FIFO wait; those who wait for nothing do not wait for them.
#[test]
fn waiting_opens_are_in_nobodys_way() {
    let bench = Bench::new(Level::Root, &["crowd"]);
    bench.fifo();
    let ended = bench.same(&["crowd", "wait", "100", "fifo"]).succeeded();
    assert_eq!(ended.text(), "quick 1 writer 1 freed 1 failures 0\n");
}
