//! Frames between a host and its worker: a header of eight words, and a body.
//!
//! Either side takes the other for hostile: a frame is read once, each word of its header is
//! checked, and what does not belong to its kind must be zero.

use crate::{arena::Span, codec::MESSAGE_LIMIT};

/// Bytes of a header.
pub const HEADER: usize = 32;
/// The longest body: arguments, a result, a question or an answer.
pub const LONGEST_BODY: usize = MESSAGE_LIMIT.saturating_sub(HEADER);
/// The longest frame.
pub const LONGEST_FRAME: usize = MESSAGE_LIMIT;
/// The longest sentence of a worker that could not be started.
pub const LONGEST_FAILURE: usize = 256;

const CALL: u32 = 1;
const ANSWER: u32 = 2;
const REPLY: u32 = 3;
const QUESTION: u32 = 4;
const FAILED: u32 = 5;

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallFrameError {
    /// It is shorter than a header.
    #[error("a frame of {0} bytes is shorter than its header")]
    Short(usize),
    /// It is of a kind that the other side does not send.
    #[error("a frame of the kind {0} came, which this side is never sent")]
    Kind(u32),
    /// A word that means nothing in such a frame is set.
    #[error("a reserved word of the header is set")]
    Reserved,
    /// There is no such status.
    #[error("there is no status {0} of a reply")]
    Status(u32),
    /// There is no such method.
    #[error("there is no method {0}")]
    Method(u32),
    /// The body does not fit.
    #[error("a body of {0} bytes does not fit a frame")]
    TooLong(usize),
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was done; the result follows.
    Done,
    /// There is no such method.
    NoMethod,
    /// The arguments are not those of the method.
    Arguments,
    /// The result is longer than the host allowed.
    TooLong,
}

const STATUSES: [Status; 4] = [
    Status::Done,
    Status::NoMethod,
    Status::Arguments,
    Status::TooLong,
];

/// A call, as its header has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Tells it from those before.
    pub id: u32,
    /// Which method, in the order of the interface.
    pub method: u16,
    /// The longest result that is taken, in bytes.
    pub longest: u32,
    /// Where the input lies.
    pub input: Span,
    /// Where the output may be put.
    pub room: Span,
}

/// A frame of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromHost<'a> {
    /// A method is called; the arguments are the body.
    Call(Call, &'a [u8]),
    /// A question is answered.
    Answer {
        /// Of the call.
        id: u32,
        /// What the host says.
        answer: &'a [u8],
    },
}

/// A frame of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromWorker<'a> {
    /// A call has ended.
    Reply {
        /// Of the call.
        id: u32,
        /// How it went.
        status: Status,
        /// Where the output lies.
        output: Span,
        /// What the method returned.
        result: &'a [u8],
    },
    /// The host is asked in the middle of a call.
    Question {
        /// Of the call.
        id: u32,
        /// What it is asked.
        question: &'a [u8],
    },
    /// It could not be locked down, and nothing of it ran.
    Failed(&'a [u8]),
}

type Words = [u32; HEADER / 4];

