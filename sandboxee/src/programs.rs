//! Typed spawns: programs that the policy names, with arguments it checks.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use doorward_protocol::Request;
use rustix::io::Errno;

use crate::{At, Broken, Client, ClientError};

/// A program that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Program(u32);

impl Program {
    /// The number that the broker knows it by.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The program of a number; [`Client::wait`] refuses one that there is not.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

impl Client {
    /// Starts a program, with these arguments after its name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn spawn<'a>(
        &mut self,
        program: impl Into<At<'a>>,
        arguments: &[&'a [u8]],
    ) -> Result<Program, ClientError> {
        let path = self.path(program.into())?;
        let number = self.value(&Request::Spawn {
            path,
            arguments: arguments.to_vec(),
        })?;
        match u32::try_from(number) {
            Ok(number) => Ok(Program(number)),
            Err(_) => Err(self.broken(Broken::Value)),
        }
    }

    /// Waits for a program to end, at most `limit` and ten seconds: how it ended, if it did.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn wait(
        &mut self,
        program: Program,
        limit: Duration,
    ) -> Result<Option<ExitStatus>, ClientError> {
        let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        let status = match self.value(&Request::Wait {
            process: program.0,
            milliseconds,
        }) {
            Err(ClientError::Errno(Errno::TIMEDOUT)) => return Ok(None),
            other => other?,
        };
        match i32::try_from(status) {
            Ok(status) => Ok(Some(ExitStatus::from_raw(status))),
            Err(_) => Err(self.broken(Broken::Value)),
        }
    }
}
