//! Typed replies, as they travel on a lane. Descriptors travel beside them.

use serde::{Deserialize, Serialize};

use crate::operation::ReplyKind;

/// What `stat` answers: the fields of statx(2), independent of the architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileStat {
    /// Device that holds the object: major number.
    pub device_major: u32,
    /// Device that holds the object: minor number.
    pub device_minor: u32,
    /// Inode number.
    pub inode: u64,
    /// Type and mode bits.
    pub mode: u32,
    /// Number of hard links.
    pub links: u32,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
    /// Device numbers of a device node: major.
    pub special_major: u32,
    /// Device numbers of a device node: minor.
    pub special_minor: u32,
    /// Length in bytes.
    pub size: u64,
    /// Preferred block size in bytes.
    pub block_size: u32,
    /// Number of 512-byte blocks.
    pub blocks: u64,
    /// Access time: seconds and nanoseconds.
    pub accessed: (i64, u32),
    /// Modification time.
    pub modified: (i64, u32),
    /// Status change time.
    pub changed: (i64, u32),
    /// Creation time, where the file system has it.
    pub born: Option<(i64, u32)>,
    /// `STATX_ATTR_*` bits.
    pub attributes: u64,
}

/// What `statfs` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileSystemStat {
    /// File-system magic.
    pub magic: u64,
    /// Block size in bytes.
    pub block_size: u64,
    /// Number of blocks.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Blocks free to an ordinary user.
    pub blocks_available: u64,
    /// Number of inodes.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// Longest name in bytes.
    pub name_length: u64,
    /// Fragment size in bytes.
    pub fragment_size: u64,
    /// Mount flags.
    pub flags: u64,
}

/// One reply on a lane. A denial is an errno like any other; its rule is in the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// Done, with a number.
    Value(i64),
    /// Done; the descriptor travels beside it, and for a directory a handle to name it by.
    Descriptor {
        /// Directory handle for [`crate::Base::Descriptor`], if it is a directory.
        handle: Option<i32>,
    },
    /// Done, with bytes (`readlink`, `getcwd`).
    Bytes(#[serde(borrow)] &'a [u8]),
    /// Done, with a status.
    Stat(FileStat),
    /// Done, with a file-system status.
    FileSystem(FileSystemStat),
    /// Not done: a positive errno value.
    Errno(i32),
}

impl Reply<'_> {
    /// What it holds; none for a failure.
    pub fn kind(&self) -> Option<ReplyKind> {
        match self {
            Self::Value(_) => Some(ReplyKind::Value),
            Self::Descriptor { .. } => Some(ReplyKind::Descriptor),
            Self::Bytes(_) => Some(ReplyKind::Bytes),
            Self::Stat(_) => Some(ReplyKind::Stat),
            Self::FileSystem(_) => Some(ReplyKind::FileSystem),
            Self::Errno(_) => None,
        }
    }

    /// How many descriptors travel with it.
    pub fn descriptors(&self) -> u8 {
        u8::from(self.kind() == Some(ReplyKind::Descriptor))
    }
}
