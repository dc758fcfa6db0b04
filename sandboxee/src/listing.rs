//! Listing of a directory that was granted: the kernel's own, without the broker.

use std::{mem::MaybeUninit, os::fd::AsFd};

use rustix::{
    fs::{FileType, RawDir},
    io::Errno,
};

/// Bytes of entries read from the kernel at a time.
const CHUNK: usize = 8192;

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is, where the file system tells.
    pub kind: FileType,
    /// Its inode number.
    pub inode: u64,
}

/// Reads all entries but `.` and `..`.
pub(crate) fn read(directory: impl AsFd) -> Result<Vec<Entry>, Errno> {
    let mut chunk = [MaybeUninit::uninit(); CHUNK];
    let mut raw = RawDir::new(directory, &mut chunk);
    let mut entries = Vec::new();
    while let Some(entry) = raw.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            entries.push(Entry {
                name: name.to_vec(),
                kind: entry.file_type(),
                inode: entry.ino(),
            });
        }
    }
    Ok(entries)
}
