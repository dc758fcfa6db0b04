//! Arenas: memory that a host shares with one worker, for what is too large for a record.
//!
//! The other side may change any of it at any time. Safe, because its file is sealed, so that
//! it can neither shrink nor grow; a [`Span`] is checked before anything is allocated or
//! touched; and bytes are copied out once, as atomic words, before anybody looks at them.

#[allow(unsafe_code, reason = "shared memory is mapped here alone")]
mod sys;

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create},
    io::Errno,
};

/// The first bytes of an arena, which no span may touch: the first word says which call the
/// host gave up.
pub const RESERVED: usize = 64;
/// The largest arena, in bytes.
pub const LARGEST: usize = 1 << 30;
const WORD: usize = 8;
const SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);

/// A part of an arena, as one side states it to the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first byte, a multiple of 8.
    pub offset: u32,
    /// How many bytes.
    pub length: u32,
}

/// Why there is no arena, or no such part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArenaError {
    /// It is to be larger than any, or smaller than its reserved part.
    #[error("an arena of {0} bytes cannot be; use from 4096 bytes to 1 GiB")]
    Size(u64),
    /// The file could still change its size.
    #[error("the arena's file is not sealed")]
    Unsealed,
    /// The kernel refused.
    #[error("cannot make or map the arena")]
    System(#[source] Errno),
    /// A span does not lie within it.
    #[error("{length} bytes at {offset} do not lie within an arena of {size} bytes")]
    Outside {
        /// As stated.
        offset: u32,
        /// As stated.
        length: u32,
        /// Of the arena.
        size: usize,
    },
    /// A span is longer than is allowed here.
    #[error("{length} bytes were stated where {most} are allowed")]
    TooLong {
        /// As stated.
        length: usize,
        /// The bound.
        most: usize,
    },
}

#[derive(Debug)]
enum Words {
    Shared(sys::Mapping),
    Own(Box<[AtomicU64]>),
}

/// An arena, as one of its two sides has it.
#[derive(Debug)]
pub struct Arena(Words);

impl Arena {
    /// Makes one of at least so many bytes, and the file of it for the other side.
    ///
    /// # Errors
    /// [`ArenaError::Size`] or [`ArenaError::System`].
    pub fn create(bytes: usize) -> Result<(Self, OwnedFd), ArenaError> {
        let words = words(bytes)?;
        let size = u64::try_from(words.saturating_mul(WORD)).unwrap_or(u64::MAX);
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let made = memfd_create(c"doorward-arena", flags | MemfdFlags::NOEXEC_SEAL);
        // That flag is known since Linux 6.3.
        let file = match made {
            Err(Errno::INVAL) => memfd_create(c"doorward-arena", flags),
            other => other,
        };
        let file = file.map_err(ArenaError::System)?;
        ftruncate(&file, size).map_err(ArenaError::System)?;
        fcntl_add_seals(&file, SEALS).map_err(ArenaError::System)?;
        let mapping = sys::Mapping::new(file.as_fd(), words).map_err(ArenaError::System)?;
        Ok((Self(Words::Shared(mapping)), file))
    }

    /// Maps one that the other side made.
    ///
    /// # Errors
    /// [`ArenaError`] where the file is not sealed or cannot be mapped.
    pub fn map(file: BorrowedFd<'_>) -> Result<Self, ArenaError> {
        let seals = fcntl_get_seals(file).map_err(ArenaError::System)?;
        if !seals.contains(SEALS) {
            return Err(ArenaError::Unsealed);
        }
        let size = fstat(file).map_err(ArenaError::System)?.st_size;
        let size = u64::try_from(size).unwrap_or(0);
        let words = words(usize::try_from(size).map_err(|_| ArenaError::Size(size))?)?;
        let mapping = sys::Mapping::new(file, words).map_err(ArenaError::System)?;
        Ok(Self(Words::Shared(mapping)))
    }

    /// One of this process's own memory, for a worker in the same process.
    ///
    /// # Errors
    /// [`ArenaError::Size`].
    pub fn own(bytes: usize) -> Result<Self, ArenaError> {
        let words = std::iter::repeat_with(AtomicU64::default).take(words(bytes)?);
        Ok(Self(Words::Own(words.collect())))
    }

