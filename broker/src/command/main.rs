//! The `doorward` command.

mod denials;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand, error::ErrorKind};

/// doorward itself failed.
pub(crate) const FAILED: u8 = 125;

/// Runs programs with no file system and no network of their own; a broker performs what a policy allows.
#[derive(Debug, Parser)]
#[command(name = "doorward", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program under a policy; the exit status is the program's.
    Run(run::Run),
}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(Arguments {
            command: Command::Run(run),
        }) => run.perform(),
        Err(error) => {
            let _lost = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(FAILED),
            }
        }
    }
}
