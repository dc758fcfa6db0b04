//! A client of a front, or of its floor: told how often, it tells how long that took.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// A process that speaks what `floor.c` says of `ask`.
pub(crate) struct Client {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Client {
    /// Starts it and lets it do its work a first time.
    pub(crate) fn start(mut command: Command, call: &str, path: &Path) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the client can be started");
        let mut client = Self {
            input: process.stdin.take(),
            output: BufReader::new(process.stdout.take().expect("its output is a pipe")),
            process,
        };
        let _warm = client.time(call, 1000, path);
        client
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
        let _ended = self.process.wait();
    }
}
