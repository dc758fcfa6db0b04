//! An arena that the other side changes all the time, and spans that it states: nine bytes each,
//! the first of which says what is done with it.
//!
//! The oracle: a span is copied whole or refused, and refused if it is not within the arena or
//! too long; each word of a copy is one that was written whole; the reserved part is untouched;
//! memory is bounded, and no descriptor is left.
#![no_main]

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use doorward_fuzz::{Cost, bounded};
use doorward_protocol::arena::{Arena, RESERVED, Span};
use libfuzzer_sys::fuzz_target;

const SIZE: usize = 16 << 10;
/// The most that is copied at a time.
const MOST: usize = 4 << 10;
/// What the other side writes, in turn, and what this side does.
const THEIRS: [u8; 2] = [0x11, 0xff];
const OURS: u8 = 0x66;

/// A copy, and what is told of a span that is refused.
const COST: Cost = Cost {
    base: MOST + (4 << 10),
    each: 0,
};

static FILE: LazyLock<(Arena, OwnedFd)> = LazyLock::new(begin);

/// Makes the arena, and lets a thread write it from now on.
fn begin() -> (Arena, OwnedFd) {
    static WRITTEN: AtomicBool = AtomicBool::new(false);
    let (ours, file) = Arena::create(SIZE).unwrap();
    let theirs = Arena::map(file.as_fd()).unwrap();
    std::thread::spawn(move || {
        let fills = THEIRS.map(|byte| vec![byte; SIZE - RESERVED]);
        loop {
            for fill in &fills {
                theirs.write(theirs.all(), fill).unwrap();
            }
            WRITTEN.store(true, Ordering::Release);
        }
    });
    while !WRITTEN.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    (ours, file)
}

fuzz_target!(|data: &[u8]| {
    let (ours, _) = LazyLock::force(&FILE);
    bounded(data.len(), COST, || {
        for [what, a, b, c, d, e, f, g, h] in data.as_chunks::<9>().0 {
            let span = Span {
                offset: u32::from_le_bytes([*a, *b, *c, *d]),
                length: u32::from_le_bytes([*e, *f, *g, *h]),
            };
            match what % 4 {
                0 => write(ours, span),
                1 => behind(ours, span),
                _ => read(ours, span),
            }
        }
    });
    // The word that says which call was given up: none.
    assert!(ours.is_cancelled(0));
});

fn is_inside(span: Span) -> bool {
    let (offset, length) = (span.offset as usize, span.length as usize);
    offset >= RESERVED && offset.is_multiple_of(8) && offset + length <= SIZE
}

fn read(arena: &Arena, span: Span) {
    let length = span.length as usize;
    let due = length <= MOST && (is_inside(span) || length == 0);
    match arena.read(span, MOST) {
        Err(_) => assert!(!due, "{span:?}"),
        Ok(copy) => {
            assert!(due && copy.len() == length, "{span:?}");
            for word in copy.chunks(8) {
                assert!(is_written(word), "{word:02x?} of {span:?}");
            }
        }
    }
}

/// Whether a word was written whole; our last of a span may end in zeros.
fn is_written(word: &[u8]) -> bool {
    let all = |byte: u8| word.iter().all(|one| *one == byte);
    let ended = word.iter().skip_while(|byte| **byte == OURS);
    THEIRS.into_iter().any(all) || ended.into_iter().all(|byte| *byte == 0)
}

fn write(arena: &Arena, span: Span) {
    static BYTES: [u8; MOST] = [OURS; MOST];
    let Some(bytes) = BYTES.get(..span.length as usize) else {
        return;
    };
    assert_eq!(
        arena.write(span, bytes).is_ok(),
        is_inside(span),
        "{span:?}"
    );
    // As many bytes as are stated, and no others.
    let other = &BYTES[..usize::from(bytes.is_empty())];
    assert!(arena.write(span, other).is_err(), "{span:?}");
}

/// What is behind a span of the arena lies in the arena, and behind it.
fn behind(arena: &Arena, span: Span) {
    if !is_inside(span) {
        return;
    }
    let rest = arena.behind(span);
    let end = u64::from(span.offset) + u64::from(span.length);
    assert!(rest.length == 0 || u64::from(rest.offset) >= end && is_inside(rest));
}
