//! An honest sandboxee, which asks for one file in both ways and notes how long it took.

use std::{
    io::{Read, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use doorward_sandboxee::{Client, Mode, OFlags};

/// Between two questions.
const PAUSE: Duration = Duration::from_micros(500);
/// Questions that are told of in one line.
const WINDOW: usize = 50;

/// Asks for a file of known content.
#[derive(Debug)]
pub struct Asker {
    /// Its lane.
    pub client: Client,
    /// The file.
    pub file: PathBuf,
    /// What it holds.
    pub content: &'static [u8],
}

impl Asker {
    /// Asks for so long, and tells after each window under `title` when it was and how long
    /// each answer took, in microseconds. `meanwhile` is done between questions.
    ///
    /// # Panics
    /// When the file cannot be had, or is another.
    pub fn ask(&mut self, title: &str, time: Duration, mut meanwhile: impl FnMut(&mut Client)) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            let mut line = format!("{title} {}", now());
            for turn in 0..WINDOW {
                let asked = Instant::now();
                let mut file = if turn % 2 == 0 {
                    let name = self.file.to_str().unwrap();
                    let opened = self.client.open(name, OFlags::RDONLY, Mode::empty());
                    std::fs::File::from(opened.unwrap())
                } else {
                    std::fs::File::open(&self.file).unwrap()
                };
                line.push_str(&format!(" {}", asked.elapsed().as_micros()));
                let mut content = Vec::new();
                file.read_to_end(&mut content).unwrap();
                assert_eq!(content, self.content);
                meanwhile(&mut self.client);
                std::thread::sleep(PAUSE);
                if begun.elapsed() > time {
                    break;
                }
            }
            tell(&line);
        }
    }
}

/// The time of the machine in milliseconds.
#[must_use]
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec * 1000 + time.tv_nsec / 1_000_000).unwrap()
}

/// Writes a line to standard output in one piece.
///
/// # Panics
/// When nobody reads it.
pub fn tell(line: &str) {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{line}\n").as_bytes()).unwrap();
    output.flush().unwrap();
}
