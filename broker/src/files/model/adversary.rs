//! The adversary: what others do to the tree between two calls of the path engine.

use super::tree::{Leaf, Mount, Node, Object, Tree, leaf};

/// One move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// Two entries change places: a link for a directory, a parent for another.
    Exchange(Node, Node),
    /// An entry moves into a directory under this name.
    Into(Node, Node, Leaf),
    /// An object gets a further name.
    Link(Node, Node, Leaf),
    /// An entry is removed.
    Remove(Node),
    /// An entry is removed, and something else made under its name.
    Replace(Node, Object),
    /// One directory is mounted on another, as this kind of file system.
    Mount(Node, Node, u64),
    /// What is mounted somewhere is taken away.
    Unmount(usize),
}

/// The moves to make, each before the call of that number, in order.
pub(crate) type Script = Vec<(usize, Move)>;

impl Tree {
    /// Makes a move. Says no, and changes nothing, if it cannot be made.
    pub(crate) fn apply(&mut self, step: Move) -> bool {
        match step {
            Move::Exchange(one, other) => {
                if self.is_within(one, other)
                    || self.is_within(other, one)
                    || !self.is_movable(one)
                    || !self.is_movable(other)
                    || self.top(one) != self.top(other)
                {
                    return false;
                }
                self.places.swap(one, other);
            }
            Move::Into(node, directory, leaf) => {
                if !self.is_movable(node)
                    || self.is_within(directory, node)
                    || !self.is_free(directory, leaf)
                    || self.top(node) != self.top(directory)
                {
                    return false;
                }
                self.places[node] = Some((directory, leaf));
            }
            Move::Link(node, directory, leaf) => {
                if self.is_directory(node)
                    || self.top(node).is_none()
                    || !self.is_free(directory, leaf)
                    || self.top(node) != self.top(directory)
                {
                    return false;
                }
                self.name_again(directory, leaf, self.inodes[node]);
            }
            Move::Remove(node) => {
                if !self.is_movable(node) {
                    return false;
                }
                self.cut(node);
            }
            Move::Replace(node, object) => {
                if !self.is_movable(node) {
                    return false;
                }
                let place = self.places[node];
                self.cut(node);
                if let Some((directory, leaf)) = place {
                    self.add(directory, leaf, object);
                }
            }
            Move::Mount(root, at, magic) => {
                if !self.is_directory(root)
                    || !self.is_directory(at)
                    || self.top(at) != Some(0)
                    || self.top(root).is_none()
                    || self.mounted(0, at).is_some()
                {
                    return false;
                }
                self.mounts.push(Mount {
                    at: Some((0, at)),
                    root,
                    magic,
                });
            }
            Move::Unmount(mount) => {
                return self
                    .mounts
                    .get_mut(mount)
                    .is_some_and(|mount| mount.at.take().is_some());
            }
        }
        true
    }

    /// Removes an entry and all below it.
    fn cut(&mut self, node: Node) {
        for one in 0..self.places.len() {
            if self.places[one].is_some_and(|(parent, _)| parent == node) {
                self.cut(one);
            }
        }
        self.places[node] = None;
    }

    fn is_movable(&self, node: Node) -> bool {
        node < self.places.len() && self.places[node].is_some() && !self.is_busy(node)
    }

    fn is_free(&self, directory: Node, leaf: Leaf) -> bool {
        self.is_directory(directory) && self.entry(directory, leaf).is_none()
    }
}

/// Every move on a tree, where things are moved to these names besides their own.
pub(crate) fn moves(tree: &Tree, fresh: &[&str], lure: &'static str, mounts: bool) -> Vec<Move> {
    let mut moves = Vec::new();
    let nodes = tree.places.len();
    for one in 1..nodes {
        let Some((_, own)) = tree.places[one] else {
            continue;
        };
        moves.push(Move::Remove(one));
        for object in [Object::File, Object::Directory, Object::Link(lure)] {
            moves.push(Move::Replace(one, object));
        }
        let leaves = fresh.iter().map(|name| leaf(name.as_bytes()));
        let leaves: Vec<Leaf> = leaves.filter(|leaf| *leaf != own).chain([own]).collect();
        for other in 0..nodes {
            if one < other {
                moves.push(Move::Exchange(one, other));
            }
            if one == other || !tree.is_directory(other) {
                continue;
            }
            for &leaf in &leaves {
                moves.push(Move::Into(one, other, leaf));
                if !tree.is_directory(one) {
                    moves.push(Move::Link(one, other, leaf));
                }
            }
        }
    }
    if mounts {
        for mount in 1..tree.mounts.len() {
            moves.push(Move::Unmount(mount));
        }
        for at in (1..nodes).filter(|&node| tree.is_directory(node)) {
            for root in (1..nodes).filter(|&node| node != at && tree.is_directory(node)) {
                let second = tree.tops.contains(&root);
                let magic = if second {
                    super::tree::FUSE
                } else {
                    super::tree::DISK
                };
                moves.push(Move::Mount(root, at, magic));
            }
        }
    }
    moves
}
