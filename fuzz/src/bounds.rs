//! What one input may cost.

use crate::sys;

/// Bytes in use at the worst moment: `base`, and `each` for every byte of the input.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Whatever the input.
    pub base: usize,
    /// For each byte of it.
    pub each: usize,
}

/// Acts on an input of so many bytes, and panics if more memory was in use meanwhile than
/// that may cost, or if a descriptor is left open.
pub fn bounded(input: usize, cost: Cost, act: impl FnOnce()) {
    let before = descriptors();
    let live = sys::begin();
    act();
    let used = sys::peak().saturating_sub(live);
    let most = cost.base + cost.each * input;
    assert!(
        used <= most,
        "{used} bytes in use for an input of {input}, at most {most}"
    );
    let after = descriptors();
    assert_eq!(
        before.len(),
        after.len(),
        "descriptors left: {before:?}, {after:?}"
    );
}

/// The open descriptors.
fn descriptors() -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}
