//! What doorward's own processes have to say beside the audit log: lines on standard error,
//! by level. Nothing is said in launcher and sandboxee.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{level_filters::LevelFilter, subscriber::set_global_default};
use tracing_subscriber::fmt::Subscriber;

/// The variable that says which: `off`, `error`, `warn`, `info`, `debug` or `trace`.
pub const LEVEL: &str = "DOORWARD_LOG";

/// Lines that one process may say, since a sandboxee can be the cause of some.
const LINES: u64 = 1000;
/// Bytes of one line: what a pipe with room takes without waiting.
const LONGEST: usize = 4096;

/// Begins to say what has the level of [`LEVEL`], else warnings and errors. An error is a
/// sentence about a value that names no level; warnings are said then.
///
/// # Errors
/// That sentence.
pub fn begin() -> Result<(), String> {
    let level = std::env::var_os(LEVEL).map_or(Ok(LevelFilter::WARN), |text| {
        let named = text.to_str().and_then(|text| text.parse().ok());
        named.ok_or_else(|| {
            format!(
                "{LEVEL} names no level: {}; say off, error, warn, info, debug or trace",
                text.display()
            )
        })
    });
    let subscriber = Subscriber::builder()
        .with_max_level(*level.as_ref().unwrap_or(&LevelFilter::WARN))
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(|| StandardError)
        .finish();
    let _first = set_global_default(subscriber);
    level.map(drop)
}

/// Takes one line at a time, and never waits: what finds no room is lost.
struct StandardError;

impl io::Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        static SAID: AtomicU64 = AtomicU64::new(0);
        let said = SAID.fetch_add(1, Ordering::Relaxed);
        let shown = match said {
            ..LINES => shown(line),
            LINES => b"doorward: no more of this is said\n".to_vec(),
            _ => return Ok(line.len()),
        };
        let error = rustix::stdio::stderr();
        let mut room = [PollFd::from_borrowed_fd(error, PollFlags::OUT)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if poll(&mut room, Some(&at_once)) == Ok(1) {
            let _lost = rustix::io::write(error, &shown);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One line, whatever bytes of a peer are in it.
fn shown(line: &[u8]) -> Vec<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut shown = b"doorward: ".to_vec();
    for byte in String::from_utf8_lossy(line.trim_ascii_start()).chars() {
        if byte.is_control() {
            shown.extend(byte.escape_default().to_string().into_bytes());
        } else {
            shown.extend(byte.encode_utf8(&mut [0; 4]).bytes());
        }
    }
    shown.truncate(LONGEST.saturating_sub(1));
    shown.push(b'\n');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_harmless_line() {
        let line = shown(b" WARN left path=a\x1b[31m\nb\xff\xc2\x9b31m\n");
        let wanted = "doorward: WARN left path=a\\u{1b}[31m\\nb\u{fffd}\\u{9b}31m\n";
        assert_eq!(String::from_utf8(line).unwrap(), wanted);
        let long = shown(&[b'x'; 3 * LONGEST]);
        assert_eq!((long.len(), long.last()), (LONGEST, Some(&b'\n')));
    }
}
