//! A release build has all of its defences.

use doorward_tests::{built, control};

const MARK: &[u8] = b"this doorward was built without one of its defences";

fn is_marked(path: &std::path::Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(MARK.len()).any(|window| window == MARK)
}

#[test]
fn a_release_build_is_no_control() {
    assert!(!is_marked(&built()));
    assert!(is_marked(&control("one-copy")));
}
