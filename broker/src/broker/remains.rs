//! What a sandbox left in a directory of its own, removed whatever it is.
//!
//! Modes, depth and names are the sandboxee's choice: it may have closed directories to their
//! owner, and nested more of them than there are descriptors. What is nested deeper than a
//! directory of the top is therefore moved to the top, and directories are opened to their owner
//! through pins, so that nothing is changed or removed through a link.

use std::{
    cell::Cell,
    ffi::{CStr, CString},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, fstat, openat, renameat_with, unlinkat},
    io::Errno,
};

/// Directories that are moved to the top at most: whoever makes them faster is not waited for.
const MOVED: u32 = 1 << 22;
/// What its owner needs of a directory.
const OPEN: Mode = Mode::RWXU;

/// Removes a directory and all that is below it.
///
/// # Errors
/// What is still there cannot be removed by this user, or is made anew all the time.
pub(super) fn remove(path: &Path) -> Result<(), Errno> {
    let top = Top {
        directory: opened(CWD, path)?,
        moved: Cell::new(0),
    };
    while top.descend()? {}
    unlinkat(CWD, path, AtFlags::REMOVEDIR)
}

struct Top {
    directory: OwnedFd,
    moved: Cell<u32>,
}

impl Top {
    /// Removes what is here and one below; whether anything was.
    fn descend(&self) -> Result<bool, Errno> {
        let mut any = false;
        for name in names(&self.directory)? {
            let name = name?;
            any = true;
            if is_removed(&self.directory, &name)? {
                continue;
            }
            let below = opened(&self.directory, name.as_c_str())?;
            for deeper in names(&below)? {
                let deeper = deeper?;
                if !is_removed(&below, &deeper)? {
                    self.raise(&below, &deeper)?;
                }
            }
            unlinkat(&self.directory, name.as_c_str(), AtFlags::REMOVEDIR)?;
        }
        Ok(any)
    }

    /// Moves a directory here, under a name that nothing has.
    fn raise(&self, from: &OwnedFd, name: &CStr) -> Result<(), Errno> {
        let _opened_to_its_owner = opened(from, name)?;
        loop {
            let number = self.moved.get();
            if number == MOVED {
                return Err(Errno::NOTEMPTY);
            }
            self.moved.set(number.saturating_add(1));
            let here = format!("moved-{number}");
            match renameat_with(from, name, &self.directory, here, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                other => return other,
            }
        }
    }
}

fn names(directory: &OwnedFd) -> Result<impl Iterator<Item = Result<CString, Errno>>, Errno> {
    let entries = Dir::read_from(directory)?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_owned()));
    Ok(names.filter(|name| {
        !name
            .as_ref()
            .is_ok_and(|name| matches!(name.to_bytes(), b"." | b".."))
    }))
}

/// Whether an entry could be removed: not a directory that is not empty.
fn is_removed(directory: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => match unlinkat(directory, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            other => other.map(|()| true),
        },
        other => other.map(|()| true),
    }
}

/// Opens a directory and opens it to its owner.
fn opened(from: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let kind = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let pin = openat(
        from,
        name,
        kind | OFlags::PATH | OFlags::NOFOLLOW,
        Mode::empty(),
    )?;
    let mode = Mode::from_raw_mode(fstat(&pin)?.st_mode);
    if !mode.contains(OPEN) {
        let link = format!("/proc/self/fd/{}", pin.as_raw_fd());
        rustix::fs::chmod(link, OPEN)?;
    }
    openat(&pin, ".", kind | OFlags::RDONLY, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_any_depth_and_mode_is_removed_and_what_its_links_name_stays() {
        let around = tempfile::tempdir().unwrap();
        let (tree, kept) = (around.path().join("tree"), around.path().join("kept"));
        std::fs::create_dir_all(kept.join("below")).unwrap();
        std::fs::create_dir(&tree).unwrap();
        let mut last = opened(CWD, &tree).unwrap();
        for _ in 0..3000 {
            for name in ["moved-7", "deep"] {
                rustix::fs::mkdirat(&last, name, Mode::empty()).unwrap();
            }
            rustix::fs::symlinkat(&kept, &last, "link").unwrap();
            last = opened(&last, "deep").unwrap();
        }
        remove(&tree).unwrap();
        assert!(!tree.exists());
        assert!(kept.join("below").exists());
        assert_eq!(remove(&tree), Err(Errno::NOENT));
    }
}
