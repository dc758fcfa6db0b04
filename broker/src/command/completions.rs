//! `doorward completions SHELL`.

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::tell::fail;

/// What `completions` takes.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn perform(&self, command: &mut Command) -> ExitCode {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, command, "doorward", &mut text);
        match stdout().write_all(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("cannot write the completions: {error}")),
        }
    }
}
