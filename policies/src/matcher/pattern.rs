//! Patterns of whole names: components of [`Glob`]s, and `**` for any number of components.

use serde::{Deserialize, Serialize};

use super::glob::{Glob, GlobError};
use crate::AbsName;
use crate::name::{COMPONENT_LIMIT, Component, PATH_LIMIT};

/// One part of a pattern, between two slashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Part {
    Literal(Vec<u8>),
    Glob(Glob),
    /// `**`: any number of components, none too.
    Deep,
}

impl Part {
    fn matches(&self, component: &[u8]) -> bool {
        match self {
            Self::Literal(text) => text == component,
            Self::Glob(glob) => glob.matches(component),
            Self::Deep => false,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Literal(text) => Glob::escaped(text),
            Self::Glob(glob) => glob.text(),
            Self::Deep => "**".to_owned(),
        }
    }

    /// Whether every component that `other` matches is matched by this one, as far as can be told.
    fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Deep, _) | (_, Self::Deep) => false,
            (own, Self::Literal(text)) => own.matches(text),
            (Self::Glob(own), Self::Glob(other)) => own.is_any() || own == other,
            (Self::Literal(_), Self::Glob(_)) => false,
        }
    }
}

/// Whether a pattern may begin with `**/` instead of a slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Rules that allow say where.
    Slash,
    /// Rules that deny may leave it open.
    Open,
}

/// The first component of `rest` (text without a leading slash) and what follows it.
pub(crate) fn split_component(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    if rest.is_empty() {
        return None;
    }
    match rest.iter().position(|&byte| byte == b'/') {
        Some(slash) => rest
            .split_at_checked(slash)
            .map(|(first, after)| (first, after.get(1..).unwrap_or_default())),
        None => Some((rest, &[])),
    }
}

/// A compiled pattern of a whole name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pattern(Vec<Part>);

impl Pattern {
    /// That of one name.
    pub(crate) fn of(name: &AbsName) -> Self {
        let components = name.as_bytes().split(|&byte| byte == b'/');
        let named = components.filter(|component| !component.is_empty());
        Self(named.map(|text| Part::Literal(text.to_vec())).collect())
    }

    pub(crate) fn parse(text: &[u8], start: Start) -> Result<Self, GlobError> {
        if text.contains(&0) {
            return Err(GlobError::Nul);
        }
        if text.len() > PATH_LIMIT.saturating_mul(2) {
            return Err(GlobError::TooLong);
        }
        match text {
            [b'/', ..] => {}
            [b'~', ..] => return Err(GlobError::Tilde),
            [b'*', b'*', b'/', ..] if start == Start::Open => {}
            [b'*', b'*', b'/', ..] | b"**" => return Err(GlobError::OpenStart),
            _ => return Err(GlobError::Relative),
        }
        let mut parts = Vec::new();
        for text in text.split(|&byte| byte == b'/') {
            match text {
                b"" => {}
                b"**" if parts.last() == Some(&Part::Deep) => {}
                b"**" => parts.push(Part::Deep),
                _ => {
                    let glob = Glob::parse(text)?;
                    if glob.has_double_star() {
                        return Err(GlobError::Deep);
                    }
                    parts.push(match glob.literal() {
                        Some(literal) if literal == b"." || literal == b".." => {
                            return Err(GlobError::Dots);
                        }
                        Some(literal) if literal.len() > COMPONENT_LIMIT => {
                            return Err(GlobError::TooLong);
                        }
                        Some(literal) => Part::Literal(literal),
                        None => Part::Glob(glob),
                    });
                }
            }
        }
        let pattern = Self(parts);
        if pattern
            .literal_parts()
            .map(|part| part.len().saturating_add(1))
            .sum::<usize>()
            > PATH_LIMIT
        {
            return Err(GlobError::TooLong);
        }
        Ok(pattern)
    }

