//! What a stub calls over.

use serde::{Serialize, de::DeserializeOwned};

use super::{Breach, CallError, Tainted, Terms};

/// A call, as a stub makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a, A> {
    /// Which method, in the order of the interface.
    pub method: u16,
    /// Its name.
    pub name: &'static str,
    /// Whether it may be made again when the worker ended in the middle of it.
    pub idempotent: bool,
    /// Its arguments, a tuple.
    pub arguments: &'a A,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<R> {
    /// What the method returned.
    pub result: R,
    /// What it put out: a copy that the worker cannot change any more.
    pub output: Vec<u8>,
}

/// Who does the calls of a stub.
pub trait Backend {
    /// Makes one call, and waits until it has ended.
    ///
    /// # Errors
    /// [`CallError`].
    fn call<A: Serialize, R: DeserializeOwned>(
        &mut self,
        request: &Request<'_, A>,
        terms: &mut Terms<'_>,
    ) -> Result<Tainted<Answer<R>>, CallError>;
}

impl<B: Backend> Backend for &mut B {
    fn call<A: Serialize, R: DeserializeOwned>(
        &mut self,
        request: &Request<'_, A>,
        terms: &mut Terms<'_>,
    ) -> Result<Tainted<Answer<R>>, CallError> {
        (**self).call(request, terms)
    }
}

/// What came back of a call, within the bounds of its terms; the result not yet decoded.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(super) result: &'a [u8],
    pub(super) output: Vec<u8>,
}

impl Reply<'_> {
    /// Decodes the result.
    pub(crate) fn decoded<R: DeserializeOwned>(self) -> Result<Tainted<Answer<R>>, CallError> {
        let result = super::decode(self.result, self.result.len()).map_err(Breach::Result)?;
        Ok(Tainted::new(Answer {
            result,
            output: self.output,
        }))
    }
}
