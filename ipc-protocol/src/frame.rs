//! Frames: a header that says what follows, and a body held to it (docs/PROTOCOL.md).
//!
//! Both sides read frames of a peer that may be hostile. They trust nothing: each field
//! of the header is compared with what was received and with the row of the table before
//! the body is looked at, and nothing is kept of a frame that is refused.

use crate::{
    codec::{self, CodecError, TooLong},
    hello::{HELLO_LIMIT, Hello, Welcome},
    operation::{LONGEST_REPLY, LONGEST_REQUEST, Operation},
    reply::Reply,
    request::Request,
};

/// Bytes of a header.
pub const HEADER: usize = 12;
/// The longest frame a client sends.
pub const LONGEST_REQUEST_FRAME: usize = HEADER.saturating_add(LONGEST_REQUEST);
/// The longest frame a broker sends.
pub const LONGEST_REPLY_FRAME: usize = HEADER.saturating_add(LONGEST_REPLY);
/// The code of a hello and of its answer.
const HELLO: u8 = 0;

/// What is wrong with a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is shorter than a header.
    #[error("a frame of {0} bytes is shorter than its header")]
    Short(usize),
    /// A reserved byte is set.
    #[error("a reserved byte of the header is set")]
    Reserved,
    /// The length it claims is not that of its body.
    #[error("the header claims a body of {claimed} bytes, {present} follow")]
    Length {
        /// What the header says.
        claimed: u32,
        /// What follows it.
        present: usize,
    },
    /// The number of descriptors is not the one claimed, or not the one due.
    #[error("{received} descriptors came, the header claims {claimed}, {due} are due")]
    Descriptors {
        /// What the header says.
        claimed: u8,
        /// How many came.
        received: usize,
        /// How many belong to such a frame.
        due: u8,
    },
    /// No row has this code.
    #[error("no operation has the code {0}")]
    UnknownCode(u8),
    /// The code is not that of the request asked.
    #[error("a frame with code {code} came where {due} was due")]
    Code {
        /// What the header says.
        code: u8,
        /// What it should be.
        due: u8,
    },
    /// The id is not the one asked with.
    #[error("a reply came for the id {id}, {due} was due")]
    Id {
        /// What the header says.
        id: u32,
        /// What it should be.
        due: u32,
    },
    /// A reply holds what its row never answers.
    #[error("a reply to {0} is of another kind")]
    Kind(&'static str),
    /// The body is not what the code says.
    #[error(transparent)]
    Body(#[from] CodecError),
}

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    code: u8,
    descriptors: u8,
    id: u32,
    length: u32,
}

impl Header {
    /// Splits a record; the body is as long as the header says, and as many descriptors came.
    fn split(record: &[u8], received: usize) -> Result<(Self, &[u8]), FrameError> {
        let short = FrameError::Short(record.len());
        let Some((header, body)) = record.split_first_chunk::<HEADER>() else {
            return Err(short);
        };
        let [code, descriptors, spare, other, id @ .., l0, l1, l2, l3] = *header;
        if spare != 0 || other != 0 {
            return Err(FrameError::Reserved);
        }
        let header = Self {
            code,
            descriptors,
            id: u32::from_le_bytes(id),
            length: u32::from_le_bytes([l0, l1, l2, l3]),
        };
        if usize::try_from(header.length) != Ok(body.len()) {
            return Err(FrameError::Length {
                claimed: header.length,
                present: body.len(),
            });
        }
        if usize::from(descriptors) != received {
            return Err(header.wrong_descriptors(received, descriptors));
        }
        Ok((header, body))
    }

    fn wrong_descriptors(self, received: usize, due: u8) -> FrameError {
        FrameError::Descriptors {
            claimed: self.descriptors,
            received,
            due,
        }
    }

    fn due(self, received: usize, due: u8) -> Result<(), FrameError> {
        if self.descriptors == due {
            Ok(())
        } else {
            Err(self.wrong_descriptors(received, due))
        }
    }

    fn bytes(self) -> [u8; HEADER] {
        let [i0, i1, i2, i3] = self.id.to_le_bytes();
        let [l0, l1, l2, l3] = self.length.to_le_bytes();
        let (code, descriptors) = (self.code, self.descriptors);
        [code, descriptors, 0, 0, i0, i1, i2, i3, l0, l1, l2, l3]
    }
}

/// A frame of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// Its first.
    Hello(Hello),
    /// A request.
    Request {
        /// The id its reply repeats.
        id: u32,
        /// What is asked.
        request: Request<'a>,
    },
}

