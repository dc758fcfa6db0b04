//! Memory of the program, which may be anywhere: the kernel copies it, and says `EFAULT` where
//! there is none.
//!
//! A pipe is what it copies through: unlike a file it is bounded by no limit of the policy's.

use doorward_protocol::syscall::{self, PATH_BYTES};
use rustix::io::Errno;

use super::{
    lanes::{self, signed},
    slot::{Own, Room},
    sys::{self, call},
};

/// Bytes that go through the pipe at once: whatever its size, they fit.
const PIECE: usize = 2048;

/// Both ends of the pipe of a slot.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    pub(super) reader: Own,
    pub(super) writer: Own,
}

/// The number of an end, which is 0 when a fork has wiped it in the midst of an operation.
fn in_hand(end: Own) -> Result<u64, Errno> {
    match end.number {
        0 => Err(Errno::INTR),
        number => Ok(signed(number)),
    }
}

impl Pipe {
    /// Whether it is there, and ours.
    pub(super) fn is_own(&self) -> bool {
        lanes::is_own(self.reader) && lanes::is_own(self.writer)
    }

    /// Makes it, or makes it anew where it is no longer ours.
    pub(super) fn prepare(&mut self) -> Result<(), Errno> {
        if self.is_own() {
            return Ok(());
        }
        self.close();
        let flags = signed(libc::O_CLOEXEC | libc::O_NONBLOCK);
        let mut ends = [0_i32; 2];
        call(
            libc::SYS_pipe2,
            [sys::address_mut(&mut ends), flags, 0, 0, 0, 0],
        )?;
        let [reader, writer] = ends;
        self.reader = lanes::out_of_the_way(reader);
        self.writer = lanes::out_of_the_way(writer);
        Ok(())
    }

    /// Closes what of it is still ours.
    pub(super) fn close(&mut self) {
        for end in [&mut self.reader, &mut self.writer] {
            lanes::close(std::mem::take(end));
        }
    }

    fn write(&self, address: u64, length: usize) -> Result<usize, Errno> {
        let length = u64::try_from(length).map_err(|_| Errno::FAULT)?;
        let end = in_hand(self.writer)?;
        let written = call(libc::SYS_write, [end, address, length, 0, 0, 0])?;
        usize::try_from(written).map_err(|_| Errno::FAULT)
    }

    fn read(&self, address: u64, length: usize) -> Result<usize, Errno> {
        let length = u64::try_from(length).map_err(|_| Errno::FAULT)?;
        let end = in_hand(self.reader)?;
        let read = call(libc::SYS_read, [end, address, length, 0, 0, 0])?;
        usize::try_from(read).map_err(|_| Errno::FAULT)
    }

    /// Takes out what a copy that failed has left.
    fn drain(&self) {
        let mut piece = [0_u8; 256];
        let length = piece.len();
        while self
            .read(sys::address_mut(&mut piece), length)
            .is_ok_and(|count| count > 0)
        {}
    }

    /// Copies from `address` as much as there is of at most `into`.
    pub(super) fn copy_in(&self, address: u64, into: &mut [u8]) -> Result<usize, Errno> {
        let written = self.write(address, into.len())?;
        let read = self.read(sys::address_mut(into), written)?;
        if read == written {
            Ok(read)
        } else {
            self.drain();
            Err(Errno::FAULT)
        }
    }

    /// Copies all of `bytes` to `address`.
    ///
    /// # Errors
    /// `EFAULT`; a part may have been written.
    pub(super) fn copy_out(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let mut at = address;
        for piece in bytes.chunks(PIECE) {
            let written = self.write(sys::address(piece), piece.len())?;
            let read = self.read(at, written);
            if written != piece.len() || read != Ok(written) {
                self.drain();
                return Err(Errno::FAULT);
            }
            let length = u64::try_from(written).map_err(|_| Errno::FAULT)?;
            at = at.checked_add(length).ok_or(Errno::FAULT)?;
        }
        Ok(())
    }

    /// One word.
    pub(super) fn word(&self, address: u64) -> Result<u64, Errno> {
        let mut word = [0_u8; 8];
        match self.copy_in(address, &mut word)? {
            8 => Ok(u64::from_ne_bytes(word)),
            _ => Err(Errno::FAULT),
        }
    }
}

/// The program's memory, read into the room of a slot: two strings at most.
pub(super) struct Copying<'a> {
    pipe: &'a Pipe,
    left: std::cell::Cell<[Option<&'a mut [u8; PATH_BYTES]>; 2]>,
}

impl<'a> Copying<'a> {
    pub(super) fn new(
        pipe: &'a Pipe,
        one: &'a mut [u8; PATH_BYTES],
        two: &'a mut [u8; PATH_BYTES],
    ) -> Self {
        Self {
            pipe,
            left: std::cell::Cell::new([Some(one), Some(two)]),
        }
    }

    fn room(&self) -> Result<&'a mut [u8; PATH_BYTES], Errno> {
        let [one, two] = self.left.take();
        self.left.set([two, None]);
        one.ok_or(Errno::NOMEM)
    }

    fn read(&self, mut at: u64, into: &mut [u8]) -> Result<usize, Errno> {
        let mut length = 0_usize;
        for piece in into.chunks_mut(PIECE) {
            let count = self.pipe.copy_in(at, piece)?;
            length = length.saturating_add(count);
            if count < piece.len() {
                break;
            }
            at = at.saturating_add(u64::try_from(count).unwrap_or_default());
        }
        Ok(length)
    }
}

impl<'a> syscall::Memory for Copying<'a> {
    type Bytes = &'a [u8];

    fn string(&self, address: u64) -> Result<&'a [u8], Errno> {
        let room = self.room()?;
        let length = syscall::string(address, room, |at, piece| self.read(at, piece))?;
        Ok(room.get(..length).unwrap_or_default())
    }

    fn bytes(&self, address: u64, length: usize) -> Result<&'a [u8], Errno> {
        let room: &'a mut [u8] = self.room()?;
        let room = room.get_mut(..length).ok_or(Errno::INVAL)?;
        match self.read(address, room)? {
            count if count == length => Ok(room),
            _ => Err(Errno::FAULT),
        }
    }
}

const _: () = assert!(size_of::<Room>() < 32 * 1024);
