//! A directory of a test's own.

use std::{
    os::unix::fs::{PermissionsExt, lchown, symlink},
    path::{Path, PathBuf},
};

use crate::Level;

/// A temporary directory of a level's user, with the directory `work` that programs start in.
/// Removed when dropped.
#[derive(Debug)]
pub struct Tree {
    level: Level,
    directory: tempfile::TempDir,
}

impl Tree {
    /// Below the home directory: /tmp is what a scratch covers.
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self::within(level, &level.home())
    }

    /// Root's, where other users reach it.
    #[must_use]
    pub fn in_reach() -> Self {
        Self::within(Level::Root, Path::new("/srv"))
    }

    fn within(level: Level, above: &Path) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("doorward-test-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir_in(above)
            .unwrap_or_else(|error| panic!("cannot make a tree in {}: {error}", above.display()));
        let tree = Self { level, directory };
        tree.own(tree.path());
        tree.directory("");
        tree
    }

    /// Whose it is.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The tree itself, which no policy of the tests names.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where programs start; `${CWD}` of the policies.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// A path below `work`, or beside it with `../`.
    #[must_use]
    pub fn name(&self, relative: &str) -> PathBuf {
        match relative {
            "" => self.work(),
            _ => self.work().join(relative),
        }
    }

    /// Makes a directory and those above it.
    pub fn directory(&self, relative: &str) -> PathBuf {
        let path = self.name(relative);
        let missing: Vec<_> = path.ancestors().take_while(|path| !path.exists()).collect();
        for one in missing.into_iter().rev() {
            std::fs::create_dir(one).unwrap_or_else(|error| panic!("{}: {error}", one.display()));
            self.own(one);
        }
        path
    }

    /// Makes a file of mode 0644, and the directories above it.
    pub fn file(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.name(relative);
        if let Some((above, _)) = relative.rsplit_once('/') {
            self.directory(above);
        }
        std::fs::write(&path, content)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        self.own(&path);
        path
    }

    /// Makes an executable file.
    pub fn program(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(relative, content);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Makes a symbolic link.
    pub fn link(&self, target: &str, relative: &str) -> PathBuf {
        let path = self.name(relative);
        symlink(target, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.own(&path);
        path
    }

    /// Empties `work`.
    pub fn clear(&self) {
        let work = self.work();
        std::fs::remove_dir_all(&work)
            .unwrap_or_else(|error| panic!("{}: {error}", work.display()));
        self.directory("");
    }

    fn own(&self, path: &Path) {
        let (user, group) = self.level.ids();
        lchown(path, Some(user), Some(group))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
