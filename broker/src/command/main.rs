//! The `doorward` command.

mod check;
mod completions;
mod denials;
mod doctor;
mod document;
mod explain;
mod manual;
mod run;
mod self_test;
mod tell;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use tell::FAILED;

/// Runs programs with no file system and no network of their own; a broker performs what a policy allows.
#[derive(Debug, Parser)]
#[command(
    name = "doorward",
    version,
    after_help = "DOORWARD_LOG=off|error|warn|info|debug says how much doorward's own processes tell on \
standard error beside the audit log; warnings and errors if it is not set."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program under a policy; the exit status is the program's.
    Run(run::Run),
    /// Parse and lint policies, and run their own tests.
    Check(check::Check),
    /// Say what a policy answers to an operation, by which rule, and what would change it.
    Explain(explain::Explain),
    /// Find out which layers and exact limits can be had here, by trying.
    Doctor(doctor::Doctor),
    /// Print what a shell needs to complete the arguments of doorward.
    #[command(hide = true)]
    Completions(completions::Completions),
    /// Print the manual page.
    #[command(hide = true)]
    Man,
}

fn main() -> ExitCode {
    doorward::init(self_test::ENTRIES);
    if let Some(played) = self_test::play() {
        return played;
    }
    if let Err(sentence) = doorward::trace::begin() {
        eprintln!("doorward: {sentence}");
    }
    match Arguments::try_parse().map(|arguments| arguments.command) {
        Ok(Command::Run(run)) => run.perform(),
        Ok(Command::Check(check)) => check.perform(),
        Ok(Command::Explain(explain)) => explain.perform(),
        Ok(Command::Doctor(doctor)) => doctor.perform(),
        Ok(Command::Completions(completions)) => completions.perform(&mut Arguments::command()),
        Ok(Command::Man) => manual::perform(Arguments::command()),
        Err(error) => {
            let _lost = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(FAILED),
            }
        }
    }
}
