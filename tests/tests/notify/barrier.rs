//! The broker's copy of a grant is gone before the sandboxee can do anything that would meet it.

use std::{
    process::{Child, Command},
    time::Duration,
};

use doorward_tests::Level;

use crate::bench::Bench;

const CLEAN: &str = "busy 0 other 0\n";

fn bench() -> Bench {
    let bench = Bench::new(Level::Root, &["barrier"]);
    bench.compile("nothing", &["-static", "-nostdlib", "-Os"]);
    bench
}

fn clean(bench: &Bench, words: &[&str]) {
    let ended = bench
        .run(words)
        .limit(Duration::from_secs(300))
        .under("notify");
    assert_eq!(ended.succeeded().text(), CLEAN, "{words:?}");
}

#[test]
fn what_was_written_can_be_executed_at_once() {
    let bench = bench();
    clean(&bench, &["barrier", "written", "3000", "./copy", "nothing"]);
}

#[test]
fn what_was_opened_for_writing_can_be_executed_at_once() {
    let bench = bench();
    clean(&bench, &["barrier", "opened", "3000", "./nothing"]);
}

#[test]
fn what_was_closed_is_not_locked() {
    let bench = bench();
    clean(&bench, &["barrier", "locked", "5000", "./lock"]);
}

struct Leaser(Child);

impl Drop for Leaser {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A lease makes each of these opens wait, so that a worker grants it and not the thread
/// that then serves exec.
#[test]
fn what_a_worker_granted_can_be_executed_at_once() {
    let bench = bench();
    let leaser = bench.compile("leaser", &["-O1"]);
    let leaser = Command::new(leaser).arg(bench.tree.name("nothing")).spawn();
    let _leaser = Leaser(leaser.unwrap());
    std::thread::sleep(Duration::from_millis(100));
    clean(&bench, &["barrier", "opened", "300", "./nothing"]);
}

/// The control: where the broker's copy lives on a little, the same rounds meet it.
#[test]
fn control_a_copy_that_outlives_the_answer_is_met() {
    let bench = bench();
    let words = ["barrier", "written", "100", "./copy", "nothing"];
    let run = bench.run(&words).without("grant-closed");
    let ended = run.under("notify").succeeded();
    assert_ne!(ended.text(), CLEAN);
}
