//! Sizes and places that a worker states, and memory that it changes under the host's eyes.

use std::{
    hint::black_box,
    os::fd::AsFd,
    panic::catch_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use doorward_protocol::arena::{Arena, ArenaError, RESERVED, Span};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::{
    super::{Breach, CallError, Terms},
    ARENA, LONG, once,
};

/// Spans that lie: outside, over the end, around the end of numbers, the reserved part, not
/// aligned, and longer than the caller takes.
const LIES: &[(u32, u32)] = &[
    (64, u32::MAX),
    (u32::MAX, u32::MAX),
    (u32::MAX - 7, 64),
    (ARENA as u32, 1),
    (ARENA as u32 - 8, 9),
    (0, 8),
    (56, 8),
    (65, 8),
    (64, 1025),
];

#[test]
fn a_lying_output_is_refused_before_anything_is_allocated() {
    for &(offset, length) in LIES {
        let given = Terms::within(LONG).output_up_to(1024);
        let (result, _) = once(given, move |puppet| {
            let call = puppet.called().unwrap();
            puppet.reply(call.id, Span { offset, length }, 1);
        });
        let refused = matches!(
            result,
            Err(CallError::Breach(Breach::Output(
                ArenaError::Outside { .. } | ArenaError::TooLong { .. }
            )))
        );
        assert!(refused, "{offset} {length}: {result:?}");
    }
    // The control of these: one that does not lie.
    let (result, _) = once(Terms::within(LONG).output_up_to(1024), |puppet| {
        let call = puppet.called().unwrap();
        let span = Span {
            length: 1024,
            ..call.room
        };
        puppet.arena.write(span, &[3; 1024]).unwrap();
        puppet.reply(call.id, span, 1);
    });
    assert_eq!(result.unwrap().whatever_it_is().output, [3; 1024]);
}

/// The control: a host that takes the span as it is stated panics, or reads what is no output.
#[test]
fn control_a_host_that_believes_the_output_is_brought_down() {
    let memory = vec![7_u8; ARENA];
    let mut lost = 0;
    for &(offset, length) in LIES {
        let memory = &memory;
        let read = catch_unwind(|| {
            let end = offset.wrapping_add(length) as usize;
            let output = &memory[offset as usize..end];
            output.len()
        });
        let misled = read.as_ref().is_ok_and(|&length| length > 1024);
        lost += u32::from(read.is_err() || misled);
    }
    assert!(lost >= 5, "{lost}");
}

/// Changes the first word of the output for as long as `stop` says.
fn flip(arena: &Arena, span: Span, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for word in [GOOD, EVIL] {
            arena.write(span, &word.to_ne_bytes()).unwrap();
        }
    }
}

const GOOD: u64 = 1;
const EVIL: u64 = u64::MAX;
const ROUNDS: u32 = 200_000;

/// Reads often while the other side writes; how often a check was passed by `GOOD` and the
/// use met `EVIL`.
fn races(used: impl Fn(&Arena, Span) -> (u64, u64)) -> u32 {
    let (ours, file) = Arena::create(ARENA).unwrap();
    let theirs = Arena::map(file.as_fd()).unwrap();
    let span = Span {
        offset: RESERVED as u32,
        length: 8,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let other = std::thread::spawn(move || flip(&theirs, span, &stopped));
    let mut lost = 0;
    let begun = std::time::Instant::now();
    for round in 0.. {
        let (checked, used) = used(&ours, span);
        lost += u32::from(checked == GOOD && used == EVIL);
        let enough = round > ROUNDS && (lost > 0 || begun.elapsed() > LONG / 20);
        if enough || begun.elapsed() > LONG {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    other.join().unwrap();
    lost
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes.try_into().unwrap())
}

#[test]
fn what_was_copied_out_does_not_change() {
    let lost = races(|arena, span| {
        let copy = arena.read(span, 8).unwrap();
        (word(&copy), word(black_box(&copy)))
    });
    assert_eq!(lost, 0);
}

/// The control: a host that looks into the arena and then uses what lies there.
#[test]
fn control_a_host_that_looks_twice_loses() {
    let lost = races(|arena, span| {
        let checked = word(&arena.read(span, 8).unwrap());
        (checked, word(&arena.read(span, 8).unwrap()))
    });
    println!("lost {lost} times");
    assert!(lost > 0);
}

#[test]
fn an_arena_cannot_be_cut_under_the_host() {
    let (ours, file) = Arena::create(ARENA).unwrap();
    for size in [0, 4096, 2 * ARENA as u64] {
        assert!(ftruncate(&file, size).is_err(), "{size}");
    }
    assert_eq!(
        ours.read(ours.all(), ARENA).unwrap().len(),
        ARENA - RESERVED
    );
    // The control: without seals the file is cut, and mapping it is refused for that.
    let open = memfd_create(c"open", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&open, ARENA as u64).unwrap();
    ftruncate(&open, 4096).unwrap();
    assert_eq!(
        Arena::map(open.as_fd()).map(|_| ()),
        Err(ArenaError::Unsealed)
    );
}

#[test]
fn a_result_cannot_claim_more_than_it_is() {
    let claims = [u64::MAX, 1 << 40, 1 << 20, 17];
    for claimed in claims {
        let bytes = claimed.to_le_bytes();
        let decoded = super::super::decode::<Vec<u8>>(&bytes, bytes.len());
        assert!(decoded.is_err(), "{claimed}");
        let decoded = super::super::decode::<Vec<Vec<u64>>>(&bytes, bytes.len());
        assert!(decoded.is_err(), "{claimed}");
    }
}
