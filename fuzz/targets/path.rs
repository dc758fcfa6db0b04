//! The path engine on the model file system: in each world of the exhaustive exploration, and
//! for further requests, under more moves of the adversary than can be gone through
//! exhaustively, only what the rules allow is done. (With a kernel that opens anew by name it
//! is lost after some thousand inputs.)
#![no_main]

use std::sync::LazyLock;

use doorward::fuzzing::Worlds;
use doorward_fuzz::{Cost, bounded};
use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};

/// Every state of the tree is kept, and every move that could be made next.
const COST: Cost = Cost {
    base: 16 << 20,
    each: 4 << 10,
};
/// Moves of the adversary.
const MOVES: usize = 10;
/// What is picked before the moves, at most.
const BEFORE: usize = 9;

static WORLDS: LazyLock<Worlds> = LazyLock::new(Worlds::new);

fuzz_target!(|data: &[u8]| {
    LazyLock::force(&WORLDS);
    bounded(data.len(), COST, || {
        let mut from = Unstructured::new(data);
        let mut left = BEFORE + MOVES;
        let pick = |of: usize| {
            left = left.checked_sub(1)?;
            if from.is_empty() {
                return None;
            }
            from.choose_index(of).ok()
        };
        if let Err(lost) = WORLDS.wander(pick) {
            panic!("{lost}");
        }
    });
});
