//! The first frames of a lane: what the client speaks, and what the broker offers.

use serde::{Deserialize, Serialize};

use crate::{
    frame::{LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME},
    operation::{Fronts, Operation, TABLE},
};

/// The version of the protocol. Both sides must have the same.
pub const VERSION: u16 = 1;
/// What a hello begins with.
pub const MAGIC: u32 = u32::from_le_bytes(*b"DWRD");
/// Largest body of a hello or welcome in bytes.
pub const HELLO_LIMIT: usize = 256;

/// What a client says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`MAGIC`].
    pub magic: u32,
    /// The version it speaks.
    pub version: u16,
    /// The longest frame it takes, in bytes.
    pub message_limit: u32,
}

impl Hello {
    /// The hello of this version.
    pub fn new() -> Self {
        Self {
            magic: MAGIC,
            version: VERSION,
            message_limit: size(LONGEST_REPLY_FRAME),
        }
    }
}

impl Default for Hello {
    fn default() -> Self {
        Self::new()
    }
}

/// What the broker answers to a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version it speaks.
    pub version: u16,
    /// The longest frame it takes, in bytes.
    pub message_limit: u32,
    /// How many requests may be in flight on this lane.
    pub in_flight: u32,
    /// How many directory handles this lane may have.
    pub handles: u32,
    /// A bit for each code that may be asked.
    pub operations: [u64; 4],
}

impl Welcome {
    /// What a broker of this version offers.
    pub fn new(in_flight: u32, handles: u32) -> Self {
        let mut operations = [0; 4];
        for row in TABLE.iter().filter(|row| row.fronts != Fronts::Notify) {
            let (word, bit) = place(row.operation);
            if let Some(word) = operations.get_mut(word) {
                *word |= bit;
            }
        }
        Self {
            version: VERSION,
            message_limit: size(LONGEST_REQUEST_FRAME),
            in_flight,
            handles,
            operations,
        }
    }

    /// Whether an operation is offered.
    pub fn offers(&self, operation: Operation) -> bool {
        let (word, bit) = place(operation);
        self.operations
            .get(word)
            .is_some_and(|word| word & bit != 0)
    }
}

fn place(operation: Operation) -> (usize, u64) {
    let code = operation.code();
    (usize::from(code >> 6), 1 << (code & 63))
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_other_front_are_not_offered() {
        let welcome = Welcome::new(4, 256);
        for row in TABLE {
            assert_eq!(
                welcome.offers(row.operation),
                row.fronts != Fronts::Notify,
                "{}",
                row.name
            );
        }
    }
}
