//! A system call's arguments, copied once.
//!
//! Registers are given; what they point to is read once through a [`Memory`], into memory of
//! the reader's own, and never again. Whatever the caller changes afterwards changes nothing.

use rustix::io::Errno;

/// Longest string that is a path, with its NUL.
pub const PATH_BYTES: usize = 4096;
/// What is read at once: strings are mostly short, and a read ends at the edge of a page
/// behind which there may be nothing.
const PIECE: usize = 256;
const PAGE: u64 = 4096;
const AT_EMPTY_PATH: u64 = 0x1000;

/// Memory that addresses of a call point into.
pub trait Memory {
    /// Where what is read is kept.
    type Bytes: AsRef<[u8]> + Default;

    /// A string that ends with a NUL, without it.
    ///
    /// # Errors
    /// `EFAULT` for a bad pointer, `ENAMETOOLONG` beyond 4095 bytes.
    fn string(&self, address: u64) -> Result<Self::Bytes, Errno>;

    /// Exactly `length` bytes, at most 4096.
    ///
    /// # Errors
    /// `EFAULT` when not all can be read.
    fn bytes(&self, address: u64, length: usize) -> Result<Self::Bytes, Errno>;

    /// `N` 64-bit words.
    ///
    /// # Errors
    /// `EFAULT` when not all can be read.
    fn words<const N: usize>(&self, address: u64) -> Result<[u64; N], Errno> {
        let bytes = self.bytes(address, N.saturating_mul(8))?;
        let mut words = [0_u64; N];
        for (word, chunk) in words.iter_mut().zip(bytes.as_ref().chunks_exact(8)) {
            *word = u64::from_ne_bytes(chunk.try_into().map_err(|_| Errno::FAULT)?);
        }
        Ok(words)
    }
}

/// Reads a string piece by piece, none of which crosses a page, and returns its length.
/// `read` fills a buffer from an address and tells how much it could.
///
/// # Errors
/// As [`Memory::string`].
pub fn string(
    address: u64,
    room: &mut [u8; PATH_BYTES],
    mut read: impl FnMut(u64, &mut [u8]) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let mut length = 0_usize;
    while length < PATH_BYTES {
        let at = address
            .checked_add(u64::try_from(length).map_err(|_| Errno::FAULT)?)
            .ok_or(Errno::FAULT)?;
        let to_edge = PAGE.saturating_sub(at % PAGE);
        let want = usize::try_from(to_edge).unwrap_or(PIECE).min(PIECE);
        let left = room.get_mut(length..).unwrap_or_default();
        let want = want.min(left.len());
        let piece = left.get_mut(..want).ok_or(Errno::FAULT)?;
        let count = read(at, piece)?;
        let got = piece
            .get(..count)
            .filter(|got| !got.is_empty())
            .ok_or(Errno::FAULT)?;
        if let Some(end) = got.iter().position(|&byte| byte == 0) {
            return Ok(length.saturating_add(end));
        }
        length = length.saturating_add(got.len());
    }
    Err(Errno::NAMETOOLONG)
}

/// The call and all it points to.
#[derive(Debug, Clone, Default)]
pub struct Copied<B> {
    /// Registers.
    pub arguments: [u64; 6],
    /// The first string or address.
    pub one: B,
    /// The second string.
    pub two: B,
    /// Numbers behind a pointer: times, `struct open_how`, `struct flock`.
    pub words: Option<[u64; 4]>,
}

impl<B: AsRef<[u8]> + Default> Copied<B> {
    /// Copies what the call named `name` points to.
    ///
    /// # Errors
    /// The errno that the kernel gives for such arguments.
    pub fn of(
        name: &str,
        arguments: [u64; 6],
        memory: &impl Memory<Bytes = B>,
    ) -> Result<Self, Errno> {
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
                    B::default()
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
fn or_empty<M: Memory>(memory: &M, address: u64, flags: u64) -> Result<M::Bytes, Errno> {
    if address == 0 && flags & AT_EMPTY_PATH != 0 {
        Ok(M::Bytes::default())
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
fn how(memory: &impl Memory, address: u64, size: u64) -> Result<[u64; 4], Errno> {
    match size {
        0..24 => return Err(Errno::INVAL),
        24..=4096 => {}
        _ => return Err(Errno::TOOBIG),
    }
    let bytes = memory.bytes(address, usize::try_from(size).map_err(|_| Errno::TOOBIG)?)?;
    if bytes.as_ref().iter().skip(24).any(|&byte| byte != 0) {
        return Err(Errno::TOOBIG);
    }
    let mut words = [0_u64; 4];
    for (word, chunk) in words.iter_mut().zip(bytes.as_ref().chunks_exact(8).take(3)) {
        *word = u64::from_ne_bytes(chunk.try_into().map_err(|_| Errno::FAULT)?);
    }
    Ok(words)
}
