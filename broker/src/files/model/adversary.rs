//! The adversary: renames and exchanges of anything with anything.

use super::{Node, Object, State, leaf};

/// One move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// Two objects change places.
    Exchange(Node, Node),
    /// An object moves into a directory: a file as `f`, anything else as `d`.
    Into(Node, Node),
    /// An object is removed.
    Remove(Node),
}

/// The moves to make, each before the call of that number, in order.
pub(crate) type Script = Vec<(usize, Move)>;

impl State {
    /// Makes a move, if it can be made.
    pub(super) fn apply(&mut self, step: Move) -> bool {
        match step {
            Move::Exchange(one, other) => {
                if self.is_within(one, other)
                    || self.is_within(other, one)
                    || self.places[one].is_none()
                    || self.places[other].is_none()
                {
                    return false;
                }
                self.places.swap(one, other);
                true
            }
            Move::Into(node, directory) => {
                let name = leaf(match self.objects[node] {
                    Object::File => b"f",
                    Object::Directory | Object::Link(_) => b"d",
                });
                if !self.is_directory(directory)
                    || self.is_within(directory, node)
                    || self.entry(directory, name).is_some()
                    || self.places[node].is_none()
                {
                    return false;
                }
                self.places[node] = Some((directory, name));
                true
            }
            Move::Remove(node) => self.places[node].take().is_some(),
        }
    }
}

/// Every move on a tree of `nodes` objects.
pub(crate) fn moves(nodes: Node) -> Vec<Move> {
    let mut moves = Vec::new();
    for one in 1..nodes {
        moves.push(Move::Remove(one));
        for other in 0..nodes {
            if one < other {
                moves.push(Move::Exchange(one, other));
            }
            if one != other {
                moves.push(Move::Into(one, other));
            }
        }
    }
    moves
}
