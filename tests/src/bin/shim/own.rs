//! Files of which each says whose it is, so that an answer to another question is seen.

use std::{
    ffi::CString,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    fs::{self, Access, AtFlags, CWD, Mode, OFlags},
    io::Errno,
};

/// How many files there are.
pub(crate) const FILES: usize = 10;

/// The names of one: a file of a content and size of its own, a link with a target of its own,
/// and a name that is there for every other one.
#[derive(Debug)]
struct Names {
    file: CString,
    link: CString,
    maybe: CString,
}

/// All of them, which tests/tests/shim makes.
#[derive(Debug)]
pub(crate) struct Own {
    names: Vec<Names>,
    /// Where they are.
    pub(crate) directory: String,
    /// What the case was told besides.
    pub(crate) word: Option<String>,
}

/// What an answer shows: it is the right one, it failed, or it is another's.
pub(crate) type Seen = Result<(), Errno>;

/// What stands for an answer to another question.
pub(crate) const CROSSED: Errno = Errno::STALE;

fn right(is: bool) -> Seen {
    if is { Ok(()) } else { Err(CROSSED) }
}

impl Own {
    pub(crate) fn new(directory: &str, word: Option<String>) -> Self {
        let name = |text: String| CString::new(format!("{directory}/{text}")).unwrap();
        let names = |number| Names {
            file: name(format!("file{number}")),
            link: name(format!("link{number}")),
            maybe: name(format!("maybe{number}")),
        };
        Self {
            names: (0..FILES).map(names).collect(),
            directory: directory.to_owned(),
            word,
        }
    }

    /// The name of a file.
    pub(crate) fn file(&self, number: usize) -> &CString {
        &self.names[number].file
    }

    /// Opens a file of its own, reads it and closes it. Allocates nothing, as all of these.
    pub(crate) fn open(&self, number: usize) -> Seen {
        let file = fs::openat(
            CWD,
            self.file(number),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut room = [0_u8; 64];
        // Who forks between the two shares the offset of a read.
        let length = rustix::io::pread(&file, &mut room, 0)?;
        let digit = b'0' + u8::try_from(number).unwrap();
        right(length == number + 1 && room[..length].iter().all(|byte| *byte == digit))
    }

    /// Looks at it.
    pub(crate) fn stat(&self, number: usize) -> Seen {
        let stat = fs::statat(CWD, self.file(number), AtFlags::empty())?;
        right(usize::try_from(stat.st_size) == Ok(number + 1))
    }

    /// Reads its link.
    pub(crate) fn link(&self, number: usize) -> Seen {
        let mut room = [0_u8; 64];
        let length = fs::readlinkat_raw(CWD, &self.names[number].link, &mut room[..])?;
        let digit = b'0' + u8::try_from(number).unwrap();
        right(length == number + 1 && room[..length].iter().all(|byte| *byte == digit))
    }

    /// Asks whether its name is there.
    pub(crate) fn maybe(&self, number: usize) -> Seen {
        let answer = fs::accessat(
            CWD,
            &self.names[number].maybe,
            Access::EXISTS,
            AtFlags::empty(),
        );
        match answer {
            Ok(()) => right(number.is_multiple_of(2)),
            Err(Errno::NOENT) => right(!number.is_multiple_of(2)),
            Err(errno) => Err(errno),
        }
    }

    /// One of them in turn.
    pub(crate) fn ask(&self, number: usize, turn: u32) -> Seen {
        match turn % 4 {
            0 => self.open(number),
            1 => self.stat(number),
            2 => self.link(number),
            _ => self.maybe(number),
        }
    }

    /// Each of them.
    ///
    /// # Panics
    /// When an answer is not right.
    pub(crate) fn ask_all(&self, number: usize) {
        for turn in 0..4 {
            let seen = self.ask(number, turn);
            assert_eq!(seen, Ok(()), "{number} {turn}");
        }
    }

    /// Does something while three other threads ask.
    pub(crate) fn while_others_ask(&self, act: impl FnOnce()) {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 1..4 {
                let over = &over;
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        self.ask_all(number);
                    }
                });
            }
            act();
            over.store(true, Ordering::Relaxed);
        });
    }
}

/// Descriptors of this process: number and inode of those from `least` on that are sockets or
/// pipes.
pub(crate) fn descriptors(least: i32) -> Vec<(i32, u64)> {
    (least..1100)
        .filter_map(|number| crate::sys::inode(number).map(|inode| (number, inode)))
        .collect()
}
