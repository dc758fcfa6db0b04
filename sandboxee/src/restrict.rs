//! Narrowing the session.

use doorward_protocol::Request;

use crate::{Broken, Client, ClientError};

impl Client {
    /// Narrows the session by a document in the words of a policy, at most 16 KiB: from now on
    /// what is allowed is what the policy and this allow. It holds for every lane, thread and
    /// process of the sandbox, in a worker for the worker alone, and is never taken back. What
    /// was granted before stays granted.
    ///
    /// # Errors
    /// [`ClientError::Errno`], and the session is as it was: `EINVAL` for a document that is
    /// wrong (the audit log says where), `E2BIG` or `ENAMETOOLONG` for one that is too long,
    /// `ENOSPC` after 16 restrictions, `ETIMEDOUT` while a request is stuck.
    pub fn restrict(&mut self, document: &str) -> Result<(), ClientError> {
        let document = document.as_bytes();
        let number = self.value(&Request::Restrict { document })?;
        match number {
            1.. => Ok(()),
            _ => Err(self.broken(Broken::Value)),
        }
    }
}
