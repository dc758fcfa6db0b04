//! Random system calls: mostly those that the broker is notified of.

use std::path::Path;

use doorward_policy::filter::Arch;
use doorward_protocol::operation::TABLE;

use super::{Random, name, sys};

/// Calls in a row.
const BURST: usize = 300;
/// Numbers of calls that exist, about.
const NUMBERS: usize = 470;
/// They end the attacker, or make it wait.
const IDLE: [&str; 12] = [
    "exit",
    "exit_group",
    "kill",
    "tkill",
    "tgkill",
    "pause",
    "rt_sigsuspend",
    "rt_sigprocmask",
    "rt_sigtimedwait",
    "rt_sigreturn",
    "arch_prctl",
    "vfork",
];

pub(super) fn burst(directory: &Path, random: &mut Random) {
    let arch = Arch::native();
    let tabled: Vec<u32> = TABLE
        .iter()
        .flat_map(|row| row.calls)
        .filter_map(|call| arch.number(call.name))
        .collect();
    let idle: Vec<u32> = IDLE.iter().filter_map(|name| arch.number(name)).collect();
    // What pointers lead to; a call may write there.
    let mut memory = vec![vec![0_u8; 8192]; 6];
    for _ in 0..random.below(BURST) {
        let number = match random.below(8) {
            0 => u32::try_from(random.below(NUMBERS)).unwrap(),
            _ => *random.choose(&tabled),
        };
        // Few processes may be made, so that the limit is met but not always.
        let forks = ["fork", "clone", "clone3"].map(|name| arch.number(name));
        if idle.contains(&number) || (forks.contains(&Some(number)) && !random.once_in(50)) {
            continue;
        }
        for place in &mut memory {
            if random.once_in(2) {
                continue;
            }
            let mut content = match random.below(6) {
                0 => random.bytes(160),
                1 => address(directory, random),
                _ => name(directory, random),
            };
            content.push(0);
            content.truncate(place.len());
            place[..content.len()].copy_from_slice(&content);
        }
        let arguments = std::array::from_fn(|_| register(&memory, random));
        sys::call(number, arguments);
    }
}

fn register(memory: &[Vec<u8>], random: &mut Random) -> u64 {
    const FLAGS: [u64; 20] = [
        0,
        1,
        2,
        3,
        5,
        6,
        7,
        0o100,
        0o101,
        0o102,
        0o1101,
        0x100,
        0x200,
        0x1000,
        0o200_000,
        0o400_000,
        0o2_000_000,
        16,
        24,
        110,
    ];
    match random.below(10) {
        0..4 => random.choose(memory).as_ptr().expose_provenance() as u64,
        4 | 5 => *random.choose(&FLAGS),
        6 => u64::try_from(random.below(40)).unwrap(),
        7 => u64::from((-100_i32).cast_unsigned()),
        8 => u64::MAX - u64::try_from(random.below(5)).unwrap(),
        _ => random.number(),
    }
}

/// A socket address, mostly of a family that the broker knows.
fn address(directory: &Path, random: &mut Random) -> Vec<u8> {
    let family: u16 = *random.choose(&[0, 1, 2, 10, 16, 40]);
    let rest = match family {
        1 => name(directory, random),
        2 => [&[0, 9, 127, 0, 0, 1][..], &[0; 8]].concat(),
        _ => random.bytes(30),
    };
    [&family.to_ne_bytes()[..], &rest].concat()
}
