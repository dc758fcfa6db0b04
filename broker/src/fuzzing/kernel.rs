//! A kernel that notifies as a script says: what `sys::notify` and `sys::memory` are in the
//! build of the fuzz targets. It keeps an account of what the front does to its askers, and
//! panics at what the front must never do.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::io::Errno;

/// A call that is notified.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Number of the call.
    pub number: i32,
    /// Who asks: its /proc entry is the real one.
    pub thread: u32,
    /// Registers.
    pub arguments: [u64; 6],
    /// The asker is gone after so many looks at whether it still waits.
    pub looks: usize,
}

/// Some of the askers' memory. There is nothing between two regions.
#[derive(Debug, Clone)]
pub struct Region {
    /// Where it begins.
    pub start: u64,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Whether it can be written.
    pub writable: bool,
}

/// How a call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// By a value.
    Value(i64),
    /// By an errno.
    Errno(i32),
    /// Left to the kernel.
    Continued,
    /// By a descriptor.
    Granted {
        /// What /proc says it is.
        name: Vec<u8>,
        /// Whether it can be written through.
        writable: bool,
    },
}

#[derive(Debug)]
struct Known {
    asked: Asked,
    /// A descriptor that was put into its table before the answer, and its number there.
    added: Option<(Answered, i64)>,
    answer: Option<Answered>,
}

impl Known {
    fn is_gone(&self) -> bool {
        self.asked.looks == 0
    }
}

/// What happens in the scripted kernel.
#[derive(Debug, Default)]
struct State {
    coming: VecDeque<Asked>,
    known: Vec<Known>,
    regions: Vec<Region>,
    /// How often each byte was read since the last call came.
    reads: Vec<Vec<u32>>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

fn state() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins a script. The listener is readable for each call, and hung up behind the last.
///
/// # Errors
/// What pipe2(2) meets.
pub fn begin(asked: Vec<Asked>, regions: Vec<Region>) -> Result<OwnedFd, Errno> {
    let flags = rustix::pipe::PipeFlags::CLOEXEC;
    let (listener, calls) = rustix::pipe::pipe_with(flags)?;
    rustix::io::write(&calls, &vec![0; asked.len()])?;
    *state() = Some(State {
        coming: asked.into(),
        known: Vec::new(),
        reads: regions.iter().map(|one| vec![0; one.bytes.len()]).collect(),
        regions,
    });
    Ok(listener)
}

/// Ends it: each call with its answer, none where the asker was gone.
pub fn end() -> Vec<(Asked, Option<Answered>)> {
    let Some(ended) = state().take() else {
        return Vec::new();
    };
    for known in &ended.known {
        let owed = known.answer.is_none() && !known.is_gone();
        assert!(!owed, "never answered: {:x?}", known.asked);
    }
    let known = ended.known.into_iter();
    known.map(|known| (known.asked, known.answer)).collect()
}

impl State {
    fn region(&mut self, address: u64) -> Option<(usize, usize)> {
        self.regions.iter().enumerate().find_map(|(index, region)| {
            let offset = usize::try_from(address.checked_sub(region.start)?).ok()?;
            (offset < region.bytes.len()).then_some((index, offset))
        })
    }

    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let (index, offset) = self.region(address).ok_or(Errno::FAULT)?;
        let region = &self.regions[index];
        let count = buffer.len().min(region.bytes.len() - offset);
        buffer[..count].copy_from_slice(&region.bytes[offset..offset + count]);
        let last = &self.known.last().expect("a call came").asked;
        let length = region.bytes.len() as u64;
        let lies_there = |one: &&u64| one.checked_sub(region.start).is_some_and(|at| at < length);
        let most = last.arguments.iter().filter(lies_there).count() as u32;
        for read in &mut self.reads[index][offset..offset + count] {
            *read += 1;
            assert!(
                *read <= most,
                "read more than once: {last:x?} at {address:x}"
            );
        }
        Ok(count)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let waiting = |known: &&Known| known.answer.is_none();
        let asked = self.known.iter().filter(waiting);
        let meant = asked.flat_map(|known| known.asked.arguments);
        assert!(
            meant.into_iter().any(|one| one == address),
            "written where nobody asked"
        );
        let (index, offset) = self.region(address).ok_or(Errno::FAULT)?;
        let region = &mut self.regions[index];
        match region.bytes.get_mut(offset..offset + bytes.len()) {
            Some(room) if region.writable => {
                room.copy_from_slice(bytes);
                Ok(())
            }
            _ => Err(Errno::FAULT),
        }
    }

    /// Its place is its id, from 1.
    fn known(&mut self, id: u64) -> &mut Known {
        let place = usize::try_from(id - 1).expect("an id that came");
        self.known.get_mut(place).expect("an id that came")
    }

