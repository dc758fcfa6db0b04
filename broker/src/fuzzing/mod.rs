//! What the fuzz targets reach beyond the public face. Only their build (`--cfg fuzzing`) has it.

pub mod kernel;

use std::net::SocketAddr;

pub use crate::files::model::wander::Worlds;
use crate::net::Given;

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
