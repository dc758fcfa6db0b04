//! Why a call gave nothing.

use std::process::ExitStatus;

use doorward_protocol::{
    arena::ArenaError,
    call::CallFrameError,
    codec::{CodecError, TooLong},
    lane::LaneError,
};
use rustix::io::Errno;

/// What a worker did that no honest one does. It is ended for that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// It sent something before it was asked anything.
    #[error("it sent a frame before it was called")]
    Unasked,
    /// It sent what is no record, too long a record, or descriptors.
    #[error("it sent what is no record of this protocol")]
    Record(#[source] LaneError),
    /// It sent what is no frame.
    #[error("it sent what is no frame")]
    Frame(#[from] CallFrameError),
    /// It replied for another call.
    #[error("it replied for the call {id}, {due} was due")]
    OtherCall {
        /// As it states.
        id: u32,
        /// The call that was made.
        due: u32,
    },
    /// Its output does not lie in the arena, or is longer than the caller takes.
    #[error("its output is not what it may be")]
    Output(#[source] ArenaError),
    /// Its result is not of the method's type.
    #[error("its result cannot be decoded")]
    Result(#[source] CodecError),
    /// It says that the interface lacks what the host calls.
    #[error("it says that it knows neither method nor arguments")]
    Interface,
    /// It asked more often than the caller answers.
    #[error("it asked more than {0} questions")]
    Questions(u32),
    /// Its question is of another type.
    #[error("its question cannot be decoded")]
    Question(#[source] CodecError),
    /// The host's answer does not fit a frame.
    #[error("the answer to its question is too long")]
    Answer(#[source] TooLong),
    /// It does not take what it is sent.
    #[error("it does not read what it is sent")]
    NotReading,
}

/// How a worker ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Death {
    /// Its exit status, where the launcher told it.
    pub status: Option<ExitStatus>,
    /// Why it could not be started; a worker says this itself, so it is hostile text, without
    /// control characters.
    pub failure: Option<String>,
}

impl std::fmt::Display for Death {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.failure, self.status) {
            (Some(failure), _) => write!(formatter, "{failure}"),
            (None, Some(status)) => write!(formatter, "{status}"),
            (None, None) => formatter.write_str("its status is not known"),
        }
    }
}

/// Why a call gave nothing. But for [`CallError::Arguments`], [`CallError::Input`],
/// [`CallError::Room`] and [`CallError::ResultTooLong`] the worker is ended by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The arguments do not fit a frame.
    #[error("the arguments are too long; give what is large as input")]
    Arguments(#[source] TooLong),
    /// The input does not fit the arena.
    #[error(
        "the input of {length} bytes does not fit the arena; make that larger than {size} bytes"
    )]
    Input {
        /// Of the input.
        length: usize,
        /// Of the arena.
        size: usize,
    },
    /// There is no room for the output that the caller takes.
    #[error("the arena has {room} bytes left for an output of up to {most}; make it larger")]
    Room {
        /// What is left behind the input.
        room: usize,
        /// What the caller takes.
        most: usize,
    },
    /// The worker has a result that is longer than the caller takes.
    #[error("the result is longer than the caller takes")]
    ResultTooLong,
    /// The worker ended before it replied.
    #[error("the worker ended in the middle of a call: {0}")]
    Died(Death),
    /// The worker did what no honest one does.
    #[error("the worker broke the protocol")]
    Breach(#[from] Breach),
    /// There was no reply in time.
    #[error("the worker did not reply in time")]
    Late,
    /// The host gave the call up.
    #[error("the call was given up")]
    Cancelled,
    /// The worker was ended by an earlier call.
    #[error("the worker was ended by an earlier call")]
    Over,
    /// All workers of the pool were busy until the deadline.
    #[error("all workers are busy; give the pool more places, or the call more time")]
    Busy,
    /// Workers of this tenant died one after the other, and it does not wait for another.
    #[error("the workers of this tenant keep dying; the next is to be had in {0:?}")]
    CrashLoop(std::time::Duration),
    /// No worker could be had.
    #[error("no worker could be started: {0}")]
    Start(String),
    /// The kernel refused to wait.
    #[error("cannot wait for the worker")]
    System(#[source] Errno),
}

impl CallError {
    /// Whether the worker can be called again after it.
    #[must_use]
    pub fn spares_the_worker(&self) -> bool {
        matches!(
            self,
            Self::Arguments(_) | Self::Input { .. } | Self::Room { .. } | Self::ResultTooLong
        )
    }

    /// Whether the worker ended by what it was called with, or by itself.
    pub(super) fn blames_the_worker(&self) -> bool {
        matches!(self, Self::Died(_) | Self::Breach(_) | Self::Late)
    }
}
