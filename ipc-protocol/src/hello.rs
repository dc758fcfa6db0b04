//! The first frames of a lane: what the client speaks, and what the broker offers.

use serde::{Deserialize, Serialize};

use crate::{
    frame::{LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME},
    operation::{Operation, TABLE},
};

/// The version of the protocol. Both sides must have the same.
pub const VERSION: u16 = 2;
/// What a hello begins with.
pub const MAGIC: u32 = u32::from_le_bytes(*b"DWRD");
/// Largest body of a hello or welcome in bytes.
pub const HELLO_LIMIT: usize = 256;

/// By which front a lane asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaneFront {
    /// Typed calls: directories by handle, no working directory.
    Api,
    /// System calls: directories and descriptors are those of the process that said hello,
    /// and every record has to come from it.
    Trap,
}

impl LaneFront {
    /// Its name in audit records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Trap => "trap",
        }
    }
}

/// What a client says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`MAGIC`].
    pub magic: u32,
    /// The version it speaks.
    pub version: u16,
    /// The longest frame it takes, in bytes.
    pub message_limit: u32,
    /// How it will ask.
    pub front: LaneFront,
}

impl Hello {
    /// The hello of this version.
    pub fn new(front: LaneFront) -> Self {
        Self {
            magic: MAGIC,
            version: VERSION,
            message_limit: size(LONGEST_REPLY_FRAME),
            front,
        }
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
    /// What a broker of this version offers a lane of this front.
    pub fn new(front: LaneFront, in_flight: u32, handles: u32) -> Self {
        let mut operations = [0; 4];
        for row in TABLE.iter().filter(|row| row.is_asked_by(front)) {
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
    fn rows_of_another_front_are_not_offered() {
        for front in [LaneFront::Api, LaneFront::Trap] {
            let welcome = Welcome::new(front, 4, 256);
            for row in TABLE {
                assert_eq!(
                    welcome.offers(row.operation),
                    row.is_asked_by(front),
                    "{}",
                    row.name
                );
            }
        }
        let offered = |front, operation| Welcome::new(front, 4, 256).offers(operation);
        assert!(offered(LaneFront::Api, Operation::Lane));
        assert!(!offered(LaneFront::Trap, Operation::Lane));
        assert!(offered(LaneFront::Trap, Operation::Lock));
        assert!(!offered(LaneFront::Api, Operation::Lock));
        assert!(!offered(LaneFront::Trap, Operation::Exec));
    }
}
