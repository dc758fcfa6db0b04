//! Objects, not names (P-6, P-7): what a name leads to changes while it is opened.

use std::sync::atomic::{AtomicBool, Ordering};

use doorward_tests::{Ended, Level, attempts};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::bench::Bench;

/// Exchanges `in/NAME` for a link until `act` has ended.
fn while_exchanged<T>(bench: &Bench, name: &str, target: &str, act: impl FnOnce() -> T) -> T {
    let (name, link) = (
        bench.tree.name(&format!("in/{name}")),
        bench.tree.link(target, "in/other"),
    );
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                renameat_with(CWD, &name, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let value = act();
        over.store(true, Ordering::Relaxed);
        value
    })
}

/// How often the secret was had, and how often the fine content.
#[track_caller]
fn had(ended: &Ended) -> (u32, u32) {
    let text = ended.text();
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, had, _, fine, ..] = words.as_slice() else {
        panic!("{text}{}", ended.error());
    };
    (had.parse().unwrap(), fine.parse().unwrap())
}

fn never_leads_out(name: &str, target: &str, opened: &str) {
    for level in [Level::Root, Level::UserNoNs] {
        let bench = Bench::new(level);
        let ended = while_exchanged(&bench, name, target, || {
            let attempts = attempts(10_000);
            bench.run(&["race", &attempts, opened]).under("containment")
        });
        let (secret, fine) = had(&ended);
        assert_eq!(secret, 0, "{level}: {}", ended.text());
        assert!(fine > 0, "{level}: no race: {}", ended.text());
    }
}

#[test]
fn a_parent_that_is_exchanged_for_a_link_never_leads_out() {
    never_leads_out("directory", "../secret", "@in/directory/file");
}

#[test]
fn a_file_that_is_exchanged_for_a_link_never_leads_out() {
    never_leads_out("file", "../secret/file", "@in/file");
}

/// The control: a look at the parent and then an open by name, as a naive broker has it.
#[test]
fn control_a_look_before_the_open_loses() {
    let bench = Bench::new(Level::Root);
    let ended = while_exchanged(&bench, "directory", "../secret", || {
        let attempts = attempts(50_000);
        bench
            .run(&["naive", &attempts, "@in/directory/file"])
            .native()
    });
    assert!(had(&ended).0 > 0, "{}", ended.text());
}
