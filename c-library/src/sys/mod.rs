//! What C calls, and what C passes.
//!
//! Types are made so that what can be checked is: a pointer that may be NULL is an `Option`,
//! text is read to its end and no further than its bound. What cannot be checked is the
//! caller's, as for any C function, and the header says it.

mod changes;
mod client;
mod connect;
mod looks;
mod programs;
mod worker;

use std::{
    ffi::{OsStr, c_char, c_int, c_void},
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt,
};

use doorward_sandboxee::{At, ClientError, Links};
use rustix::io::Errno;

pub use changes::*;
pub use client::*;
pub use connect::*;
pub use looks::*;
pub use programs::*;
pub use worker::*;

/// Bytes of the longest path, without its end.
const LONGEST_PATH: usize = 4095;

/// Sets the errno of this thread.
pub(crate) fn set_errno(errno: Errno) {
    // SAFETY: libc's place of it is valid as long as the thread runs.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: and nothing of Rust refers to it.
    unsafe { place.write(errno.raw_os_error()) };
}

fn invalid() -> ClientError {
    ClientError::Errno(Errno::INVAL)
}

fn null() -> ClientError {
    ClientError::Errno(Errno::FAULT)
}

/// Something that may not be NULL.
fn given<T>(value: Option<T>) -> Result<T, ClientError> {
    value.ok_or_else(null)
}

/// Text with a zero at its end, of the caller's.
#[derive(Debug)]
#[repr(transparent)]
pub struct Text(*const c_char);

impl Text {
    /// Its bytes. Longer than `most` is `too_long`, NULL is `EFAULT`.
    fn bytes(&self, most: usize, too_long: Errno) -> Result<&[u8], ClientError> {
        if self.0.is_null() {
            return Err(null());
        }
        // SAFETY: it is the caller's, and has a zero at its end; no more than this is read.
        let length = unsafe { libc::strnlen(self.0, most.saturating_add(1)) };
        if length > most {
            return Err(ClientError::Errno(too_long));
        }
        // SAFETY: so many bytes were just read, and the caller leaves them for the call.
        Ok(unsafe { std::slice::from_raw_parts(self.0.cast(), length) })
    }

    fn path(&self) -> Result<&[u8], ClientError> {
        self.bytes(LONGEST_PATH, Errno::NAMETOOLONG)
    }

    /// Where it means, in a directory if there is one.
    fn at<'a>(&'a self, directory: Option<&Directory>) -> Result<At<'a>, ClientError> {
        let path = self.path()?;
        Ok(match directory {
            Some(directory) => directory.0.at(OsStr::from_bytes(path)),
            None => At::from(path),
        })
    }
}

/// Bytes of the caller's, so many as an argument beside says.
#[derive(Debug)]
#[repr(transparent)]
pub struct Bytes(*const c_void);

impl Bytes {
    fn read(&self, length: usize) -> Result<&[u8], ClientError> {
        if length == 0 {
            return Ok(&[]);
        }
        if self.0.is_null() || length > isize::MAX.unsigned_abs() {
            return Err(null());
        }
        // SAFETY: the caller has so many bytes there, and leaves them for the call.
        Ok(unsafe { std::slice::from_raw_parts(self.0.cast(), length) })
    }
}

/// Room of the caller's, as much as an argument beside says.
#[derive(Debug)]
#[repr(transparent)]
pub struct Room(*mut c_char);

impl Room {
    /// Writes what fits; how much that was.
    fn write(&mut self, size: usize, bytes: &[u8]) -> Result<usize, ClientError> {
        if self.0.is_null() {
            return Err(null());
        }
        let length = bytes.len().min(size);
        // SAFETY: the caller has room for `size` bytes there, apart from ours.
        unsafe {
            self.0
                .cast::<u8>()
                .copy_from_nonoverlapping(bytes.as_ptr(), length)
        };
        Ok(length)
    }
}

/// Two times of the caller's, or NULL.
#[derive(Debug)]
#[repr(transparent)]
pub struct Times(*const libc::timespec);

impl Times {
    fn read(&self) -> Option<[libc::timespec; 2]> {
        let pair = self.0.cast::<[libc::timespec; 2]>();
        // SAFETY: it is NULL, or the caller has two there.
        unsafe { pair.as_ref() }.copied()
    }
}

/// A list of texts of the caller's, with NULL at its end; or NULL.
#[derive(Debug)]
#[repr(transparent)]
pub struct Texts(*const Text);

impl Texts {
    /// At most `most` of them; more are `E2BIG`.
    fn read(&self, most: usize) -> Result<&[Text], ClientError> {
        if self.0.is_null() {
            return Ok(&[]);
        }
        for length in 0..=most {
            // SAFETY: there are more, for none so far was the end.
            let next = unsafe { self.0.add(length) };
            // SAFETY: this one is of the list, if only its end.
            let next = unsafe { &*next };
            if next.0.is_null() {
                // SAFETY: so many were just read.
                return Ok(unsafe { std::slice::from_raw_parts(self.0, length) });
            }
        }
        Err(ClientError::Errno(Errno::TOOBIG))
    }
}

/// Whether links are followed, by the flag of the *at calls.
fn links(flags: c_int) -> Result<Links, ClientError> {
    match flags {
        0 => Ok(Links::Follow),
        libc::AT_SYMLINK_NOFOLLOW => Ok(Links::Itself),
        _ => Err(invalid()),
    }
}

/// A structure of C's with all its bytes zero.
fn zeroed<T: Plain>() -> T {
    // SAFETY: zero bytes are a value of each type that is `Plain`.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Structures of C's without pointers.
trait Plain {}
impl Plain for libc::stat {}
impl Plain for libc::statfs {}

/// A lane to the broker, of one thread at a time.
#[derive(Debug)]
pub struct Client(doorward_sandboxee::Client);

/// A directory that was granted, of the client that opened it.
#[derive(Debug)]
pub struct Directory(doorward_sandboxee::Directory);
