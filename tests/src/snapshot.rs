//! What a directory holds.

use std::{
    collections::BTreeMap,
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// One entry: its mode with the type, its owner, and its content (of a link: its target).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As stat(2) has it.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Bytes of a file, target of a link.
    pub content: Vec<u8>,
}

/// All entries of a directory by relative name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot(pub BTreeMap<PathBuf, Entry>);

impl Snapshot {
    /// Of `directory` and all below it.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self::beside(directory, |_| false)
    }

    /// Of `directory` and all below it but what `ignored` says, which is not even read.
    #[must_use]
    pub fn beside(directory: &Path, ignored: impl Fn(&Path) -> bool) -> Self {
        let mut found = Self::default();
        found.add(directory, directory, &ignored);
        found
    }

    /// Whether there is an entry of this relative name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(Path::new(name))
    }

    /// Without what `ignored` says: what differs from run to run, as index files with times do.
    #[must_use]
    pub fn without(mut self, ignored: impl Fn(&Path) -> bool) -> Self {
        self.0.retain(|path, _| !ignored(path));
        self
    }

    /// Says in which entries the two differ, by name.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut names: Vec<_> = self.0.keys().chain(other.0.keys()).collect();
        names.sort();
        names.dedup();
        let told = |entry: Option<&Entry>| match entry {
            None => "missing".to_owned(),
            Some(entry) => format!(
                "mode {:o}, owner {:?}, {} bytes",
                entry.mode,
                entry.owner,
                entry.content.len()
            ),
        };
        names
            .into_iter()
            .filter(|name| self.0.get(*name) != other.0.get(*name))
            .map(|name| {
                let (left, right) = (self.0.get(name), other.0.get(name));
                format!("{}: {} / {}", name.display(), told(left), told(right))
            })
            .collect()
    }

    fn add(&mut self, top: &Path, directory: &Path, ignored: &dyn Fn(&Path) -> bool) {
        let entries = std::fs::read_dir(directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(top).unwrap().to_owned();
            if ignored(&name) {
                continue;
            }
            let status = path.symlink_metadata().unwrap();
            let entry = Entry {
                mode: status.mode(),
                owner: (status.uid(), status.gid()),
                content: content(&path, &status),
            };
            self.0.insert(name, entry);
            if status.is_dir() {
                self.add(top, &path, ignored);
            }
        }
    }
}

fn content(path: &Path, status: &Metadata) -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    if status.is_symlink() {
        std::fs::read_link(path)
            .unwrap()
            .into_os_string()
            .into_vec()
    } else if status.is_file() {
        std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    } else {
        Vec::new()
    }
}
