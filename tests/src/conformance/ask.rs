//! What a case asks for.

use doorward_protocol::operation::Operation;
use doorward_sandboxee::{Access, Links, OFlags, RenameFlags};

/// An operation with its arguments but the name it is about.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// open(2) with these flags and mode 0640.
    Open(OFlags),
    /// stat(2) or lstat(2).
    Stat(Links),
    /// access(2).
    Access(Access),
    /// readlink(2).
    Readlink,
    /// mkdir(2).
    Mkdir,
    /// rmdir(2).
    Rmdir,
    /// unlink(2).
    Unlink,
    /// Renames it to `rw/new`.
    RenameFrom(RenameFlags),
    /// Renames `rw/other` to it.
    RenameTo(RenameFlags),
    /// Gives it the further name `rw/new`.
    LinkFrom,
    /// Gives `rw/other` it as a further name.
    LinkTo,
    /// Makes it a link that says this.
    Symlink(&'static str),
    /// chmod(2).
    Chmod(u32),
    /// chown(2) or lchown(2) to its own user and group plus this.
    Chown(Links, u32),
    /// utimensat(2).
    Utimens(Links),
    /// truncate(2).
    Truncate(u64),
    /// statfs(2).
    Statfs,
    /// connect(2) to the port of the front, at 127.0.0.1 or another address of the loopback.
    Connect(u8),
    /// connect(2) to a UNIX socket.
    ConnectUnix,
}

impl Ask {
    /// Its row of the table.
    #[must_use]
    pub fn operation(self) -> Operation {
        match self {
            Self::Open(_) => Operation::Open,
            Self::Stat(_) => Operation::Stat,
            Self::Access(_) => Operation::Access,
            Self::Readlink => Operation::Readlink,
            Self::Mkdir => Operation::Mkdir,
            Self::Rmdir => Operation::Rmdir,
            Self::Unlink => Operation::Unlink,
            Self::RenameFrom(_) | Self::RenameTo(_) => Operation::Rename,
            Self::LinkFrom | Self::LinkTo => Operation::Link,
            Self::Symlink(_) => Operation::Symlink,
            Self::Chmod(_) => Operation::Chmod,
            Self::Chown(..) => Operation::Chown,
            Self::Utimens(_) => Operation::Utimens,
            Self::Truncate(_) => Operation::Truncate,
            Self::Statfs => Operation::Statfs,
            Self::Connect(_) | Self::ConnectUnix => Operation::Connect,
        }
    }

    /// Whether it leaves its tree as it was.
    #[must_use]
    pub fn only_looks(self) -> bool {
        match self {
            Self::Open(flags) => !flags.intersects(OFlags::CREATE | OFlags::TRUNC),
            Self::Stat(_) | Self::Access(_) | Self::Readlink | Self::Statfs => true,
            Self::Connect(_) | Self::ConnectUnix => true,
            _ => false,
        }
    }

    /// Whether it is asked of some names alone, another of its row being asked of all.
    #[must_use]
    pub fn variant(self) -> bool {
        match self {
            Self::RenameTo(flags) => !flags.is_empty(),
            Self::Symlink(target) => target != "file",
            Self::Chmod(mode) => mode != 0o600,
            Self::Chown(links, more) => links == Links::Itself || more != 0,
            Self::Utimens(links) => links == Links::Itself,
            _ => false,
        }
    }

    /// Whether it is about a name.
    #[must_use]
    pub fn named(self) -> bool {
        !matches!(self, Self::Connect(_))
    }
}

/// Every kind of question.
pub(super) fn asks() -> Vec<Ask> {
    let mut asks: Vec<Ask> = [
        OFlags::RDONLY,
        OFlags::WRONLY,
        OFlags::RDWR | OFlags::APPEND,
        OFlags::WRONLY | OFlags::TRUNC,
        OFlags::WRONLY | OFlags::CREATE,
        OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        OFlags::RDONLY | OFlags::DIRECTORY,
        OFlags::RDONLY | OFlags::NOFOLLOW,
        OFlags::RDONLY | OFlags::NONBLOCK,
    ]
    .map(Ask::Open)
    .into();
    asks.extend([
        Ask::Stat(Links::Follow),
        Ask::Stat(Links::Itself),
        Ask::Access(Access::EXISTS),
        Ask::Access(Access::READ_OK),
        Ask::Access(Access::WRITE_OK | Access::EXEC_OK),
        Ask::Readlink,
        Ask::Mkdir,
        Ask::Rmdir,
        Ask::Unlink,
        Ask::RenameFrom(RenameFlags::empty()),
        Ask::RenameTo(RenameFlags::empty()),
        Ask::RenameTo(RenameFlags::NOREPLACE),
        Ask::RenameTo(RenameFlags::EXCHANGE),
        Ask::LinkFrom,
        Ask::LinkTo,
        Ask::Symlink("file"),
        Ask::Symlink("../out/file"),
        Ask::Chmod(0o600),
        Ask::Chmod(0o4755),
        Ask::Chown(Links::Follow, 0),
        Ask::Chown(Links::Itself, 0),
        Ask::Chown(Links::Follow, 1),
        Ask::Utimens(Links::Follow),
        Ask::Utimens(Links::Itself),
        Ask::Truncate(3),
        Ask::Statfs,
        Ask::Connect(1),
        Ask::Connect(2),
        Ask::ConnectUnix,
    ]);
    asks
}
