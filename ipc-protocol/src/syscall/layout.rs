//! Answers as the kernel lays them out in the asker's memory.

use crate::{FileStat, FileSystemStat};

/// A structure of the kernel's.
#[derive(Debug, Clone, Copy)]
pub struct Laid {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Laid {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// That of `struct statx`.
const LONGEST: usize = 256;

/// Bytes in the order of fields of a kernel structure.
struct Layout(Laid);

impl Layout {
    const fn new() -> Self {
        Self(Laid {
            bytes: [0; LONGEST],
            length: 0,
        })
    }

    fn put(mut self, value: &[u8]) -> Self {
        let end = self.0.length.saturating_add(value.len());
        if let Some(room) = self.0.bytes.get_mut(self.0.length..end) {
            for (place, byte) in room.iter_mut().zip(value) {
                *place = *byte;
            }
            self.0.length = end;
        }
        self
    }

    fn long(self, value: u64) -> Self {
        self.put(&value.to_ne_bytes())
    }

    fn word(self, value: u32) -> Self {
        self.put(&value.to_ne_bytes())
    }

    fn short(self, value: u16) -> Self {
        self.put(&value.to_ne_bytes())
    }

    fn time(self, (seconds, nanoseconds): (i64, u32)) -> Self {
        self.long(seconds.cast_unsigned())
            .long(u64::from(nanoseconds))
    }

    fn statx_time(self, (seconds, nanoseconds): (i64, u32)) -> Self {
        self.long(seconds.cast_unsigned()).word(nanoseconds).word(0)
    }

    /// All of it: what comes behind the fields is zero.
    fn up_to(self, length: usize) -> Laid {
        Laid {
            length: length.min(LONGEST),
            ..self.0
        }
    }
}

/// The kernel's encoding of a device number in `struct stat`.
fn device(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32)
}

/// `struct stat`.
pub fn stat(stat: &FileStat) -> Laid {
    let layout = Layout::new()
        .long(device(stat.device_major, stat.device_minor))
        .long(stat.inode);
    let layout = if cfg!(target_arch = "x86_64") {
        layout
            .long(u64::from(stat.links))
            .word(stat.mode)
            .word(stat.user)
            .word(stat.group)
            .word(0)
    } else {
        layout
            .word(stat.mode)
            .word(stat.links)
            .word(stat.user)
            .word(stat.group)
    };
    let layout = layout.long(device(stat.special_major, stat.special_minor));
    let layout = if cfg!(target_arch = "x86_64") {
        layout
            .long(stat.size)
            .long(u64::from(stat.block_size))
            .long(stat.blocks)
    } else {
        layout
            .long(0)
            .long(stat.size)
            .word(stat.block_size)
            .word(0)
            .long(stat.blocks)
    };
    let length = if cfg!(target_arch = "x86_64") {
        144
    } else {
        128
    };
    layout
        .time(stat.accessed)
        .time(stat.modified)
        .time(stat.changed)
        .up_to(length)
}

/// `struct statx`: all basic fields, the time of birth where there is one.
pub fn statx(stat: &FileStat) -> Laid {
    const BASIC: u32 = 0x7ff;
    const BORN: u32 = 0x800;
    Layout::new()
        .word(if stat.born.is_some() {
            BASIC | BORN
        } else {
            BASIC
        })
        .word(stat.block_size)
        .long(stat.attributes)
        .word(stat.links)
        .word(stat.user)
        .word(stat.group)
        .short(u16::try_from(stat.mode & 0xffff).unwrap_or_default())
        .short(0)
        .long(stat.inode)
        .long(stat.size)
        .long(stat.blocks)
        .long(stat.attributes)
        .statx_time(stat.accessed)
        .statx_time(stat.born.unwrap_or_default())
        .statx_time(stat.changed)
        .statx_time(stat.modified)
        .word(stat.special_major)
        .word(stat.special_minor)
        .word(stat.device_major)
        .word(stat.device_minor)
        .up_to(256)
}

/// `struct statfs`.
pub fn statfs(stat: &FileSystemStat) -> Laid {
    Layout::new()
        .long(stat.magic)
        .long(stat.block_size)
        .long(stat.blocks)
        .long(stat.blocks_free)
        .long(stat.blocks_available)
        .long(stat.files)
        .long(stat.files_free)
        .long(0)
        .long(stat.name_length)
        .long(stat.fragment_size)
        .long(stat.flags)
        .up_to(120)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::linux::fs::MetadataExt;

    #[test]
    fn a_status_is_laid_out_as_the_kernel_does() {
        let native = std::fs::metadata("/dev/null").unwrap();
        let status = rustix::fs::stat("/dev/null").unwrap();
        assert_eq!(
            size_of_val(&status),
            stat(&FileStat::default()).bytes().len()
        );
        let ours = FileStat {
            device_major: rustix::fs::major(status.st_dev),
            device_minor: rustix::fs::minor(status.st_dev),
            special_major: 1,
            special_minor: 3,
            inode: native.st_ino(),
            mode: native.st_mode(),
            links: u32::try_from(native.st_nlink()).unwrap(),
            modified: (
                native.st_mtime(),
                u32::try_from(native.st_mtime_nsec()).unwrap(),
            ),
            ..FileStat::default()
        };
        let laid = stat(&ours);
        let bytes = laid.bytes();
        let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(word(0), native.st_dev());
        assert_eq!(word(8), native.st_ino());
        if cfg!(target_arch = "x86_64") {
            assert_eq!(word(40), native.st_rdev());
            assert_eq!(word(88), native.st_mtime().cast_unsigned());
        }
        assert_eq!(statx(&ours).bytes().len(), 256);
    }
}
