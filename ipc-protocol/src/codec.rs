//! The bounded codec, the only file that names bincode.
//!
//! It trusts nothing: an input longer than its row's limit is refused before it
//! is looked at, a length inside it can never exceed the input, values lie at most
//! 128 deep in each other, and bytes that are left over are an error.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::{Deserialize, Serialize};

use crate::steps::Bounded;

/// The most bytes any message may have.
pub const MESSAGE_LIMIT: usize = 128 * 1024;

/// What can be wrong with a message.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum CodecError {
    /// It does not fit the buffer or the limit.
    #[error("the message does not fit in {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// It is not a value of the type expected.
    #[error("the message cannot be decoded: {0}")]
    Malformed(String),
    /// Bytes are left after the value.
    #[error("{0} bytes are left after the message")]
    Trailing(usize),
}

/// A message does not fit. Unlike a [`CodecError`] it owns nothing, so that whoever may not free
/// can meet it.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("the message does not fit in {limit} bytes")]
pub struct TooLong {
    /// The limit in bytes.
    pub limit: usize,
}

impl From<TooLong> for CodecError {
    fn from(TooLong { limit }: TooLong) -> Self {
        Self::TooLong { limit }
    }
}

const CONFIGURATION: Configuration<LittleEndian, Fixint, Limit<MESSAGE_LIMIT>> =
    bincode::config::standard()
        .with_little_endian()
        .with_fixed_int_encoding()
        .with_limit::<MESSAGE_LIMIT>();

/// Decodes a value that borrows from `bytes`; all of `bytes` must be used.
///
/// # Errors
/// [`CodecError`] when it is too long, malformed, or followed by other bytes.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], limit: usize) -> Result<T, CodecError> {
    if bytes.len() > limit.min(MESSAGE_LIMIT) {
        return Err(CodecError::TooLong { limit });
    }
    let within = Bounded::new(bytes.len());
    let (value, used) = bincode::serde::seed_decode_from_slice(within, bytes, CONFIGURATION)
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    match bytes.len().saturating_sub(used) {
        0 => Ok(value),
        left => Err(CodecError::Trailing(left)),
    }
}

/// Encodes into `buffer` and returns how many bytes were used; neither allocates nor frees.
///
/// # Errors
/// [`TooLong`] when it does not fit.
pub fn encode<T: Serialize>(value: &T, buffer: &mut [u8]) -> Result<usize, TooLong> {
    let limit = buffer.len();
    let encoded = bincode::serde::encode_into_slice(value, buffer, CONFIGURATION);
    encoded.map_err(|error| {
        // Only errors of values that refuse to be encoded own anything; ours do not refuse.
        std::mem::forget(error);
        TooLong { limit }
    })
}

/// Encodes into a fresh vector, for messages between our own trusted processes, without a limit.
///
/// # Errors
/// [`CodecError::Malformed`] when the value cannot be represented.
pub fn encode_trusted<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .map_err(|error| CodecError::Malformed(error.to_string()))
}

/// Decodes what [`encode_trusted`] made.
///
/// # Errors
/// [`CodecError`] when it is malformed or followed by other bytes.
pub fn decode_trusted<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, used) = bincode::serde::decode_from_slice(
        bytes,
        bincode::config::standard().with_limit::<{ 64 << 20 }>(),
    )
    .map_err(|error| CodecError::Malformed(error.to_string()))?;
    match bytes.len().saturating_sub(used) {
        0 => Ok(value),
        left => Err(CodecError::Trailing(left)),
    }
}