    fn answer(&mut self, id: u64, answer: Answered) -> Result<(), Errno> {
        let known = self.known(id);
        if known.is_gone() {
            return Err(Errno::NOENT);
        }
        assert_eq!(known.answer, None, "answered twice: {:x?}", known.asked);
        known.answer = Some(match known.added.take() {
            None => answer,
            Some((granted, number)) => {
                assert_eq!(
                    answer,
                    Answered::Value(number),
                    "left in the table: {granted:?}"
                );
                granted
            }
        });
        Ok(())
    }

    /// Its number in the asker's table.
    fn add(&mut self, id: u64, granted: Answered) -> Result<i64, Errno> {
        let known = self.known(id);
        if known.is_gone() {
            return Err(Errno::NOENT);
        }
        assert!(
            known.added.is_none() && known.answer.is_none(),
            "added twice"
        );
        let number = 100;
        known.added = Some((granted, number));
        Ok(number)
    }
}

/// `sys::notify`, by the script.
pub(crate) mod notify {
    use std::os::fd::{AsRawFd, BorrowedFd};

    use rustix::{fs::OFlags, io::Errno};

    use super::{Answered, Known, State, state};

    /// What came.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Notification {
        pub(crate) id: u64,
        pub(crate) thread: u32,
        pub(crate) number: i32,
        pub(crate) arguments: [u64; 6],
    }

    fn with<T>(act: impl FnOnce(&mut State) -> T) -> T {
        act(state().as_mut().expect("a script has begun"))
    }

    pub(crate) fn receive(listener: BorrowedFd<'_>) -> Result<Notification, Errno> {
        rustix::io::read(listener, &mut [0_u8])?;
        with(|state| {
            let asked = state.coming.pop_front().ok_or(Errno::NOENT)?;
            let notification = Notification {
                id: state.known.len() as u64 + 1,
                thread: asked.thread,
                number: asked.number,
                arguments: asked.arguments,
            };
            let gone = asked.looks == 0;
            state.known.push(Known {
                asked,
                added: None,
                answer: None,
            });
            for reads in &mut state.reads {
                reads.fill(0);
            }
            if gone {
                Err(Errno::NOENT)
            } else {
                Ok(notification)
            }
        })
    }

    pub(crate) fn valid(_: BorrowedFd<'_>, id: u64) -> bool {
        with(|state| {
            let known = state.known(id);
            known.asked.looks = known.asked.looks.saturating_sub(1);
            !known.is_gone() && known.answer.is_none()
        })
    }

    pub(crate) fn send_value(_: BorrowedFd<'_>, id: u64, value: i64) -> Result<(), Errno> {
        with(|state| state.answer(id, Answered::Value(value)))
    }

    pub(crate) fn send_errno(_: BorrowedFd<'_>, id: u64, errno: Errno) -> Result<(), Errno> {
        with(|state| state.answer(id, Answered::Errno(errno.raw_os_error())))
    }

    pub(crate) fn send_continue(_: BorrowedFd<'_>, id: u64) -> Result<(), Errno> {
        with(|state| state.answer(id, Answered::Continued))
    }

    fn granted(descriptor: BorrowedFd<'_>) -> Result<Answered, Errno> {
        let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        let name = rustix::fs::readlink(link, Vec::new())?.into_bytes();
        let flags = rustix::fs::fcntl_getfl(descriptor)?;
        let writable = flags.intersects(OFlags::WRONLY | OFlags::RDWR);
        Ok(Answered::Granted { name, writable })
    }

    pub(crate) fn send_descriptor(
        _: BorrowedFd<'_>,
        id: u64,
        descriptor: BorrowedFd<'_>,
        _: bool,
    ) -> Result<(), Errno> {
        let granted = granted(descriptor)?;
        with(|state| state.answer(id, granted))
    }

    pub(crate) fn add_descriptor(
        _: BorrowedFd<'_>,
        id: u64,
        descriptor: BorrowedFd<'_>,
        _: bool,
    ) -> Result<i64, Errno> {
        let granted = granted(descriptor)?;
        with(|state| state.add(id, granted))
    }

    pub(crate) fn wake_here(_: BorrowedFd<'_>) -> bool {
        true
    }
}

/// `sys::memory`, by the script.
pub(crate) mod memory {
    use rustix::io::Errno;

    use super::state;

    pub(crate) fn read(_: i32, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        state()
            .as_mut()
            .expect("a script has begun")
            .read(address, buffer)
    }

    pub(crate) fn write(_: i32, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        if bytes.is_empty() {
            return Ok(());
        }
        state()
            .as_mut()
            .expect("a script has begun")
            .write(address, bytes)
    }
}
