//! What the policy of the self-test permits, and so must work beside every attempt.

use std::{net::SocketAddr, path::Path};

use rustix::fs::OFlags;

use super::{
    attacker::{Attacker, Way},
    attacks::code,
    case::Permitted,
    sys,
};

/// What the granted address says.
pub(super) const GREETING: &[u8] = b"permitted";

/// Whether it works here.
pub(super) fn works(attacker: &Attacker, permitted: Permitted) -> bool {
    match permitted {
        Permitted::Read => read(attacker),
        Permitted::Write => write(attacker),
        Permitted::Connect => connect(attacker),
        // A worker makes none.
        Permitted::Process if attacker.way == Way::Worker => read(attacker),
        Permitted::Process => process(),
        // A lane has no exec: a program is a typed spawn there, which other tests show.
        Permitted::Program if !matches!(attacker.way, Way::Native | Way::Notify) => read(attacker),
        Permitted::Program => {
            program(&attacker.directory().join("granted/permitted/program")) == 42
        }
        Permitted::Memory => memory(),
    }
}

fn read(attacker: &Attacker) -> bool {
    let read = attacker.read(&attacker.directory().join("granted/permitted/file"));
    read.data == GREETING
}

fn write(attacker: &Attacker) -> bool {
    let path = attacker.name("rw", "permitted");
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let Ok(file) = attacker.open(&path, flags, 0o644) else {
        return false;
    };
    rustix::io::write(file, GREETING).is_ok()
}

fn connect(attacker: &Attacker) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], attacker.target.port));
    let natively = || {
        let stream = std::net::TcpStream::connect(address).ok()?;
        Some(stream.into())
    };
    let Some(stream) = attacker
        .granted(|client| client.connect(&address))
        .or_else(natively)
    else {
        return false;
    };
    let mut bytes = [0; 64];
    rustix::io::read(stream, &mut bytes[..])
        .is_ok_and(|length| bytes.get(..length) == Some(GREETING))
}

fn process() -> bool {
    let own = i64::from(libc::SIGTERM);
    let ended = sys::in_a_child(|| {
        let _signalled = nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM);
        0
    });
    ended.map(i64::from) == Some(own)
}

/// The exit status of a program, negative if it cannot be started.
pub(super) fn program(path: &Path) -> i32 {
    let status = std::process::Command::new(path).status();
    status.ok().and_then(|status| status.code()).unwrap_or(-1)
}

fn memory() -> bool {
    let address = code::page(libc::PROT_READ | libc::PROT_WRITE);
    if address == 0 {
        return false;
    }
    sys::write_code(address, GREETING);
    true
}
