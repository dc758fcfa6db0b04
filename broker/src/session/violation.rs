//! Why a session ends.

use doorward_protocol::{codec::TooLong, frame::FrameError, lane::LaneError};

/// What a client did that no client of this protocol does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A record that is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A record that could not be received whole, or came with more than is due.
    #[error(transparent)]
    Record(#[from] LaneError),
    /// A request before the hello.
    #[error("a request came before the hello")]
    BeforeHello,
    /// A second hello.
    #[error("a second hello came")]
    SecondHello,
    /// The hello is of another protocol.
    #[error("the hello is not one of doorward")]
    Magic,
    /// The client speaks another version.
    #[error("the client speaks version {0} of the protocol; build it with this doorward's crate")]
    Version(u16),
    /// The client takes no frames as long as replies may be.
    #[error("the client takes frames of {0} bytes only")]
    Size(u32),
    /// The welcome does not fit its frame.
    #[error("the welcome cannot be sent")]
    Reply(#[source] TooLong),
    /// A hello by a process that the kernel does not name.
    #[error("the process that asks by trap is not known; the kernel tells it since Linux 6.5")]
    Unnamed,
    /// A row of another front.
    #[error("{0} cannot be asked on a lane")]
    OtherFront(&'static str),
    /// The id of a request in flight.
    #[error("a second request came with the id {0}")]
    RepeatedId(u32),
    /// More requests than may be in flight.
    #[error("more requests came than may be in flight")]
    TooMany,
    /// It does not read its replies.
    #[error("the client does not read its replies")]
    NotReading,
    /// The session was over already.
    #[error("the session is over")]
    Over,
}

impl Violation {
    /// Its name in counts and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Frame(_) => "frame",
            Self::Record(_) => "record",
            Self::BeforeHello => "before-hello",
            Self::SecondHello => "second-hello",
            Self::Magic => "magic",
            Self::Version(_) => "version",
            Self::Size(_) => "size",
            Self::Reply(_) => "reply",
            Self::Unnamed => "unnamed",
            Self::OtherFront(_) => "other-front",
            Self::RepeatedId(_) => "repeated-id",
            Self::TooMany => "too-many",
            Self::NotReading => "not-reading",
            Self::Over => "over",
        }
    }
}
