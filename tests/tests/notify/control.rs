//! A release build has all of its defences.

use doorward_tests::{built, control};

const MARK: &[u8] = b"this doorward was built without one of its defences";

fn holds(path: &std::path::Path, wanted: &[u8]) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn is_marked(path: &std::path::Path) -> bool {
    holds(path, MARK)
}

/// Whether its broker does what it is told.
fn obeys(path: &std::path::Path) -> bool {
    holds(path, b"broker does what a sandboxee says")
}

#[test]
fn a_release_build_is_no_control() {
    assert!(!is_marked(&built()));
    assert!(is_marked(&control("chosen")));
    assert!(!obeys(&built()));
    assert!(obeys(&control("taken-over")));
}
