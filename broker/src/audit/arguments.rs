//! What was asked, as a record shows it: names, flags and numbers, never contents.
//!
//! Of programs the record has the arguments only where a typed spawn asked for them:
//! rules decide by them. Those of exec are not read by the broker at all, and no
//! environment ever is.

use doorward_protocol::{Base, Request, request::PathArgument};
use serde::{Deserialize, Serialize};

use super::{Text, address};

/// Longest text of one argument that is kept; a path is never longer.
const LONGEST: usize = 4096;
/// Arguments of a spawn that are kept, and their bytes in all.
const SPAWN_ARGUMENTS: usize = 64;

/// The arguments of one operation; what it has not is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(
    missing_docs,
    reason = "each is named after the argument of the system call"
)]
pub struct Arguments {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// The descriptor that a relative path starts at, or that is acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<i32>,
    /// The second path, or what a symbolic link will say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Text>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Octal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<i64>,
    /// Family, type and protocol of a socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<(i32, i32, i32)>,
    /// Arguments of a spawned program after its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Text>,
    /// Some arguments of the spawned program were left out here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Arguments {
    /// Of one request.
    pub(super) fn of(request: &Request<'_>) -> Self {
        match request {
            Request::Open {
                path, flags, mode, ..
            } => Self {
                flags: open_flags(*flags),
                mode: creates(*flags).then(|| octal(*mode)),
                ..Self::path(path)
            },
            Request::Mkdir { path, mode } => Self {
                mode: Some(octal(*mode)),
                ..Self::path(path)
            },
            Request::Access { path, mode, .. } => Self {
                mode: Some(octal(*mode)),
                ..Self::path(path)
            },
            Request::Stat { path, .. }
            | Request::Readlink { path }
            | Request::Chdir { path }
            | Request::Rmdir { path }
            | Request::Unlink { path }
            | Request::Statfs { path }
            | Request::Exec { path }
            | Request::Utimens { path, .. } => Self::path(path),
            Request::Rename { old, new, .. } | Request::Link { old, new, .. } => Self {
                other: Some(Text::cut(new.bytes, LONGEST)),
                ..Self::path(old)
            },
            Request::Symlink { target, path } => Self {
                other: Some(Text::cut(target, LONGEST)),
                ..Self::path(path)
            },
            Request::Chmod { path, mode, .. } => Self {
                mode: Some(octal(*mode)),
                ..Self::path(path)
            },
            Request::Chown {
                path, user, group, ..
            } => Self {
                user: Some(*user),
                group: Some(*group),
                ..Self::path(path)
            },
            Request::Truncate { path, length } => Self {
                length: Some(*length),
                ..Self::path(path)
            },
            Request::Watch {
                descriptor, path, ..
            } => Self {
                descriptor: Some(*descriptor),
                ..Self::path(path)
            },
            Request::Spawn { path, arguments } => Self::spawn(path, arguments),
            other => Self::descriptors(other),
        }
    }

    fn path(path: &PathArgument<'_>) -> Self {
        let relative = path.bytes.first() != Some(&b'/');
        Self {
            path: Some(Text::cut(path.bytes, LONGEST)),
            descriptor: match path.base {
                Base::Descriptor(number) if relative => Some(number),
                _ => None,
            },
            ..Self::default()
        }
    }

    fn spawn(path: &PathArgument<'_>, arguments: &[&[u8]]) -> Self {
        let mut room = LONGEST;
        let mut kept = Vec::new();
        for argument in arguments.iter().take(SPAWN_ARGUMENTS) {
            let Some(left) = room.checked_sub(argument.len()) else {
                break;
            };
            room = left;
            kept.push(Text::from(*argument));
        }
        Self {
            cut: kept.len() < arguments.len(),
            arguments: kept,
            ..Self::path(path)
        }
    }

    fn descriptors(request: &Request<'_>) -> Self {
        match request {
            Request::Lock { descriptor, .. } | Request::Listen { descriptor } => Self {
                descriptor: Some(*descriptor),
                ..Self::default()
            },
            Request::Socket {
                family,
                kind,
                protocol,
            } => Self {
                socket: Some((*family, *kind, *protocol)),
                ..Self::default()
            },
            Request::Connect {
                descriptor,
                address,
            }
            | Request::Bind {
                descriptor,
                address,
            } => Self {
                descriptor: Some(*descriptor),
                address: Some(Text::from(address::words(address).as_slice())),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

fn octal(mode: u32) -> String {
    format!("{mode:#o}")
}

/// Whether open(2) would use its mode.
fn creates(flags: u64) -> bool {
    let making = u64::from((libc::O_CREAT | libc::O_TMPFILE).unsigned_abs());
    flags & making & !u64::from(libc::O_DIRECTORY.unsigned_abs()) != 0
}

/// The flags of open(2) by name; what has none as a number.
fn open_flags(flags: u64) -> Vec<String> {
    const NAMED: [(&str, i32); 15] = [
        ("O_CREAT", libc::O_CREAT),
        ("O_EXCL", libc::O_EXCL),
        ("O_NOCTTY", libc::O_NOCTTY),
        ("O_TRUNC", libc::O_TRUNC),
        ("O_APPEND", libc::O_APPEND),
        ("O_NONBLOCK", libc::O_NONBLOCK),
        ("O_SYNC", libc::O_SYNC),
        ("O_DSYNC", libc::O_DSYNC),
        ("O_DIRECT", libc::O_DIRECT),
        ("O_TMPFILE", libc::O_TMPFILE),
        ("O_DIRECTORY", libc::O_DIRECTORY),
        ("O_NOFOLLOW", libc::O_NOFOLLOW),
        ("O_NOATIME", libc::O_NOATIME),
        ("O_CLOEXEC", libc::O_CLOEXEC),
        ("O_PATH", libc::O_PATH),
    ];
    let access = match flags & 3 {
        0 => "O_RDONLY",
        1 => "O_WRONLY",
        2 => "O_RDWR",
        _ => "O_ACCMODE",
    };
    let mut names = vec![access.to_owned()];
    let mut rest = flags & !3;
    for (name, bits) in NAMED {
        let bits = u64::from(bits.unsigned_abs());
        if rest & bits == bits {
            names.push(name.to_owned());
            rest &= !bits;
        }
    }
    if rest != 0 {
        names.push(format!("{rest:#x}"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_names() {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC;
        assert_eq!(
            open_flags(u64::try_from(flags).unwrap()),
            ["O_WRONLY", "O_CREAT", "O_CLOEXEC"]
        );
        assert_eq!(open_flags(1 << 40), ["O_RDONLY", "0x10000000000"]);
        let temporary = u64::try_from(libc::O_RDWR | libc::O_TMPFILE).unwrap();
        assert_eq!(open_flags(temporary), ["O_RDWR", "O_TMPFILE"]);
        assert!(creates(temporary) && !creates(0));
    }

    #[test]
    fn arguments_of_a_spawn_are_bounded() {
        let path = PathArgument {
            base: Base::WorkingDirectory,
            bytes: b"/usr/bin/qpdf",
        };
        let long = vec![b'x'; 3000];
        let arguments = vec![long.as_slice(); 3];
        let shown = Arguments::of(&Request::Spawn { path, arguments });
        assert_eq!((shown.arguments.len(), shown.cut), (1, true));
        let shown = Arguments::of(&Request::Spawn {
            path,
            arguments: vec![b"--check"],
        });
        assert_eq!((shown.arguments.len(), shown.cut), (1, false));
    }
}
