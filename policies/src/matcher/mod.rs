//! All file rules of a policy, compiled into one tree of literal components.
//!
//! A lookup walks the tree along the name and, at each directory where a pattern
//! with globs begins, matches that pattern's parts against what is left. It
//! allocates nothing and its time is bounded: components × patterns that begin on the way.

mod glob;
mod pattern;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub(crate) use glob::{Glob, GlobError};
pub(crate) use pattern::{Part, Pattern, Start};
use pattern::{split_component, tail_matches, tail_reaches};

use crate::{AbsName, RuleId};

/// What a rule with a pattern of names says about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Read,
    Write,
    Create,
    Delete,
    Special,
    /// `exec.allow`, and programs without `args`.
    Execute,
    /// Programs with `args`.
    Spawn,
    Deny,
    Hide,
    /// `net.unix`.
    Unix,
    /// `net.unix` with `dgram:`.
    Datagram,
}

const KINDS: usize = 11;

impl Kind {
    /// Whether names above such a rule may be looked at.
    pub(crate) fn allows(self) -> bool {
        !matches!(self, Self::Deny | Self::Hide)
    }

    fn index(self) -> usize {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Create => 2,
            Self::Delete => 3,
            Self::Special => 4,
            Self::Execute => 5,
            Self::Spawn => 6,
            Self::Deny => 7,
            Self::Hide => 8,
            Self::Unix => 9,
            Self::Datagram => 10,
        }
    }
}

/// For each kind the first rule that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Matches([Option<RuleId>; KINDS]);

impl Matches {
    pub(crate) fn get(&self, kind: Kind) -> Option<RuleId> {
        self.0.get(kind.index()).copied().flatten()
    }

    fn add(&mut self, kind: Kind, rule: RuleId) {
        if let Some(slot) = self.0.get_mut(kind.index()) {
            *slot = first(*slot, Some(rule));
        }
    }

    fn merge(&mut self, other: &Self) {
        for (slot, other) in self.0.iter_mut().zip(&other.0) {
            *slot = first(*slot, *other);
        }
    }

    /// Whether any rule matches.
    pub(crate) fn any(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }
}

fn first(a: Option<RuleId>, b: Option<RuleId>) -> Option<RuleId> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

/// What a lookup found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Found {
    pub(crate) matches: Matches,
    /// An allow rule that may match something below the name.
    pub(crate) ancestor: Option<RuleId>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tail {
    parts: Vec<Part>,
    kind: Kind,
    rule: RuleId,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Node {
    /// Sorted by component.
    children: Vec<(Vec<u8>, u32)>,
    /// Rules whose pattern ends here.
    exact: Matches,
    /// Rules whose pattern is this and `**`.
    below: Matches,
    /// Other patterns whose globs begin here.
    tails: Vec<Tail>,
    /// An allow rule that goes on below.
    ancestor: Option<RuleId>,
}

impl Node {
    fn child(&self, component: &[u8]) -> Option<u32> {
        let at = self
            .children
            .binary_search_by(|(text, _)| text.as_slice().cmp(component))
            .ok()?;
        self.children.get(at).map(|&(_, node)| node)
    }
}

/// The compiled rules.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Matcher {
    nodes: Vec<Node>,
}

impl Default for Matcher {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

impl Matcher {
    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(index).ok()?)
    }

    fn node_mut(&mut self, index: u32) -> Option<&mut Node> {
        self.nodes.get_mut(usize::try_from(index).ok()?)
    }

    fn child_or_new(&mut self, parent: u32, component: &[u8]) -> Option<u32> {
        if let Some(child) = self.node(parent)?.child(component) {
            return Some(child);
        }
        let new = u32::try_from(self.nodes.len()).ok()?;
        self.nodes.push(Node::default());
        let children = &mut self.node_mut(parent)?.children;
        let at = children
            .binary_search_by(|(text, _)| text.as_slice().cmp(component))
            .unwrap_or_else(|at| at);
        children.insert(at, (component.to_vec(), new));
        Some(new)
    }

    /// Adds a rule. `None` only when there are more nodes than a `u32` counts.
    pub(crate) fn add(&mut self, pattern: &Pattern, kind: Kind, rule: RuleId) -> Option<()> {
        let (literal, tail) = pattern.split();
        let mut at = 0;
        for component in literal {
            if kind.allows() {
                let node = self.node_mut(at)?;
                node.ancestor = first(node.ancestor, Some(rule));
            }
            at = self.child_or_new(at, component)?;
        }
        let node = self.node_mut(at)?;
        match tail {
            [] => node.exact.add(kind, rule),
            [Part::Deep] => node.below.add(kind, rule),
            _ => node.tails.push(Tail {
                parts: tail.to_vec(),
                kind,
                rule,
            }),
        }
        Some(())
    }

    /// What the rules say about a name.
    pub(crate) fn look_up(&self, name: &AbsName) -> Found {
        let mut found = Found::default();
        let mut rest = name.as_bytes().get(1..).unwrap_or_default();
        let mut at = self.node(0);
        while let Some(node) = at {
            found.matches.merge(&node.below);
            for tail in &node.tails {
                if tail_matches(&tail.parts, rest) {
                    found.matches.add(tail.kind, tail.rule);
                }
                if tail.kind.allows() && tail_reaches(&tail.parts, rest) {
                    found.ancestor = first(found.ancestor, Some(tail.rule));
                }
            }
            let Some((component, others)) = split_component(rest) else {
                found.matches.merge(&node.exact);
                found.ancestor = first(found.ancestor, node.ancestor);
                break;
            };
            at = node.child(component).and_then(|child| self.node(child));
            rest = others;
        }
        found
    }

    /// Whether an allow rule names exactly this name, itself or as what `/**` follows.
    pub(crate) fn names(&self, name: &AbsName) -> bool {
        let mut at = self.node(0);
        for component in name.components() {
            at = at
                .and_then(|node| node.child(component.as_bytes()))
                .and_then(|child| self.node(child));
        }
        at.is_some_and(|node| {
            [&node.exact, &node.below].into_iter().any(|matches| {
                [
                    Kind::Read,
                    Kind::Write,
                    Kind::Create,
                    Kind::Delete,
                    Kind::Special,
                    Kind::Execute,
                    Kind::Spawn,
                    Kind::Unix,
                ]
                .into_iter()
                .any(|kind| matches.get(kind).is_some())
            })
        })
    }
}
