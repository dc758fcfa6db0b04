//! Names: a checked absolute path is a type of its own, and only checked ones reach a decision.

use serde::{Deserialize, Serialize};

/// Longest path in bytes, without the terminating NUL (path_resolution(7)).
pub const PATH_LIMIT: usize = 4095;
/// Longest component in bytes.
pub const COMPONENT_LIMIT: usize = 255;

/// Why bytes are not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There are no bytes.
    #[error("the path is empty")]
    Empty,
    /// It does not begin with a slash.
    #[error("the path is relative")]
    Relative,
    /// It, or a component of it, is too long.
    #[error("the path is too long")]
    TooLong,
    /// It contains a NUL byte.
    #[error("the path contains a NUL byte")]
    Nul,
    /// It contains `.` or `..` as a component.
    #[error("the path contains '.' or '..'")]
    Dots,
}

/// One component of a path: not empty, no slash, no NUL, not `.` or `..`, at most 255 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component<'a>(&'a [u8]);

impl<'a> Component<'a> {
    /// Checks one component.
    ///
    /// # Errors
    /// [`NameError`] says what it is not.
    pub fn new(bytes: &'a [u8]) -> Result<Self, NameError> {
        match bytes {
            b"" => Err(NameError::Empty),
            b"." | b".." => Err(NameError::Dots),
            _ if bytes.len() > COMPONENT_LIMIT => Err(NameError::TooLong),
            _ if bytes.contains(&0) => Err(NameError::Nul),
            _ if bytes.contains(&b'/') => Err(NameError::Dots),
            _ => Ok(Self(bytes)),
        }
    }

    /// The bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// A checked absolute name: `/`, or `/` and components joined by single slashes,
/// none of them `.` or `..`, without a trailing slash, at most [`PATH_LIMIT`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AbsName(Vec<u8>);

impl AbsName {
    /// The root directory.
    pub fn root() -> Self {
        Self(vec![b'/'])
    }

    /// Checks `bytes`; doubled and trailing slashes are dropped, `.` and `..` refused
    /// (their meaning depends on links, so only a walk can resolve them).
    ///
    /// # Errors
    /// [`NameError`] says what it is not.
    pub fn parse(bytes: &[u8]) -> Result<Self, NameError> {
        match bytes.first() {
            None => return Err(NameError::Empty),
            Some(b'/') => {}
            Some(_) => return Err(NameError::Relative),
        }
        let mut name = Self::root();
        for part in bytes
            .split(|&byte| byte == b'/')
            .filter(|part| !part.is_empty())
        {
            name.push(Component::new(part)?)?;
        }
        Ok(name)
    }

    /// Adds one component.
    ///
    /// # Errors
    /// [`NameError::TooLong`] beyond [`PATH_LIMIT`].
    pub fn push(&mut self, component: Component<'_>) -> Result<(), NameError> {
        if self.0.len().saturating_add(component.0.len()) >= PATH_LIMIT {
            return Err(NameError::TooLong);
        }
        if !self.is_root() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(component.0);
        Ok(())
    }

    /// Removes the last component; the root stays the root.
    pub fn pop(&mut self) {
        let slash = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        self.0.truncate(slash.max(1));
    }

    /// The name with one more component.
    ///
    /// # Errors
    /// [`NameError::TooLong`] beyond [`PATH_LIMIT`].
    pub fn join(&self, component: Component<'_>) -> Result<Self, NameError> {
        let mut name = self.clone();
        name.push(component)?;
        Ok(name)
    }

    /// The directory that holds it; the root's is the root.
    pub fn parent(&self) -> Self {
        let mut name = self.clone();
        name.pop();
        name
    }

    /// The last component, none for the root.
    pub fn leaf(&self) -> Option<Component<'_>> {
        self.components().last()
    }

    /// Whether it is `/`.
    pub fn is_root(&self) -> bool {
        self.0 == b"/"
    }

    /// Its bytes, beginning with a slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its components, first to last.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = Component<'_>> {
        self.0
            .split(|&byte| byte == b'/')
            .filter(|part| !part.is_empty())
            .map(Component)
    }

    /// What is left below `prefix`, without a leading slash; empty if they are equal.
    pub fn below(&self, prefix: &Self) -> Option<&[u8]> {
        if prefix.is_root() {
            return self.0.get(1..);
        }
        match self.0.strip_prefix(prefix.as_bytes())? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }
}

impl std::fmt::Display for AbsName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(AbsName::parse(b"//a//b/").unwrap().as_bytes(), b"/a/b");
        assert_eq!(AbsName::parse(b"/").unwrap(), AbsName::root());
        assert_eq!(AbsName::parse(b"a"), Err(NameError::Relative));
        assert_eq!(AbsName::parse(b""), Err(NameError::Empty));
        assert_eq!(AbsName::parse(b"/a/../b"), Err(NameError::Dots));
        assert_eq!(AbsName::parse(b"/a\0"), Err(NameError::Nul));
        assert_eq!(AbsName::parse(&[b'/'; 4096]).unwrap(), AbsName::root());
        let long = [b"/".to_vec(), vec![b'x'; 256]].concat();
        assert_eq!(AbsName::parse(&long), Err(NameError::TooLong));
    }

    #[test]
    fn below_counts_whole_components() {
        let name = AbsName::parse(b"/srv/input/x").unwrap();
        let prefix = |text: &[u8]| AbsName::parse(text).unwrap();
        assert_eq!(name.below(&prefix(b"/srv/input")), Some(&b"x"[..]));
        assert_eq!(name.below(&prefix(b"/srv/in")), None);
        assert_eq!(name.below(&prefix(b"/")), Some(&b"srv/input/x"[..]));
        assert_eq!(name.below(&name), Some(&b""[..]));
        assert_eq!(name.parent().parent().parent().parent(), AbsName::root());
    }
}
