//! A client of a front, or of its floor: told how often, it tells how long that took.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use doorward::host::Running;

/// What is ended when its input is.
enum Process {
    Program(Child),
    Sandbox(#[expect(dead_code, reason = "dropping it ends the sandbox")] Running),
}

/// A process that speaks what `floor.c` says of `ask`.
pub(crate) struct Client {
    process: Process,
    input: Option<File>,
    output: BufReader<File>,
}

impl Client {
    /// Starts a program.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the client can be started");
        let input = process
            .stdin
            .take()
            .map(|pipe| File::from(OwnedFd::from(pipe)));
        let output = process.stdout.take().expect("its output is a pipe");
        Self {
            process: Process::Program(process),
            input,
            output: BufReader::new(File::from(OwnedFd::from(output))),
        }
    }

    /// One that runs in a sandbox, by its standard streams.
    pub(crate) fn over(input: File, output: File, sandbox: Running) -> Self {
        Self {
            process: Process::Sandbox(sandbox),
            input: Some(input),
            output: BufReader::new(output),
        }
    }

    /// How long `count` calls took.
    pub(crate) fn time(&mut self, call: &str, count: u64, path: &Path) -> Duration {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{call} {count} {}", path.display()).expect("the client reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the client writes");
        let nanoseconds = line.trim().parse().expect("the client tells a time");
        Duration::from_nanos(nanoseconds)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.input.take());
        if let Process::Program(process) = &mut self.process {
            let _ended = process.wait();
        }
    }
}
