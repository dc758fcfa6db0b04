//! Why a call failed.

use doorward_protocol::{frame::FrameError, lane::LaneError};
use rustix::io::Errno;

/// Why a call failed. After [`ClientError::Protocol`] and [`ClientError::Gone`] the client
/// is closed, and every further call is [`ClientError::Gone`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Denied, or not done. Which rule denied it is in the audit log.
    #[error("the operation was denied or failed: {0}")]
    Errno(Errno),
    /// The broker does not keep to the protocol.
    #[error("the broker does not keep to the protocol")]
    Protocol(#[source] Broken),
    /// This program was not left a lane.
    #[error(
        "no lane was left for this program: DOORWARD_LANE names none; run it by doorward under a policy that says front = \"api\", and begin on the lane once"
    )]
    NoLane,
    /// The broker is gone, or silent for too long.
    #[error("the broker is gone")]
    Gone,
}

/// What a broker did that none of this protocol does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A reply that is no frame, or not of the request asked.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A record that could not be received, or came with more than is due.
    #[error(transparent)]
    Lane(LaneError),
    /// The versions differ.
    #[error("it speaks version {theirs}, this client version {ours}; use both from one release")]
    Version {
        /// The client's.
        ours: u16,
        /// The broker's.
        theirs: u16,
    },
    /// A directory was granted without a handle.
    #[error("it granted a directory without a handle")]
    Handle,
    /// A value that no such operation answers.
    #[error("it answered with a value that the operation does not have")]
    Value,
}

impl From<LaneError> for ClientError {
    fn from(error: LaneError) -> Self {
        match error {
            LaneError::Gone | LaneError::NotReady => Self::Gone,
            error => Self::Protocol(Broken::Lane(error)),
        }
    }
}
