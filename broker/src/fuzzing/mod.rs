//! What the fuzz targets reach beyond the public face. Only their build (`--cfg fuzzing`) has it.

pub mod kernel;

use std::net::SocketAddr;

pub use crate::files::model::wander::Worlds;
use crate::{
    net::Given,
    worker::{Answer, CallError, Connection, Tainted, Terms},
};

/// A socket address as the broker reads it.
#[derive(Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4 or IPv6.
    Internet(SocketAddr),
    /// A UNIX name of the file system.
    Path(Vec<u8>),
    /// An abstract UNIX name.
    Abstract(Vec<u8>),
    /// Another family.
    Other(u16),
}

/// Reads a socket address; none for what is refused.
pub fn address(bytes: &[u8]) -> Option<Address> {
    Some(match Given::read(bytes).ok()? {
        Given::Internet(address) => Address::Internet(address),
        Given::Path(path) => Address::Path(path),
        Given::Abstract(name) => Address::Abstract(name),
        Given::Other(family) => Address::Other(family),
    })
}

/// One call whose worker says these records, some with a descriptor beside them, and ends: what
/// the host makes of it, of type `R`.
/// Output up to `output` bytes is taken, results up to `result`, and `questions` are answered.
///
/// # Errors
/// [`CallError`]: most records are no reply.
pub fn call<'a, R: serde::de::DeserializeOwned>(
    records: impl Iterator<Item = (&'a [u8], bool)>,
    (output, result, questions): (usize, usize, u32),
) -> Result<Answer<R>, CallError> {
    let pair = Connection::pair(ARENA).map_err(|error| CallError::Start(error.to_string()))?;
    let (mut connection, worker, arena) = pair;
    let mut terms = Terms::within(std::time::Duration::from_secs(20))
        .output_up_to(output)
        .result_up_to(result)
        .answering(questions, |question: Tainted<u32>| {
            question.whatever_it_is()
        });
    let reply = connection.told((worker, arena), records, &mut terms)?;
    reply.decoded().map(Tainted::whatever_it_is)
}

/// Bytes of the arena of such a call.
pub const ARENA: usize = 64 << 10;
