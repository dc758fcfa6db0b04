//! The memory of one thread, read once and written while it waits.
//!
//! A copy is used only after the notification's id was validated.

use doorward_protocol::syscall::{self, PATH_BYTES};
use rustix::io::Errno;

use crate::sys::memory;

/// The memory of one thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) thread: i32,
}

impl Memory {
    /// Writes all of `bytes`, into writable mappings only.
    ///
    /// # Errors
    /// `EFAULT` when not all can be written.
    pub(super) fn write(self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        memory::write(self.thread, address, bytes)
    }
}

impl syscall::Memory for Memory {
    type Bytes = Vec<u8>;

    fn string(&self, address: u64) -> Result<Vec<u8>, Errno> {
        let mut room = [0; PATH_BYTES];
        let read = |at, piece: &mut [u8]| memory::read(self.thread, at, piece);
        let length = syscall::string(address, &mut room, read)?;
        Ok(room.get(..length).unwrap_or_default().to_vec())
    }

    fn bytes(&self, address: u64, length: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0_u8; length];
        match memory::read(self.thread, address, &mut bytes)? {
            count if count == length => Ok(bytes),
            _ => Err(Errno::FAULT),
        }
    }
}
