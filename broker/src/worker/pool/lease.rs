//! A worker that somebody has.

use std::sync::Arc;

use doorward_protocol::call::LONGEST_BODY;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    super::{Answer, Backend, CallError, Request, Tainted, Terms, Worker},
    Kept, Shared,
};

/// A worker of a pool, for the calls of one tenant. Dropped, it goes back, or to its end.
pub struct Lease {
    pub(super) pool: Arc<Shared>,
    pub(super) tenant: u64,
    /// None only while it is dropped.
    pub(super) worker: Option<Worker>,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Lease")
            .field("tenant", &self.tenant)
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

impl Backend for Lease {
    fn call<A: Serialize, R: DeserializeOwned>(
        &mut self,
        request: &Request<'_, A>,
        terms: &mut Terms<'_>,
    ) -> Result<Tainted<Answer<R>>, CallError> {
        let worker = self.worker.as_mut().ok_or(CallError::Over)?;
        let result = worker.call(request, terms);
        let error = result.as_ref().err();
        let kept = error
            .filter(|error| self.pool.upkeep.keep > 0 && error.blames_the_worker())
            .map(|error| Kept {
                tenant: self.tenant,
                method: request.name,
                arguments: encoded(request.arguments),
                input: terms.input.to_vec(),
                error: error.clone(),
            });
        self.pool.called(self.tenant, error, kept);
        result
    }
}

fn encoded<A: Serialize>(arguments: &A) -> Vec<u8> {
    let mut bytes = vec![0; LONGEST_BODY];
    let length = super::super::encode(arguments, &mut bytes).unwrap_or(0);
    bytes.truncate(length);
    bytes
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.pool.give_back(self.tenant, worker);
        }
    }
}
