//! The header is that of the functions there are.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests stop at what they did not expect"
)]

use std::{fs, path::Path};

#[test]
fn the_header_is_what_the_library_exports() {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(crate_root.join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    cbindgen::Builder::new()
        .with_crate(crate_root)
        .with_config(config)
        .generate()
        .unwrap()
        .write(&mut made);
    let made = String::from_utf8(made).unwrap();
    assert!(made.contains("int doorward_enter(void);"), "{made}");
    let committed = crate_root.join("include/doorward.h");
    if fs::read_to_string(&committed).ok().as_ref() != Some(&made) {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("doorward.h");
        fs::write(&fresh, made).unwrap();
        let (fresh, committed) = (fresh.display(), committed.display());
        panic!("the header is not of these functions; look at it, and: cp {fresh} {committed}");
    }
}
