//! `limits.output`: what a sandbox writes to its standard output and error goes through
//! the host, which counts it. Each stream has a thread and one buffer; what does not fit
//! is not passed on, and the sandbox is ended.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::sys::signal::SigSet;
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::OFlags,
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};

/// Bytes copied at once.
pub(super) const PIECE: usize = 16 * 1024;

/// What may still be written, by all streams together.
#[derive(Debug)]
pub(super) struct Quota {
    most: u64,
    left: Mutex<u64>,
    exceeded: AtomicBool,
}

impl Quota {
    fn new(most: u64) -> Self {
        Self {
            most,
            left: Mutex::new(most),
            exceeded: AtomicBool::new(false),
        }
    }

    /// The part of these bytes that may be passed on.
    pub(super) fn take<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let within = usize::try_from(*left)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        *left = left.saturating_sub(u64::try_from(within).unwrap_or(u64::MAX));
        if within < bytes.len() {
            self.exceeded.store(true, Ordering::Release);
        }
        bytes.get(..within).unwrap_or_default()
    }

    /// Bytes that were taken.
    fn taken(&self) -> u64 {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        self.most.saturating_sub(*left)
    }

    /// The value of the limit, if more was written.
    pub(super) fn exceeded(&self) -> Option<u64> {
        self.exceeded.load(Ordering::Acquire).then_some(self.most)
    }
}

/// Bytes that go from one descriptor to another.
#[derive(Debug)]
struct Course {
    from: OwnedFd,
    to: OwnedFd,
    counted: bool,
}

/// The streams of a sandbox that are to be relayed.
#[derive(Debug)]
pub(super) struct Output {
    quota: Arc<Quota>,
    courses: Vec<Course>,
}

impl Output {
    /// Takes the place of these streams: the sandbox gets the returned ones. With
    /// `terminal`, those that are terminals are relayed already.
    ///
    /// Output and error that lead to one file become one pipe, so that what is written to
    /// both stays in order. A standard input that could be written to is relayed too.
    pub(super) fn between(
        streams: [OwnedFd; 3],
        terminal: bool,
        most: u64,
    ) -> Result<(Self, [OwnedFd; 3]), Errno> {
        let relayed = |stream: &OwnedFd| terminal && rustix::termios::isatty(stream);
        let [input, output, error] = streams;
        let mut courses = Vec::new();
        let input = if relayed(&input) || !writable(&input)? {
            input
        } else {
            let (theirs, to) = pipe_with(PipeFlags::CLOEXEC)?;
            courses.push(Course {
                from: input,
                to,
                counted: false,
            });
            theirs
        };
        let mut counted = |to: OwnedFd| {
            if relayed(&to) {
                return Ok(to);
            }
            let (from, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
            courses.push(Course {
                from,
                to,
                counted: true,
            });
            Ok(theirs)
        };
        let same = !relayed(&output) && same(&output, &error)?;
        let output = counted(output)?;
        let error = if same {
            rustix::io::fcntl_dupfd_cloexec(&output, 3)?
        } else {
            counted(error)?
        };
        let quota = Arc::new(Quota::new(most));
        Ok((Self { quota, courses }, [input, output, error]))
    }

    /// Begins to relay. `exceeded` is called when there is more than the quota; from then on
    /// nothing is read.
    pub(super) fn begin(
        self,
        exceeded: impl Fn() + Send + Sync + 'static,
    ) -> Result<Relaying, Errno> {
        let (done, working) = pipe_with(PipeFlags::CLOEXEC)?;
        let (exceeded, working) = (Arc::new(exceeded), Arc::new(working));
        for course in self.courses {
            let quota = course.counted.then(|| Arc::clone(&self.quota));
            let working = course.counted.then(|| Arc::clone(&working));
            let exceeded = Arc::clone(&exceeded);
            std::thread::Builder::new()
                .name("output".into())
                .spawn(move || {
                    // The process's signals are another thread's.
                    let _never = SigSet::all().thread_block();
                    course.follow(quota.as_deref(), &*exceeded);
                    drop(working);
                })
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))?;
        }
        Ok(Relaying {
            quota: self.quota,
            done,
        })
    }
}

/// Output that is being relayed.
#[derive(Debug)]
pub(super) struct Relaying {
    quota: Arc<Quota>,
    /// Hangs up when all that was written has been passed on.
    done: OwnedFd,
}

impl Relaying {
    /// Waits until what was written has been passed on.
    pub(super) fn wait(&self) {
        let mut waited = [PollFd::new(&self.done, PollFlags::IN)];
        while poll(&mut waited, None) == Err(Errno::INTR) {}
    }

    /// What a terminal that is relayed elsewhere is to be counted by, too.
    pub(super) fn quota(&self) -> Arc<Quota> {
        Arc::clone(&self.quota)
    }

    /// Bytes that were passed on.
    pub(super) fn passed(&self) -> u64 {
        self.quota.taken()
    }

    /// The value of the limit, if more was written.
    pub(super) fn exceeded(&self) -> Option<u64> {
        self.quota.exceeded()
    }
}

impl AsFd for Relaying {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }
}

impl Course {
    /// Copies until one of the ends is gone, or there is more than the quota. Then the
    /// source is kept open, so that the writer meets the limit and no broken pipe.
    fn follow(&self, quota: Option<&Quota>, exceeded: &dyn Fn()) {
        let mut piece = [0_u8; PIECE];
        while let Some(bytes) = self.next(&mut piece) {
            let within = quota.map_or(bytes, |quota| quota.take(bytes));
            if write_all(self.to.as_fd(), within).is_err() {
                return;
            }
            if within.len() < bytes.len() {
                exceeded();
                let mut closed = [PollFd::new(&self.from, PollFlags::empty())];
                while poll(&mut closed, None) == Err(Errno::INTR) {}
                return;
            }
        }
    }

    /// What comes next; `None` at the end, or when nobody takes it any more.
    fn next<'a>(&self, piece: &'a mut [u8]) -> Option<&'a [u8]> {
        loop {
            let mut ready = [
                PollFd::new(&self.from, PollFlags::IN),
                PollFd::new(&self.to, PollFlags::empty()),
            ];
            match poll(&mut ready, None) {
                Err(Errno::INTR) => continue,
                Err(_) => return None,
                Ok(_) => {}
            }
            let [from, to] = ready.map(|one| !one.revents().is_empty());
            if to {
                return None;
            }
            if !from {
                continue;
            }
            match rustix::io::read(&self.from, &mut *piece) {
                Ok(0) => return None,
                Ok(count) => return piece.get(..count),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return None,
            }
        }
    }
}

/// Writes all of it, however long the reader takes.
pub(super) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut ready = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
                let _woken = poll(&mut ready, None);
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn writable(stream: &OwnedFd) -> Result<bool, Errno> {
    let flags = rustix::fs::fcntl_getfl(stream)?;
    Ok(flags & OFlags::RWMODE != OFlags::RDONLY)
}

fn same(one: &OwnedFd, other: &OwnedFd) -> Result<bool, Errno> {
    let (one, other) = (rustix::fs::fstat(one)?, rustix::fs::fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_used_to_the_last_byte_and_no_further() {
        let quota = Quota::new(10);
        assert_eq!(quota.take(b"1234567"), b"1234567");
        assert_eq!(quota.take(b"890"), b"890");
        assert_eq!(quota.exceeded(), None);
        assert_eq!(quota.take(b""), b"");
        assert_eq!(quota.exceeded(), None);
        assert_eq!(quota.take(b"x"), b"");
        assert_eq!((quota.exceeded(), quota.taken()), (Some(10), 10));
    }
}
