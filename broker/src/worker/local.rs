//! A worker in this very process, without a sandbox.

use doorward_protocol::{
    arena::{Arena, ArenaError},
    call::LONGEST_BODY,
};
use doorward_sandboxee::worker::{AskError, Call, Dispatch, Link, Refused};
use serde::{Serialize, de::DeserializeOwned};

use super::{Answer, Backend, Breach, CallError, Reply, Request, Tainted, Terms};

/// Calls an interface in this process: for debuggers, Miri and fuzzers. Arguments, input,
/// results and output take the way they take to a worker, through the codec and an arena, but
/// nothing confines the code that is called, no deadline is held, and its panics are the host's.
#[derive(Debug)]
pub struct Local<D: ?Sized> {
    arena: Arena,
    id: u32,
    interface: Box<D>,
}

impl<D: Dispatch + ?Sized> Local<D> {
    /// Of this implementation, with an arena of so many bytes.
    ///
    /// # Errors
    /// [`ArenaError::Size`].
    pub fn new(interface: Box<D>, arena: usize) -> Result<Self, ArenaError> {
        Ok(Self {
            arena: Arena::own(arena)?,
            id: 0,
            interface,
        })
    }
}

/// Answers questions at once.
struct Answering<'a, 'b> {
    terms: &'a mut Terms<'b>,
    asked: u32,
    breach: Option<Breach>,
}

impl Link for Answering<'_, '_> {
    fn ask(&mut self, _id: u32, question: &[u8]) -> Result<Vec<u8>, AskError> {
        let most = self.terms.questions;
        let answer = self.terms.answer.as_mut().filter(|_| self.asked < most);
        self.asked = self.asked.saturating_add(1);
        let mut buffer = vec![0; LONGEST_BODY];
        let answered = answer
            .ok_or(Breach::Questions(most))
            .and_then(|answer| answer(question, &mut buffer));
        match answered {
            Ok(length) => {
                buffer.truncate(length);
                Ok(buffer)
            }
            Err(breach) => {
                self.breach = Some(breach);
                Err(AskError::Gone)
            }
        }
    }
}

impl<D: Dispatch + ?Sized> Backend for Local<D> {
    fn call<A: Serialize, R: DeserializeOwned>(
        &mut self,
        request: &Request<'_, A>,
        terms: &mut Terms<'_>,
    ) -> Result<Tainted<Answer<R>>, CallError> {
        let mut arguments = vec![0; LONGEST_BODY];
        let length =
            super::encode(request.arguments, &mut arguments).map_err(CallError::Arguments)?;
        arguments.truncate(length);
        self.id = self.id.wrapping_add(1).max(1);
        let asked = terms.place(&self.arena, self.id, request.method)?;
        let mut result = vec![0; terms.longest_result];
        let longest_output = terms.longest_output;
        let mut link = Answering {
            terms,
            asked: 0,
            breach: None,
        };
        let mut call = Call::new(&self.arena, &asked, &mut link);
        let done = self
            .interface
            .dispatch(request.method, &arguments, &mut call, &mut result);
        let output = call.into_output();
        if let Some(breach) = link.breach {
            return Err(breach.into());
        }
        let length = done.map_err(|refused| match refused {
            Refused::Result(_) => CallError::ResultTooLong,
            _ => Breach::Interface.into(),
        })?;
        let output = self.arena.read(output, longest_output);
        let reply = Reply {
            result: result.get(..length).unwrap_or_default(),
            output: output.map_err(Breach::Output)?,
        };
        reply.decoded()
    }
}