fn split(record: &[u8]) -> Result<(Words, &[u8]), CallFrameError> {
    let Some((header, body)) = record.split_first_chunk::<HEADER>() else {
        return Err(CallFrameError::Short(record.len()));
    };
    let mut words = Words::default();
    for (word, bytes) in words.iter_mut().zip(header.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    Ok((words, body))
}

/// Writes a header in front of a body that is there already; the length of the frame.
fn join(buffer: &mut [u8], words: Words, body: usize) -> Result<usize, CallFrameError> {
    let length = HEADER.saturating_add(body);
    if length > buffer.len().min(LONGEST_FRAME) {
        return Err(CallFrameError::TooLong(body));
    }
    let Some(header) = buffer.first_chunk_mut::<HEADER>() else {
        return Err(CallFrameError::TooLong(body));
    };
    for (bytes, word) in header.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    Ok(length)
}

/// The part of a buffer where a body is to be put before its header is written.
pub fn body(buffer: &mut [u8]) -> &mut [u8] {
    buffer.get_mut(HEADER..).unwrap_or_default()
}

impl Call {
    /// Writes the header of this call; the length of the frame.
    ///
    /// # Errors
    /// [`CallFrameError::TooLong`].
    pub fn encode(&self, buffer: &mut [u8], body: usize) -> Result<usize, CallFrameError> {
        let (input, room) = (self.input, self.room);
        let words = [
            CALL,
            self.id,
            u32::from(self.method),
            self.longest,
            input.offset,
            input.length,
            room.offset,
            room.length,
        ];
        join(buffer, words, body)
    }
}

/// Writes the header of an answer; the length of the frame.
///
/// # Errors
/// [`CallFrameError::TooLong`].
pub fn encode_answer(buffer: &mut [u8], id: u32, body: usize) -> Result<usize, CallFrameError> {
    join(buffer, [ANSWER, id, 0, 0, 0, 0, 0, 0], body)
}

/// Writes the header of a reply; the length of the frame.
///
/// # Errors
/// [`CallFrameError::TooLong`].
pub fn encode_reply(
    buffer: &mut [u8],
    id: u32,
    status: Status,
    output: Span,
    body: usize,
) -> Result<usize, CallFrameError> {
    let status = STATUSES.iter().position(|&one| one == status);
    let status = status.and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
    let words = [REPLY, id, status, output.offset, output.length, 0, 0, 0];
    join(buffer, words, body)
}

/// Writes the header of a question; the length of the frame.
///
/// # Errors
/// [`CallFrameError::TooLong`].
pub fn encode_question(buffer: &mut [u8], id: u32, body: usize) -> Result<usize, CallFrameError> {
    join(buffer, [QUESTION, id, 0, 0, 0, 0, 0, 0], body)
}

/// Writes a whole frame that says why a worker could not be started.
///
/// # Errors
/// [`CallFrameError::TooLong`].
pub fn encode_failure(buffer: &mut [u8], why: &str) -> Result<usize, CallFrameError> {
    let why = why.as_bytes();
    let why = why.get(..LONGEST_FAILURE).unwrap_or(why);
    let Some(space) = body(buffer).get_mut(..why.len()) else {
        return Err(CallFrameError::TooLong(why.len()));
    };
    space.copy_from_slice(why);
    join(buffer, [FAILED, 0, 0, 0, 0, 0, 0, 0], why.len())
}

/// Reads a frame of the host.
///
/// # Errors
/// [`CallFrameError`] says what is wrong with it.
pub fn decode_from_host(record: &[u8]) -> Result<FromHost<'_>, CallFrameError> {
    match split(record)? {
        ([CALL, id, method, longest, a, b, c, d], body) => {
            let method = u16::try_from(method).map_err(|_| CallFrameError::Method(method))?;
            let (input, room) = (span(a, b), span(c, d));
            let call = Call {
                id,
                method,
                longest,
                input,
                room,
            };
            Ok(FromHost::Call(call, body))
        }
        ([ANSWER, id, rest @ ..], answer) => {
            nothing(&rest)?;
            Ok(FromHost::Answer { id, answer })
        }
        ([kind, ..], _) => Err(CallFrameError::Kind(kind)),
    }
}

/// Reads a frame of a worker.
///
/// # Errors
/// [`CallFrameError`] says what is wrong with it.
pub fn decode_from_worker(record: &[u8]) -> Result<FromWorker<'_>, CallFrameError> {
    match split(record)? {
        ([REPLY, id, status, offset, length, rest @ ..], result) => {
            nothing(&rest)?;
            let at = usize::try_from(status).unwrap_or(usize::MAX);
            let known = STATUSES.get(at).copied();
            Ok(FromWorker::Reply {
                id,
                status: known.ok_or(CallFrameError::Status(status))?,
                output: span(offset, length),
                result,
            })
        }
        ([QUESTION, id, rest @ ..], question) => {
            nothing(&rest)?;
            Ok(FromWorker::Question { id, question })
        }
        ([FAILED, rest @ ..], why) => {
            nothing(&rest)?;
            Ok(FromWorker::Failed(why))
        }
        ([kind, ..], _) => Err(CallFrameError::Kind(kind)),
    }
}

const fn span(offset: u32, length: u32) -> Span {
    Span { offset, length }
}

fn nothing(words: &[u32]) -> Result<(), CallFrameError> {
    if words.iter().all(|&word| word == 0) {
        Ok(())
    } else {
        Err(CallFrameError::Reserved)
    }
}