    fn words(&self) -> &[AtomicU64] {
        match &self.0 {
            Words::Shared(words) => words,
            Words::Own(words) => words,
        }
    }

    /// Its size in bytes, the reserved part included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.words().len().saturating_mul(WORD)
    }

    /// All of it but the reserved part.
    #[must_use]
    pub fn all(&self) -> Span {
        let length = self.size().saturating_sub(RESERVED);
        Span {
            offset: u32::try_from(RESERVED).unwrap_or(u32::MAX),
            length: u32::try_from(length).unwrap_or(u32::MAX),
        }
    }

    /// What is left of it behind a span.
    #[must_use]
    pub fn behind(&self, span: Span) -> Span {
        let end = span.offset.saturating_add(span.length);
        let offset = end.checked_next_multiple_of(8).unwrap_or(u32::MAX);
        let size = u32::try_from(self.size()).unwrap_or(u32::MAX);
        Span {
            offset: offset.min(size),
            length: size.saturating_sub(offset),
        }
    }

    /// Says that the host has given up a call.
    pub fn cancel(&self, id: u32) {
        if let Some(word) = self.words().first() {
            word.store(u64::from(id), Ordering::Release);
        }
    }

    /// Whether the host has given up this call.
    #[must_use]
    pub fn is_cancelled(&self, id: u32) -> bool {
        let first = self.words().first();
        first.is_some_and(|word| word.load(Ordering::Acquire) == u64::from(id))
    }

    /// The words of a span that lies within the arena.
    fn part(&self, span: Span) -> Result<&[AtomicU64], ArenaError> {
        let outside = ArenaError::Outside {
            offset: span.offset,
            length: span.length,
            size: self.size(),
        };
        let (Ok(offset), Ok(length)) = (usize::try_from(span.offset), usize::try_from(span.length))
        else {
            return Err(outside);
        };
        if offset < RESERVED || !offset.is_multiple_of(WORD) {
            return Err(outside);
        }
        let first = offset.checked_div(WORD).ok_or(outside)?;
        let end = first.checked_add(length.div_ceil(WORD)).ok_or(outside)?;
        self.words().get(first..end).ok_or(outside)
    }

    /// Copies bytes into a span of the same length.
    ///
    /// # Errors
    /// [`ArenaError`]; nothing was written then.
    pub fn write(&self, span: Span, bytes: &[u8]) -> Result<(), ArenaError> {
        let part = self.part(span)?;
        if usize::try_from(span.length) != Ok(bytes.len()) {
            return Err(ArenaError::TooLong {
                length: bytes.len(),
                most: usize::try_from(span.length).unwrap_or(usize::MAX),
            });
        }
        let (whole, rest) = bytes.as_chunks::<WORD>();
        for (word, bytes) in part.iter().zip(whole) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        if let Some(word) = part.get(whole.len()) {
            let mut last = [0_u8; WORD];
            for (to, from) in last.iter_mut().zip(rest) {
                *to = *from;
            }
            word.store(u64::from_ne_bytes(last), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Copies the bytes of a span out, at most so many.
    ///
    /// # Errors
    /// [`ArenaError`]; nothing was allocated then.
    pub fn read(&self, span: Span, most: usize) -> Result<Vec<u8>, ArenaError> {
        let length = usize::try_from(span.length).unwrap_or(usize::MAX);
        if length > most {
            return Err(ArenaError::TooLong { length, most });
        }
        if length == 0 {
            return Ok(Vec::new());
        }
        let part = self.part(span)?;
        let mut bytes = vec![0_u8; length];
        let (whole, rest) = bytes.as_chunks_mut::<WORD>();
        let mut words = part.iter();
        for (to, word) in whole.iter_mut().zip(words.by_ref()) {
            *to = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        if let Some(word) = words.next() {
            let last = word.load(Ordering::Relaxed).to_ne_bytes();
            for (to, from) in rest.iter_mut().zip(last) {
                *to = from;
            }
        }
        Ok(bytes)
    }
}

/// How many words an arena of so many bytes has.
fn words(bytes: usize) -> Result<usize, ArenaError> {
    if !(4096..=LARGEST).contains(&bytes) {
        return Err(ArenaError::Size(u64::try_from(bytes).unwrap_or(u64::MAX)));
    }
    Ok(bytes.div_ceil(WORD))
}
