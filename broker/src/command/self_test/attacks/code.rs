//! Code that an attempt brings with it.

use crate::self_test::sys;

/// A function that answers 42.
#[cfg(target_arch = "x86_64")]
pub(in crate::self_test) const FUNCTION: &[u8] = &[0xb8, 42, 0, 0, 0, 0xc3];
/// A function that answers 42.
#[cfg(target_arch = "aarch64")]
pub(in crate::self_test) const FUNCTION: &[u8] = &[0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6];

/// Calls exit(42).
#[cfg(target_arch = "x86_64")]
const EXIT: &[u8] = &[0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05];
/// Calls exit(42).
#[cfg(target_arch = "aarch64")]
const EXIT: &[u8] = &[
    0x40, 0x05, 0x80, 0x52, 0xa8, 0x0b, 0x80, 0x52, 0x01, 0x00, 0x00, 0xd4,
];

/// Of the ELF header and of the program header behind it.
const HEADERS: u16 = 64 + 56;

/// An executable file of one page that ends with status 42.
pub(in crate::self_test) fn program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    let machine: u16 = if cfg!(target_arch = "aarch64") {
        183
    } else {
        62
    };
    let length = u64::from(HEADERS).saturating_add(EXIT.len() as u64);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut add = |bytes: &[u8]| file.extend_from_slice(bytes);
    add(&2_u16.to_le_bytes());
    add(&machine.to_le_bytes());
    add(&1_u32.to_le_bytes());
    add(&(BASE | u64::from(HEADERS)).to_le_bytes());
    add(&64_u64.to_le_bytes());
    add(&0_u64.to_le_bytes());
    add(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        add(&half.to_le_bytes());
    }
    // One segment, loaded for reading and running.
    add(&1_u32.to_le_bytes());
    add(&5_u32.to_le_bytes());
    for word in [0, BASE, BASE, length, length, 0x1000] {
        add(&word.to_le_bytes());
    }
    add(EXIT);
    file
}

/// Maps one page of nothing; 0 if that is refused.
pub(in crate::self_test) fn page(protection: i32) -> u64 {
    let flags = super::bits(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let arguments = [0, 4096, super::bits(protection), flags, u64::MAX, 0];
    u64::try_from(sys::call(libc::SYS_mmap, &arguments)).unwrap_or(0)
}
