//! The terms of a call: what the host gives, and the most it takes.

use std::time::{Duration, Instant};

use doorward_protocol::{
    arena::{Arena, Span},
    call::{Call, LONGEST_BODY},
    codec::{self, CodecError},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{Breach, CallError, Cancel, Tainted};

/// How long a worker may take to notice that its call was given up, unless said otherwise.
const GRACE: Duration = Duration::from_millis(20);

/// Answers a question: decodes it, and puts the answer into the buffer.
type Answering<'a> = dyn FnMut(&[u8], &mut [u8]) -> Result<usize, Breach> + 'a;

/// What the host gives with a call, and the bounds on all that the worker may state.
pub struct Terms<'a> {
    pub(super) deadline: Duration,
    pub(super) grace: Duration,
    pub(super) input: &'a [u8],
    pub(super) longest_result: usize,
    pub(super) longest_output: usize,
    pub(super) questions: u32,
    pub(super) answer: Option<Box<Answering<'a>>>,
    pub(super) cancel: Option<&'a Cancel>,
    pub(super) tenant: u64,
}

impl std::fmt::Debug for Terms<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Terms")
            .field("deadline", &self.deadline)
            .field("input", &self.input.len())
            .field("longest_result", &self.longest_result)
            .field("longest_output", &self.longest_output)
            .field("questions", &self.questions)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl<'a> Terms<'a> {
    /// A call that may take so long, with no input and no output, whose result may be as long
    /// as any (128 KiB less a header), and that may ask nothing.
    #[must_use]
    pub fn within(deadline: Duration) -> Self {
        Self {
            deadline,
            grace: GRACE,
            input: &[],
            longest_result: LONGEST_BODY,
            longest_output: 0,
            questions: 0,
            answer: None,
            cancel: None,
            tenant: 0,
        }
    }

    /// Bytes that the method reads. They are copied into the arena, and must fit it.
    #[must_use]
    pub fn input(mut self, input: &'a [u8]) -> Self {
        self.input = input;
        self
    }

    /// The most bytes of an encoded result that are taken.
    #[must_use]
    pub fn result_up_to(mut self, bytes: usize) -> Self {
        self.longest_result = bytes.min(LONGEST_BODY);
        self
    }

    /// The most bytes of output that are taken; the arena must have room for them.
    #[must_use]
    pub fn output_up_to(mut self, bytes: usize) -> Self {
        self.longest_output = bytes;
        self
    }

    /// How long the worker is left to notice that the call was given up, before it is killed.
    /// 20 ms if this is not said.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Lets another thread give the call up.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: &'a Cancel) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// On whose behalf it is called, for a pool whose workers serve one tenant each.
    #[must_use]
    pub fn tenant(mut self, tenant: u64) -> Self {
        self.tenant = tenant;
        self
    }

    /// Answers questions of the worker in the middle of the call, at most so many.
    #[must_use]
    pub fn answering<Q: DeserializeOwned, A: Serialize>(
        mut self,
        most: u32,
        mut answer: impl FnMut(Tainted<Q>) -> A + 'a,
    ) -> Self {
        self.questions = most;
        self.answer = Some(Box::new(move |question, buffer| {
            let question: Result<Q, CodecError> = codec::decode(question, LONGEST_BODY);
            let question = question.map_err(Breach::Question)?;
            let answer = answer(Tainted::new(question));
            codec::encode(&answer, buffer).map_err(Breach::Answer)
        }));
        self
    }

    /// The instant of the deadline, as far as clocks go.
    pub(super) fn until(&self) -> Instant {
        const FAR: Duration = Duration::from_secs(1 << 30);
        let now = Instant::now();
        now.checked_add(self.deadline.min(FAR)).unwrap_or(now)
    }

    /// Puts the input into an arena; the call as its header states it.
    pub(super) fn place(&self, arena: &Arena, id: u32, method: u16) -> Result<Call, CallError> {
        let all = arena.all();
        let length = self.input.len();
        let full = CallError::Input {
            length,
            size: arena.size(),
        };
        let input = match u32::try_from(length) {
            Ok(length) if length <= all.length => Span { length, ..all },
            _ => return Err(full),
        };
        let mut room = arena.behind(input);
        let left = usize::try_from(room.length).unwrap_or(usize::MAX);
        if left < self.longest_output {
            return Err(CallError::Room {
                room: left,
                most: self.longest_output,
            });
        }
        room.length = u32::try_from(self.longest_output).unwrap_or(room.length);
        arena.write(input, self.input).map_err(|_| full)?;
        Ok(Call {
            id,
            method,
            longest: u32::try_from(self.longest_result).unwrap_or(u32::MAX),
            input,
            room,
        })
    }
}
