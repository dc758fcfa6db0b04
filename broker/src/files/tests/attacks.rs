//! Paths and moves meant to lead elsewhere.

use super::*;

#[test]
fn exchanging_a_directory_for_a_link_wins_nothing() {
    let tree = Tree::new();
    let files = tree.files();
    fs::create_dir(tree.at("in/real")).unwrap();
    fs::write(tree.at("in/real/c"), "open").unwrap();
    symlink("../shut", tree.at("in/other")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    use std::sync::atomic::Ordering::Relaxed;
    let mut naive_lost = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, two) = (tree.at("in/real"), tree.at("in/other"));
            while !stop.load(Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let here = rustix::fs::CWD;
                rustix::fs::renameat_with(here, &one, here, &two, flags).unwrap();
            }
        });
        let victim = tree.at("in/real/c");
        // On a busy machine it may take a while until the naive way loses.
        for round in 0..1_000_000 {
            if round >= 20_000 && naive_lost > 0 {
                break;
            }
            if let Ok(text) = read(&files, &victim) {
                assert_eq!(text, "open");
            }
            // Positive control: look at the directory first, then open by name.
            let looks_safe = !fs::symlink_metadata(tree.at("in/real"))
                .unwrap()
                .is_symlink();
            if looks_safe && fs::read_to_string(&victim).is_ok_and(|text| text == "shut") {
                naive_lost += 1;
            }
        }
        stop.store(true, Relaxed);
    });
    assert!(
        naive_lost > 0,
        "the race was never lost by the naive way: nothing was tried"
    );
}

/// Found by the model: a link that was followed told a missing name from a denied one.
#[test]
fn a_link_does_not_tell_whether_a_denied_name_exists() {
    let tree = Tree::new();
    let files = tree.files();
    symlink("secret", tree.at("in/quiet")).unwrap();
    symlink("a", tree.at("in/loud")).unwrap();
    let answer = || denied(read(&files, &tree.at("in/quiet")));
    assert_eq!(answer(), (Reason::Denied, Errno::ACCESS));
    fs::remove_file(tree.at("in/secret")).unwrap();
    assert_eq!(answer(), (Reason::Denied, Errno::ACCESS));
    // The control: of what may be looked at, it tells.
    assert_eq!(read(&files, &tree.at("in/loud")).unwrap(), "alpha");
    fs::remove_file(tree.at("in/a")).unwrap();
    assert_eq!(failed(read(&files, &tree.at("in/loud"))), Errno::NOENT);
}

#[test]
fn no_path_leads_to_what_no_rule_names() {
    use proptest::prelude::*;
    let tree = Tree::new();
    let files = tree.files();
    for (name, target) in [
        ("in/up", ".."),
        ("in/escape", "../shut"),
        ("in/direct", "../shut/c"),
        ("in/quiet", "secret"),
        ("in/round", "../in/round/a"),
        ("out/over", "../in"),
        ("shut/back", "../in"),
    ] {
        symlink(target, tree.at(name)).unwrap();
    }
    const WORDS: &[&str] = &[
        "in", "out", "shut", "sub", "up", "escape", "direct", "quiet", "round", "over", "back",
        "a", "b", "c", "secret", "hidden", "..", "..", ".", "", "tmp", "proc", "self", "root",
    ];
    let part = proptest::sample::select(WORDS);
    let parts = proptest::collection::vec(part, 1..8);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(5_000));
    let opened = std::cell::Cell::new(0);
    runner
        .run(&(parts, any::<bool>()), |(parts, below)| {
            let text = parts.join("/");
            let text = if below {
                tree.at(&text)
            } else {
                format!("/{text}")
            };
            if let Ok(file) = open(&files, &text, OFlags::RDONLY) {
                opened.set(opened.get() + 1);
                let mut content = String::new();
                let mut file = fs::File::from(file);
                if file.metadata().unwrap().is_file() {
                    file.read_to_string(&mut content).unwrap();
                    prop_assert!(content != "shut" && content != "secret", "{text}");
                }
            }
            Ok(())
        })
        .unwrap();
    // About 65 on average; far fewer would mean that nothing is tried.
    assert!(
        opened.get() > 20,
        "only {} paths led anywhere",
        opened.get()
    );
}
