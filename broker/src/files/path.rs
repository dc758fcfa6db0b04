//! A path as asked, made absolute. Every byte of it is untrusted.

use doorward_policy::{AbsName, Component, NameError, Reason, name::PATH_LIMIT};
use doorward_protocol::request::PathArgument;
use rustix::io::Errno;

use super::course::{Attempt, Course, Fault};
use crate::{
    control::{self, Defence},
    service::Place,
};

/// A path made absolute, as far as its text alone allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The whole name, or what precedes the first `..` that only a walk can resolve.
    pub(crate) name: AbsName,
    /// What follows from that `..` on; empty if `name` is the whole.
    pub(crate) rest: Vec<u8>,
    /// It ends in a slash or in `.` or `..`: it must be a directory, and a link there is followed.
    pub(crate) directory: bool,
    /// Where a relative path starts.
    pub(crate) base: Option<Place>,
}

/// What an errno of a malformed name is.
pub(crate) fn name_errno(error: NameError) -> Errno {
    match error {
        NameError::Empty => Errno::NOENT,
        NameError::TooLong => Errno::NAMETOOLONG,
        NameError::Nul | NameError::Relative | NameError::Dots => Errno::INVAL,
    }
}

/// A request that is not well-formed.
pub(crate) fn malformed(error: NameError) -> Fault {
    Fault::denied(Reason::Malformed, name_errno(error))
}

impl Asked {
    /// Reads a path. An empty one means the base itself if `empty`, else `ENOENT`.
    pub(crate) fn read(
        course: &mut Course<'_>,
        path: &PathArgument<'_>,
        empty: bool,
        seen: impl FnOnce(&[u8]) -> Option<AbsName>,
    ) -> Attempt<Self> {
        if path.bytes.is_empty() && !empty {
            return Err(malformed(NameError::Empty));
        }
        course.object.clear();
        course
            .object
            .extend_from_slice(path.bytes.get(..PATH_LIMIT).unwrap_or(path.bytes));
        if path.bytes.len() > PATH_LIMIT {
            return Err(malformed(NameError::TooLong));
        }
        if path.bytes.first() == Some(&b'/') {
            return Self::below(AbsName::root(), path.bytes, None);
        }
        let place = course.place(path.base)?;
        // "(unreachable)…" is how the kernel names what lies outside the asker's root.
        let name = seen(&place.name).ok_or(Fault::Failed(Errno::NOENT))?;
        Self::below(name, path.bytes, Some(place))
    }

    fn below(start: AbsName, bytes: &[u8], base: Option<Place>) -> Attempt<Self> {
        let mut asked = Self {
            name: start,
            rest: Vec::new(),
            directory: false,
            base,
        };
        // `..` may be folded textually only while what it leaves is the base's own
        // name, which the kernel told us and in which there are no links.
        let mut canonical = true;
        let mut position = 0usize;
        for part in bytes.split(|&byte| byte == b'/') {
            match part {
                b"" => {}
                b"." => {}
                b".." if canonical || control::is_off(Defence::DotsWalked) => asked.name.pop(),
                b".." => {
                    asked.rest = bytes.get(position..).unwrap_or_default().to_vec();
                    break;
                }
                _ => {
                    canonical = false;
                    let component = Component::new(part).map_err(malformed)?;
                    asked.name.push(component).map_err(malformed)?;
                }
            }
            position = position.saturating_add(part.len()).saturating_add(1);
        }
        asked.directory = matches!(bytes, [.., b'/'] | b"." | b".." | [.., b'/', b'.'])
            || bytes.ends_with(b"/..");
        Ok(asked)
    }

    /// Whether the text alone says which name is meant.
    pub(crate) fn is_plain(&self) -> bool {
        self.rest.is_empty()
    }
}

/// A path split into what leads to a directory and the entry in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split<'a> {
    /// The directory; empty for the base itself.
    pub(crate) head: PathArgument<'a>,
    /// The entry.
    pub(crate) leaf: Component<'a>,
    /// Slashes follow the entry.
    pub(crate) directory: bool,
}

impl<'a> Split<'a> {
    /// Splits a path; `odd` is the errno for one that ends in `/`, `.` or `..` alone.
    pub(crate) fn of(path: &PathArgument<'a>, odd: Errno) -> Attempt<Self> {
        if path.bytes.len() > PATH_LIMIT {
            return Err(malformed(NameError::TooLong));
        }
        let mut bytes = path.bytes;
        while let [rest @ .., b'/'] = bytes {
            bytes = rest;
        }
        if bytes.is_empty() {
            let errno = if path.bytes.is_empty() {
                Errno::NOENT
            } else {
                odd
            };
            return Err(Fault::Failed(errno));
        }
        let from = bytes
            .iter()
            .rposition(|&byte| byte == b'/')
            .map_or(0, |slash| slash.saturating_add(1));
        let (head, leaf) = bytes.split_at_checked(from).unwrap_or((b"", bytes));
        let leaf = Component::new(leaf).map_err(|error| match error {
            NameError::Dots => Fault::Failed(odd),
            error => malformed(error),
        })?;
        Ok(Self {
            head: PathArgument {
                base: path.base,
                bytes: head,
            },
            leaf,
            directory: bytes.len() < path.bytes.len(),
        })
    }
}
