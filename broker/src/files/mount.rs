//! Which file systems a rule reaches.

/// procfs.
pub(crate) const PROC: u64 = 0x9fa0;

/// What lies behind a mount point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MountKind {
    /// A disk or memory file system that answers by itself.
    Harmless,
    /// Processes: of these only entries named literally, never a process's own.
    Processes,
    /// Served by another program or machine, or an interface of the kernel, or
    /// unknown: only what a rule names literally.
    Literal,
}

/// Magic numbers of file systems whose files are only files (linux/magic.h and the
/// file systems' own sources).
const HARMLESS: &[u64] = &[
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xca45_1a4e, // bcachefs
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
    0x794c_7630, // overlayfs
    0x0102_1994, // tmpfs, devtmpfs
    0x8584_58f6, // ramfs
    0x7371_7368, // SquashFS
    0xe0f5_e1e2, // EROFS
    0x9660,      // ISO 9660
    0x1501_3346, // UDF
    0x4d44,      // FAT
    0x2011_bab0, // exFAT
    0x7366_746e, // NTFS3
    0x3153_464a, // JFS
    0x5265_4973, // ReiserFS
    0x3434,      // NILFS
    0x1cd1,      // devpts: terminals are devices, which need a rule of their own
    0x9584_58f6, // hugetlbfs
];

impl MountKind {
    /// The kind of a file system by its magic.
    pub(crate) fn of(magic: u64) -> Self {
        match magic {
            PROC => Self::Processes,
            _ if HARMLESS.contains(&magic) => Self::Harmless,
            _ => Self::Literal,
        }
    }
}
