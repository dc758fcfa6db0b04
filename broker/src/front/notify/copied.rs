//! A notification's arguments, copied once.
//!
//! Registers are in the notification; what they point to is read here, once, into
//! the broker's memory, and never again. Whatever the sandboxee changes afterwards
//! changes nothing. The copy is used only after the notification's id was validated.

use rustix::io::Errno;

use crate::sys::memory;

/// Longest string that is a path, with its NUL.
const PATH_BYTES: usize = 4096;
/// What process_vm_readv is asked for at once: strings are mostly short, and a
/// read that crosses into a missing page ends at its edge.
const PIECE: usize = 256;
const PAGE: u64 = 4096;
const AT_EMPTY_PATH: u64 = 0x1000;

/// Reads the memory of one thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) thread: i32,
}

impl Memory {
    /// A string that ends with a NUL, without it.
    ///
    /// # Errors
    /// `EFAULT` for a bad pointer, `ENAMETOOLONG` beyond 4095 bytes.
    pub(super) fn string(self, address: u64) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::with_capacity(PIECE);
        let mut piece = [0_u8; PIECE];
        while bytes.len() < PATH_BYTES {
            let at = address
                .checked_add(u64::try_from(bytes.len()).map_err(|_| Errno::FAULT)?)
                .ok_or(Errno::FAULT)?;
            let to_edge = PAGE.saturating_sub(at % PAGE);
            let left = PATH_BYTES.saturating_sub(bytes.len());
            let want = usize::try_from(to_edge)
                .unwrap_or(PIECE)
                .min(PIECE)
                .min(left);
            let room = piece.get_mut(..want).ok_or(Errno::FAULT)?;
            let count = memory::read(self.thread, at, room)?;
            let got = room
                .get(..count)
                .filter(|got| !got.is_empty())
                .ok_or(Errno::FAULT)?;
            if let Some(end) = got.iter().position(|&byte| byte == 0) {
                bytes.extend_from_slice(got.get(..end).unwrap_or_default());
                return Ok(bytes);
            }
            bytes.extend_from_slice(got);
        }
        Err(Errno::NAMETOOLONG)
    }

    /// Exactly `length` bytes.
    ///
    /// # Errors
    /// `EFAULT` when not all can be read.
    pub(super) fn bytes(self, address: u64, length: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0_u8; length];
        match memory::read(self.thread, address, &mut bytes)? {
            count if count == length => Ok(bytes),
            _ => Err(Errno::FAULT),
        }
    }

    /// `N` 64-bit words.
    ///
    /// # Errors
    /// `EFAULT` when not all can be read.
    pub(super) fn words<const N: usize>(self, address: u64) -> Result<[u64; N], Errno> {
        let bytes = self.bytes(address, N.saturating_mul(8))?;
        let mut words = [0_u64; N];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(chunk.try_into().map_err(|_| Errno::FAULT)?);
        }
        Ok(words)
    }

    /// Writes all of `bytes`, into writable mappings only.
    ///
    /// # Errors
    /// `EFAULT` when not all can be written.
    pub(super) fn write(self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        memory::write(self.thread, address, bytes)
    }
}

/// The call and all it points to.
#[derive(Debug, Clone, Default)]
pub(super) struct Copied {
    /// Registers.
    pub(super) arguments: [u64; 6],
    /// The first string or address.
    pub(super) one: Vec<u8>,
    /// The second string.
    pub(super) two: Vec<u8>,
    /// Numbers behind a pointer: times, `struct open_how`, `struct flock`.
    pub(super) words: Option<[u64; 4]>,
}

impl Copied {
    /// Copies what the call named `name` points to.
    ///
    /// # Errors
    /// The errno that the kernel gives for such arguments.
    pub(super) fn of(name: &str, arguments: [u64; 6], memory: Memory) -> Result<Self, Errno> {
        let mut copied = Self {
            arguments,
            ..Self::default()
        };
        let [a, b, c, d, ..] = arguments;
        match name {
            "open" | "creat" | "stat" | "lstat" | "access" | "readlink" | "chdir" | "mkdir"
            | "rmdir" | "unlink" | "chmod" | "chown" | "lchown" | "truncate" | "statfs"
            | "execve" => copied.one = memory.string(a)?,
            "openat" | "faccessat" | "faccessat2" | "readlinkat" | "mkdirat" | "unlinkat"
            | "fchmodat" | "fchmodat2" | "fchownat" | "inotify_add_watch" => {
                copied.one = memory.string(b)?
            }
            "newfstatat" => copied.one = or_empty(memory, b, d)?,
            "statx" => copied.one = or_empty(memory, b, c)?,
            "openat2" => {
                copied.one = memory.string(b)?;
                copied.words = Some(how(memory, c, d)?);
            }
            "rename" | "link" | "symlink" => {
                copied.one = memory.string(a)?;
                copied.two = memory.string(b)?;
            }
            "renameat" | "renameat2" | "linkat" => {
                copied.one = memory.string(b)?;
                copied.two = memory.string(d)?;
            }
            "symlinkat" => {
                copied.one = memory.string(a)?;
                copied.two = memory.string(c)?;
            }
            "utime" => {
                copied.one = memory.string(a)?;
                copied.words = behind(b, |at| memory.words::<2>(at).map(|[x, y]| [x, 0, y, 0]))?;
            }
            "utimes" => {
                copied.one = memory.string(a)?;
                copied.words = behind(b, |at| memory.words::<4>(at))?;
            }
            "futimesat" | "utimensat" => {
                copied.one = if b == 0 {
                    Vec::new()
                } else {
                    memory.string(b)?
                };
                copied.words = behind(c, |at| memory.words::<4>(at))?;
            }
            "fcntl" => copied.words = Some(memory.words::<4>(c)?),
            "connect" | "bind" => {
                let length = usize::try_from(c & 0xffff_ffff).map_err(|_| Errno::INVAL)?;
                if length > 128 {
                    return Err(Errno::INVAL);
                }
                copied.one = memory.bytes(b, length)?;
            }
            _ => {}
        }
        Ok(copied)
    }
}

/// A path that may be missing if the flags say that it may be empty (Linux 6.11).
fn or_empty(memory: Memory, address: u64, flags: u64) -> Result<Vec<u8>, Errno> {
    if address == 0 && flags & AT_EMPTY_PATH != 0 {
        Ok(Vec::new())
    } else {
        memory.string(address)
    }
}

fn behind(
    address: u64,
    read: impl Fn(u64) -> Result<[u64; 4], Errno>,
) -> Result<Option<[u64; 4]>, Errno> {
    if address == 0 {
        Ok(None)
    } else {
        read(address).map(Some)
    }
}

/// `struct open_how` of openat2(2): longer ones must be zero behind what is known.
fn how(memory: Memory, address: u64, size: u64) -> Result<[u64; 4], Errno> {
    match size {
        0..24 => return Err(Errno::INVAL),
        24..=4096 => {}
        _ => return Err(Errno::TOOBIG),
    }
    let bytes = memory.bytes(address, usize::try_from(size).map_err(|_| Errno::TOOBIG)?)?;
    if bytes.iter().skip(24).any(|&byte| byte != 0) {
        return Err(Errno::TOOBIG);
    }
    let mut words = [0_u64; 4];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8).take(3)) {
        *word = u64::from_ne_bytes(chunk.try_into().map_err(|_| Errno::FAULT)?);
    }
    Ok(words)
}
