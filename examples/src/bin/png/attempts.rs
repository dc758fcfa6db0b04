//! What a decoder that was taken over would try.

use std::{
    fmt::Display, fs::File, net::TcpListener, os::unix::net::UnixDatagram, process::Command,
};

use doorward_sandboxee::{Client, Mode, OFlags};

const FOREIGN: &str = "/etc/passwd";
const PROGRAM: &str = "/usr/bin/true";

/// Tries each and tells how it went; the exit status is 0 if all were refused.
pub(crate) fn all(client: Option<Client>) -> u8 {
    let broker = client.map(|mut client| {
        let opened = client.open(FOREIGN, OFlags::RDONLY, Mode::empty());
        tell("open /etc/passwd through the broker", opened)
    });
    let tried = [
        broker.unwrap_or(true),
        tell("open /etc/passwd", File::open(FOREIGN)),
        tell("open /", File::open("/")),
        tell("create a file in /tmp", tempfile()),
        tell("make a TCP socket", TcpListener::bind("127.0.0.1:0")),
        tell("make a UNIX socket", UnixDatagram::unbound()),
        tell("start /usr/bin/true", Command::new(PROGRAM).status()),
    ];
    u8::from(tried.contains(&false))
}

/// Made without a name, so that nothing is left.
fn tempfile() -> rustix::io::Result<std::os::fd::OwnedFd> {
    rustix::fs::open("/tmp", OFlags::TMPFILE | OFlags::WRONLY, Mode::RUSR)
}

/// Whether it was refused.
fn tell<T, E: Display>(what: &str, outcome: Result<T, E>) -> bool {
    match &outcome {
        Ok(_) => println!("{what}: done"),
        Err(error) => println!("{what}: refused: {error}"),
    }
    outcome.is_err()
}
