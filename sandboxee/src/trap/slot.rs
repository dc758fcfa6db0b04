//! A slot: all that one operation needs, so that it shares nothing with another.

use doorward_protocol::{
    frame::{HEADER, LONGEST_REPLY_FRAME},
    polling::Polling,
    syscall::PATH_BYTES,
};

use super::{memory::Pipe, sys::Owned};

/// The longest frame of a call that traps: two paths.
pub(super) const FRAME: usize = HEADER + 2 * PATH_BYTES + 128;
const _: () = assert!(FRAME >= LONGEST_REPLY_FRAME);

/// A descriptor of ours, and what it was when it was made: the program may have closed it and
/// opened another in its place. Number and inode 0 are none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) number: i32,
    pub(super) inode: u64,
}

/// What a slot keeps from one operation to the next.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) lane: Own,
    pub(super) pipe: Pipe,
    pub(super) id: u32,
    pub(super) polling: Polling,
}

/// Room for what is copied and sent.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) one: [u8; PATH_BYTES],
    pub(super) two: [u8; PATH_BYTES],
    pub(super) frame: [u8; FRAME],
}

/// A slot. All zero is a fresh one.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) kept: Owned<Kept>,
    pub(super) room: Owned<Room>,
}