    fn literal_parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map_while(|part| match part {
            Part::Literal(text) => Some(text.as_slice()),
            _ => None,
        })
    }

    /// The longest name without globs that everything it matches lies at or below.
    pub(crate) fn prefix(&self) -> AbsName {
        let mut name = AbsName::root();
        for text in self.literal_parts() {
            // Lengths and dots were refused by `parse`, so that nothing is lost here.
            let pushed = Component::new(text).map(|component| name.push(component));
            if !matches!(pushed, Ok(Ok(()))) {
                break;
            }
        }
        name
    }

    /// The literal components it begins with, and the parts after them.
    pub(crate) fn split(&self) -> (Vec<&[u8]>, &[Part]) {
        let literal: Vec<_> = self.literal_parts().collect();
        let tail = self.0.get(literal.len()..).unwrap_or_default();
        (literal, tail)
    }

    /// Whether it has no globs.
    pub(crate) fn is_literal(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// Whether it ends with `**`.
    pub(crate) fn is_deep(&self) -> bool {
        self.0.last() == Some(&Part::Deep)
    }

    /// The same and everything below it.
    pub(crate) fn with_deep(&self) -> Self {
        let mut parts = self.0.clone();
        if !self.is_deep() {
            parts.push(Part::Deep);
        }
        Self(parts)
    }

    /// The text below the prefix, if it has globs.
    pub(crate) fn tail_text(&self) -> Option<String> {
        let (_, tail) = self.split();
        let texts: Vec<String> = tail.iter().map(Part::text).collect();
        (!texts.is_empty()).then(|| texts.join("/"))
    }

    pub(crate) fn matches(&self, name: &AbsName) -> bool {
        tail_matches(&self.0, name.as_bytes().get(1..).unwrap_or_default())
    }

    /// Whether every name that `other` matches is matched by this one. A "yes" is
    /// always right; a "no" may only mean that it cannot be told.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        let (mut own, mut rest) = (self.0.as_slice(), other.0.as_slice());
        let mut again: Option<(&[Part], &[Part])> = None;
        loop {
            match (own.split_first(), rest.split_first()) {
                (Some((Part::Deep, after)), _) => {
                    again = Some((after, rest));
                    own = after;
                    continue;
                }
                (Some((part, after)), Some((other, others))) if part.includes(other) => {
                    (own, rest) = (after, others);
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            let Some((after_deep, [_, from @ ..])) = again else {
                return false;
            };
            again = Some((after_deep, from));
            (own, rest) = (after_deep, from);
        }
    }
}

/// Matches parts against components without allocation, in time bounded by the
/// product of the lengths: only the last `**` is ever tried again.
pub(crate) fn tail_matches(parts: &[Part], rest: &[u8]) -> bool {
    let (mut parts, mut rest) = (parts, rest);
    let mut again: Option<(&[Part], &[u8])> = None;
    loop {
        match (parts.split_first(), split_component(rest)) {
            (Some((Part::Deep, [])), _) | (None, None) => return true,
            (Some((Part::Deep, after)), _) => {
                again = Some((after, rest));
                parts = after;
                continue;
            }
            (Some((part, after)), Some((component, others))) if part.matches(component) => {
                (parts, rest) = (after, others);
                continue;
            }
            _ => {}
        }
        let Some((after_deep, from)) = again else {
            return false;
        };
        let Some((_, from)) = split_component(from) else {
            return false;
        };
        again = Some((after_deep, from));
        (parts, rest) = (after_deep, from);
    }
}

/// Whether something below the components in `rest` may match the parts.
pub(crate) fn tail_reaches(parts: &[Part], rest: &[u8]) -> bool {
    let (mut parts, mut rest) = (parts, rest);
    loop {
        match (parts.split_first(), split_component(rest)) {
            (Some((Part::Deep, _)), _) => return true,
            (Some(_), None) => return true,
            (Some((part, after)), Some((component, others))) if part.matches(component) => {
                (parts, rest) = (after, others);
            }
            _ => return false,
        }
    }
}
