//! Resolution as a kernel alone does it, in one instant: what the path engine is compared with
//! where nobody moves, and what a broker without pins would use.

use super::tree::{Node, Object, Tree, leaf};

/// Follows a path from a directory to the entry and mount it means; `follow` says whether
/// a link as last component is followed.
pub(crate) fn resolve(
    tree: &Tree,
    start: (Node, usize),
    path: &[u8],
    follow: bool,
) -> Option<(Node, usize)> {
    let mut links = 0;
    let mut at = if path.starts_with(b"/") {
        (0, 0)
    } else {
        start
    };
    let mut text = path.to_vec();
    loop {
        let from = text.iter().position(|&byte| byte != b'/');
        let Some(from) = from else {
            return Some(at);
        };
        let length = text[from..].iter().position(|&byte| byte == b'/');
        let end = length.map_or(text.len(), |length| from + length);
        let part = text[from..end].to_vec();
        let rest = text[end..].to_vec();
        if !tree.is_directory(at.0) {
            return None;
        }
        match part.as_slice() {
            b"." => {}
            b".." => at = above(tree, at)?,
            _ => {
                let node = tree.entry(at.0, leaf(&part))?;
                match tree.object(node) {
                    Object::Link(target) if follow || !rest.is_empty() => {
                        links += 1;
                        if links > 40 {
                            return None;
                        }
                        if target.starts_with('/') {
                            at = (0, 0);
                        }
                        text = [target.as_bytes(), &rest].concat();
                        continue;
                    }
                    _ => at = across(tree, (node, at.1)),
                }
            }
        }
        if rest.starts_with(b"/") && !tree.is_directory(at.0) {
            return None;
        }
        text = rest;
    }
}

/// What is seen at an entry: the mounts on it.
pub(crate) fn across(tree: &Tree, (mut node, mut mount): (Node, usize)) -> (Node, usize) {
    while let Some(above) = tree.mounted(mount, node) {
        (node, mount) = (tree.mounts[above].root, above);
    }
    (node, mount)
}

fn above(tree: &Tree, (mut node, mut mount): (Node, usize)) -> Option<(Node, usize)> {
    while node == tree.mounts[mount].root {
        match tree.mounts[mount].at {
            Some((under, at)) => (mount, node) = (under, at),
            None => return Some((node, mount)),
        }
    }
    let (parent, _) = tree.places[node]?;
    Some(across(tree, (parent, mount)))
}
