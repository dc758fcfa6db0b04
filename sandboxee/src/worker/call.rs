//! What a method sees of the call it serves.

use doorward_protocol::{
    arena::{Arena, ArenaError, Span},
    call::{self as frame, LONGEST_BODY},
    codec::{self, CodecError},
};
use serde::{Serialize, de::DeserializeOwned};

/// How the host is asked in the middle of a call.
pub trait Link {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`AskError`].
    fn ask(&mut self, id: u32, question: &[u8]) -> Result<Vec<u8>, AskError>;
}

/// Why a question was not answered. The host ends a worker that asks more often than it allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The question does not fit a frame.
    #[error("the question is too long")]
    TooLong,
    /// The host is gone.
    #[error("the host is gone")]
    Gone,
    /// The answer is of another type.
    #[error("the answer cannot be decoded")]
    Answer(#[source] CodecError),
}

/// The output has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an output of {length} bytes does not fit the {room} that are left in the arena")]
pub struct OutputError {
    /// Bytes that were to be put.
    pub length: usize,
    /// Bytes that could be.
    pub room: usize,
}

/// The call that a method serves: its input, its output, and the host.
pub struct Call<'a> {
    arena: &'a Arena,
    asked: frame::Call,
    output: Span,
    link: &'a mut dyn Link,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Call")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

impl<'a> Call<'a> {
    /// A call that came by `link`.
    pub fn new(arena: &'a Arena, asked: &frame::Call, link: &'a mut dyn Link) -> Self {
        Self {
            arena,
            asked: *asked,
            output: Span::default(),
            link,
        }
    }

    /// What the method put out.
    pub fn into_output(self) -> Span {
        self.output
    }

    /// How many bytes of input came with the call.
    #[must_use]
    pub fn input_length(&self) -> usize {
        usize::try_from(self.asked.input.length).unwrap_or(usize::MAX)
    }

    /// A copy of the input.
    ///
    /// # Errors
    /// [`ArenaError`] where the host states what is no part of the arena.
    pub fn input(&self) -> Result<Vec<u8>, ArenaError> {
        self.arena.read(self.asked.input, self.input_length())
    }

    /// How many bytes of output fit.
    #[must_use]
    pub fn room(&self) -> usize {
        usize::try_from(self.asked.room.length).unwrap_or(usize::MAX)
    }

    /// Puts out these bytes, in place of what was put out before.
    ///
    /// # Errors
    /// [`OutputError`] where they do not fit.
    pub fn output(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let full = OutputError {
            length: bytes.len(),
            room: self.room(),
        };
        let length = u32::try_from(bytes.len()).map_err(|_| full)?;
        if length > self.asked.room.length {
            return Err(full);
        }
        let span = Span {
            offset: self.asked.room.offset,
            length,
        };
        self.arena.write(span, bytes).map_err(|_| full)?;
        self.output = span;
        Ok(())
    }

    /// Whether the host has given the call up. What takes long should look now and then, and
    /// return: the host kills a worker that goes on.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.arena.is_cancelled(self.asked.id)
    }

    /// Asks the host, and waits for its answer.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn ask<Q: Serialize, A: DeserializeOwned>(&mut self, question: &Q) -> Result<A, AskError> {
        let mut bytes = vec![0; LONGEST_BODY];
        let length = codec::encode(question, &mut bytes).map_err(|_| AskError::TooLong)?;
        let question = bytes.get(..length).unwrap_or_default();
        let answer = self.link.ask(self.asked.id, question)?;
        codec::decode(&answer, LONGEST_BODY).map_err(AskError::Answer)
    }
}
