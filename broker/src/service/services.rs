//! The services of one sandbox: the one place where requests meet policy.

use std::sync::Arc;

use doorward_policy::{Denial, Policy, Reason, Verdict};
use doorward_protocol::Request;
use rustix::io::Errno;

use super::{Answer, Asker, Decision, Outcome, Patience};

/// Performs requests for one sandbox under its policy. Shared by its fronts and workers.
#[derive(Debug)]
pub struct Services {
    policy: Arc<Policy>,
}

impl Services {
    /// The policy they decide by.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Decides and performs one request. Never panics on anything `request` or
    /// `asker` says; a denial is a value in the outcome.
    pub fn perform(
        &self,
        _request: &Request<'_>,
        _asker: &dyn Asker,
        _patience: Patience,
    ) -> Outcome {
        let denial = Denial {
            rule: None,
            reason: Reason::Front,
            errno: Errno::ACCESS.raw_os_error(),
        };
        Outcome::Done(Decision {
            answer: Answer::Errno(Errno::ACCESS),
            verdict: Verdict::Deny(denial),
            object: Vec::new(),
        })
    }
}
