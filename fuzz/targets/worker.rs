//! What a worker says in answer to a call. The first three bytes say what the host takes and
//! of which type; then come records, each with two bytes of length, whose highest bit puts a
//! descriptor beside it.
//!
//! The oracle: an answer is within the terms, whatever was stated; memory is bounded by them
//! and the input; no descriptor is left.
#![no_main]

use doorward::{
    fuzzing::{self, ARENA},
    worker::{Answer, CallError},
};
use doorward_fuzz::{Cost, bounded};
use doorward_protocol::call::LONGEST_FRAME;
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

/// Two buffers of a connection, an output, an arena's bookkeeping; values decoded.
const COST: Cost = Cost {
    base: 2 * LONGEST_FRAME + ARENA + (64 << 10),
    each: 64,
};

fuzz_target!(|data: &[u8]| bounded(data.len(), COST, || run(data)));

fn run(data: &[u8]) {
    let [kind, output, result, rest @ ..] = data else {
        return;
    };
    let terms = (usize::from(*output) * 64, usize::from(*result) * 16, 3);
    let records = Records(rest);
    match kind % 4 {
        0 => held(fuzzing::call::<u64>(records, terms), terms),
        1 => held(fuzzing::call::<String>(records, terms), terms),
        2 => held(fuzzing::call::<Vec<(String, u32)>>(records, terms), terms),
        _ => held(
            fuzzing::call::<Result<Option<Vec<u8>>, i32>>(records, terms),
            terms,
        ),
    }
}

/// An answer is no longer than it may be, and says itself again.
fn held<R: Serialize + DeserializeOwned>(
    answer: Result<Answer<R>, CallError>,
    (output, result, _): (usize, usize, u32),
) {
    let Ok(answer) = answer else { return };
    assert!(answer.output.len() <= output);
    let mut bytes = vec![0; LONGEST_FRAME];
    let length = doorward::worker::encode(&answer.result, &mut bytes).unwrap();
    assert!(length <= result);
}

struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = (&'a [u8], bool);

    fn next(&mut self) -> Option<Self::Item> {
        let [low, high, rest @ ..] = self.0 else {
            return None;
        };
        let told = u16::from_le_bytes([*low, *high]);
        let length = usize::from(told & 0x7fff).min(rest.len());
        let (record, rest) = rest.split_at(length);
        self.0 = rest;
        Some((record, told & 0x8000 != 0))
    }
}