/// Reads a frame of a client, with which `received` descriptors came.
///
/// # Errors
/// [`FrameError`]: the lane ends.
pub fn decode_request(record: &[u8], received: usize) -> Result<Incoming<'_>, FrameError> {
    let (header, body) = Header::split(record, received)?;
    header.due(received, 0)?;
    if header.code == HELLO {
        require_id(header, 0)?;
        return Ok(Incoming::Hello(codec::decode(body, HELLO_LIMIT)?));
    }
    let operation =
        Operation::from_code(header.code).ok_or(FrameError::UnknownCode(header.code))?;
    let request: Request<'_> = codec::decode(body, operation.row().request_limit)?;
    if request.operation() != operation {
        return Err(FrameError::Code {
            code: header.code,
            due: request.operation().code(),
        });
    }
    Ok(Incoming::Request {
        id: header.id,
        request,
    })
}

fn require_id(header: Header, due: u32) -> Result<(), FrameError> {
    if header.id == due {
        Ok(())
    } else {
        Err(FrameError::Id { id: header.id, due })
    }
}

fn require_code(header: Header, due: u8) -> Result<(), FrameError> {
    if header.code == due {
        Ok(())
    } else {
        Err(FrameError::Code {
            code: header.code,
            due,
        })
    }
}

/// Reads a broker's answer to the hello.
///
/// # Errors
/// [`FrameError`]: the lane ends.
pub fn decode_welcome(record: &[u8], received: usize) -> Result<Welcome, FrameError> {
    let (header, body) = Header::split(record, received)?;
    header.due(received, 0)?;
    require_code(header, HELLO)?;
    require_id(header, 0)?;
    Ok(codec::decode(body, HELLO_LIMIT)?)
}

/// Reads a broker's reply to the request `operation` with this id.
///
/// # Errors
/// [`FrameError`]: the lane ends.
pub fn decode_reply(
    record: &[u8],
    received: usize,
    operation: Operation,
    id: u32,
) -> Result<Reply<'_>, FrameError> {
    let (header, body) = Header::split(record, received)?;
    require_code(header, operation.code())?;
    require_id(header, id)?;
    let row = operation.row();
    let reply: Reply<'_> = codec::decode(body, row.reply_limit)?;
    header.due(received, reply.descriptors())?;
    match (reply.kind(), &reply) {
        (Some(kind), _) if kind == row.reply => Ok(reply),
        (None, Reply::Errno(1..=4095)) => Ok(reply),
        _ => Err(FrameError::Kind(row.name)),
    }
}

fn frame(
    buffer: &mut [u8],
    header: Header,
    limit: usize,
    value: &impl serde::Serialize,
) -> Result<usize, TooLong> {
    let too_long = TooLong { limit };
    let Some((head, body)) = buffer.split_first_chunk_mut::<HEADER>() else {
        return Err(too_long);
    };
    let room = body.len().min(limit);
    let Some(body) = body.get_mut(..room) else {
        return Err(too_long);
    };
    let length = codec::encode(value, body)?;
    *head = Header {
        length: u32::try_from(length).map_err(|_| too_long)?,
        ..header
    }
    .bytes();
    Ok(length.saturating_add(HEADER))
}

/// Writes the frame of a request into `buffer`, and returns its length; allocates nothing.
///
/// # Errors
/// [`TooLong`] when it exceeds the buffer or the limit of its row.
pub fn encode_request(buffer: &mut [u8], id: u32, request: &Request<'_>) -> Result<usize, TooLong> {
    let row = request.operation().row();
    let header = Header {
        code: row.operation.code(),
        descriptors: 0,
        id,
        length: 0,
    };
    frame(buffer, header, row.request_limit, request)
}

/// Writes the frame of a reply into `buffer`, and returns its length; allocates nothing.
///
/// # Errors
/// [`TooLong`] when it exceeds the buffer or the limit of its row.
pub fn encode_reply(
    buffer: &mut [u8],
    operation: Operation,
    id: u32,
    reply: &Reply<'_>,
) -> Result<usize, TooLong> {
    let header = Header {
        code: operation.code(),
        descriptors: reply.descriptors(),
        id,
        length: 0,
    };
    frame(buffer, header, operation.row().reply_limit, reply)
}

const FIRST: Header = Header {
    code: HELLO,
    descriptors: 0,
    id: 0,
    length: 0,
};

/// Writes the frame of a hello into `buffer`, and returns its length.
///
/// # Errors
/// [`TooLong`] when it exceeds the buffer.
pub fn encode_hello(buffer: &mut [u8], hello: &Hello) -> Result<usize, TooLong> {
    frame(buffer, FIRST, HELLO_LIMIT, hello)
}

/// Writes the frame of a welcome into `buffer`, and returns its length.
///
/// # Errors
/// [`TooLong`] when it exceeds the buffer.
pub fn encode_welcome(buffer: &mut [u8], welcome: &Welcome) -> Result<usize, TooLong> {
    frame(buffer, FIRST, HELLO_LIMIT, welcome)
}
