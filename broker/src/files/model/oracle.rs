//! The judge: it knows the true tree at every instant, and nothing of what the engine thought.
//!
//! * What was opened, changed, looked at, linked or made had, at an instant between the pin and
//!   the deed, a true name under which the policy allows exactly that.
//! * What was moved gains no right by it that it did not have since the pin, nor does
//!   anything below it; unless it was moved back at once to the directory that it came from, or
//!   others, who moved it on or took that directory away, left no way back. A rename takes
//!   whatever its entry is at that instant: who moves the directory away and back meanwhile
//!   moved it himself.
//! * What was told is true of an object that could be looked at during the request.

use super::{
    Deed, ModelPin, State, native,
    request::{Answer, Request},
    table::Table,
    tree::{Leaf, Node, Object, Tree, text},
};

/// The rights that a new name can give.
const RIGHTS: [char; 4] = ['r', 'w', 'x', 's'];

/// One request that is over.
pub(crate) struct Judged<'a> {
    pub(super) table: &'a Table,
    pub(super) state: &'a State,
}

fn joined(mut name: Vec<u8>, leaf: &Leaf) -> Vec<u8> {
    if name != b"/" {
        name.push(b'/');
    }
    name.extend_from_slice(text(leaf));
    name
}

impl Judged<'_> {
    /// Whether what was held had an allowed name in one of these instants.
    fn had(&self, pin: ModelPin, until: usize, below: Option<&Leaf>, letter: char) -> bool {
        self.state.history[pin.since..=until].iter().any(|tree| {
            let name = tree.name(pin.node, pin.mount);
            name.is_some_and(|name| {
                let name = match below {
                    Some(leaf) => joined(name, leaf),
                    None => name,
                };
                self.table.allows(&name, letter)
            })
        })
    }

    /// Whether everything the request did was allowed.
    pub(crate) fn holds(&self, request: &Request, answer: &Answer) -> bool {
        let deeds = &self.state.deeds;
        let undone: Vec<bool> = (0..deeds.len())
            .map(|index| self.is_undone(index))
            .collect();
        deeds
            .iter()
            .zip(undone)
            .all(|(&(at, deed), undone)| undone || self.allows(at, deed))
            && self.is_true(answer)
            && self.is_meant(request, answer)
    }

    fn allows(&self, at: usize, deed: Deed) -> bool {
        let had = |pin, letter| self.had(pin, at, None, letter);
        match deed {
            Deed::Opened { pin, reads, writes } => {
                (!reads || had(pin, 'r'))
                    && (!writes || had(pin, 'w'))
                    && match self.state.tree.object(pin.node) {
                        Object::File | Object::Directory => true,
                        Object::Fifo | Object::Device => had(pin, 's'),
                        Object::Link(_) => false,
                    }
            }
            Deed::Changed(pin, mode) => {
                let special = matches!(
                    self.state.tree.object(pin.node),
                    Object::Fifo | Object::Device
                );
                had(pin, 'w') && mode & !0o777 == 0 && !special
            }
            Deed::Probed(pin, mode) => {
                let directory = self.state.tree.is_directory(pin.node);
                let file = self.state.tree.object(pin.node) == Object::File;
                let writes = match directory {
                    true => had(pin, 'c') || had(pin, 'd'),
                    false => had(pin, 'w'),
                };
                had(pin, 'l')
                    && (mode & 4 == 0 || had(pin, 'r'))
                    && (mode & 2 == 0 || writes)
                    && (mode & 1 == 0 || !file || had(pin, 'x'))
            }
            Deed::Measured(pin) => had(pin, 'l'),
            Deed::Temporary(pin, hidden) => had(pin, 'c') && hidden,
            Deed::Made(parent, leaf, mode) => {
                self.had(parent, at, Some(&leaf), 'c') && mode & !0o777 == 0
            }
            Deed::Said(parent, said) => {
                let said = said.split(|&byte| byte == 0).next().unwrap_or_default();
                self.leads_nowhere_else(parent, at, said)
            }
            Deed::Removed(parent, leaf) => self.had(parent, at, Some(&leaf), 'd'),
            Deed::Linked(pin, parent, leaf) => {
                self.state.tree.object(pin.node) == Object::File
                    && had(pin, 'l')
                    && RIGHTS
                        .iter()
                        .all(|&right| had(pin, right) || !self.gains(at, (parent, leaf), right))
            }
            Deed::Moved(node, (from, last), (to, next)) => {
                self.had(from, at, Some(&last), 'd')
                    && self.had(to, at, Some(&next), 'c')
                    && (self.came_back(at, from)
                        || self.is_held(at, node, from, (to, next))
                        || !self.widens(at, node, from, (to, next)))
            }
        }
    }

    /// Whether a new name gives a right at every instant of its directory's pin.
    fn gains(&self, at: usize, (parent, leaf): (ModelPin, Leaf), right: char) -> bool {
        self.state.history[parent.since..=at].iter().all(|tree| {
            let name = tree.name(parent.node, parent.mount);
            name.is_none_or(|name| self.table.allows(&joined(name, &leaf), right))
        })
    }

    /// Whether a move gave an entry, or one below it, what it had not had.
    fn widens(&self, at: usize, node: Node, from: ModelPin, (to, next): (ModelPin, Leaf)) -> bool {
        let before = &self.state.history[at];
        let inode = before.inodes[node];
        let below = (0..before.places.len()).filter(|&one| before.is_within(one, node));
        below.into_iter().any(|one| {
            let path = path_below(before, node, one);
            RIGHTS.iter().any(|&right| {
                let gained = self.state.history[to.since..=at].iter().all(|tree| {
                    let name = tree.name(to.node, to.mount);
                    name.is_none_or(|name| {
                        let name = [joined(name, &next), path.clone()].concat();
                        self.table.allows(&name, right)
                    })
                });
                // What is put into a directory while it is moved is moved with it.
                let mut held = self.state.history[from.since..=at].iter();
                // Any of its hard links will do.
                let had = held.any(|tree| {
                    let links = (0..tree.places.len()).filter(|&link| tree.inodes[link] == inode);
                    let mut names = links.filter_map(|link| tree.name(link, from.mount));
                    names.any(|name| self.table.allows(&[name, path.clone()].concat(), right))
                });
                gained && !had
            })
        })
    }

    /// Whether a directory had its name when it was pinned, another at this instant, and
    /// the first again afterwards.
    fn came_back(&self, at: usize, pin: ModelPin) -> bool {
        let name = |tree: &Tree| tree.name(pin.node, pin.mount);
        let first = name(&self.state.history[pin.since]);
        first != name(&self.state.history[at])
            && self.state.history[at..]
                .iter()
                .any(|tree| name(tree) == first)
    }

    /// Whether a move was taken back later in the same request, or takes one back: from where the
    /// first one put it to the directory that it came from. What is then taken back may be what
    /// others put there in the instant between the two calls.
    fn is_undone(&self, index: usize) -> bool {
        let (at, Deed::Moved(node, from, to)) = self.state.deeds[index] else {
            return false;
        };
        let place = |(pin, leaf): (ModelPin, Leaf)| (pin.node, leaf);
        self.state.deeds.iter().any(|&(then, other)| match other {
            Deed::Moved(same, back, there) if at < then => {
                same == node && place(back) == place(to) && there.0.node == from.0.node
            }
            Deed::Moved(_, first, put) if then < at => {
                place(put) == place(from) && first.0.node == to.0.node
            }
            _ => false,
        })
    }

    /// Whether others saw to it that what was moved could not be moved back: they took it from
    /// where it was put, mounted something on it, or removed the directory that it came from or
    /// moved that below it.
    fn is_held(&self, at: usize, node: Node, from: ModelPin, (to, next): (ModelPin, Leaf)) -> bool {
        self.state.history[at + 1..].iter().any(|tree| {
            tree.places[node] != Some((to.node, next))
                || tree.is_busy(node)
                || tree.top(from.node).is_none()
                || tree.is_within(from.node, node)
        })
    }

    /// Whether a link that was made says something the sandboxee could name itself.
    fn leads_nowhere_else(&self, parent: ModelPin, at: usize, said: &[u8]) -> bool {
        self.state.history[parent.since..=at].iter().any(|tree| {
            let Some(mut name) = tree.name(parent.node, parent.mount) else {
                return false;
            };
            if said.starts_with(b"/") {
                name = b"/".to_vec();
            }
            for part in said.split(|&byte| byte == b'/') {
                match part {
                    b"" | b"." => {}
                    b".." => {
                        let cut = name.iter().rposition(|&byte| byte == b'/');
                        name.truncate(cut.unwrap_or(0).max(1));
                    }
                    part => name = joined(name, &super::tree::leaf(part)),
                }
            }
            self.table.allows(&name, 'l')
        })
    }

    /// Whether an answer tells only of what could be looked at.
    fn is_true(&self, answer: &Answer) -> bool {
        let any = |is_it: &dyn Fn(&Tree, Node) -> bool, letter| {
            self.state.history.iter().any(|tree| {
                (0..tree.places.len()).any(|node| {
                    is_it(tree, node)
                        && (0..tree.mounts.len()).any(|mount| {
                            tree.name(node, mount)
                                .is_some_and(|name| self.table.allows(&name, letter))
                        })
                })
            })
        };
        match answer {
            Answer::Seen(inode, _) => any(&|tree, node| tree.inodes[node] as u64 == *inode, 'l'),
            Answer::Told(said) if !said.starts_with(b"/") => any(
                &|tree, node| match tree.object(node) {
                    Object::Link(target) => target.as_bytes() == said,
                    _ => false,
                },
                'r',
            ),
            Answer::Told(_) | Answer::Done | Answer::Opened(_) | Answer::Refused(_) => true,
        }
    }

    /// Whether, where nobody moved, the object is the one that the kernel alone would have taken.
    fn is_meant(&self, request: &Request, answer: &Answer) -> bool {
        // The scratch directory is nothing that the kernel alone knows of.
        if !self.state.script.is_empty() || self.table.scratch.is_some() {
            return true;
        }
        let tree = &self.state.history[0];
        let paths = request.paths();
        match (answer, paths.as_slice()) {
            (Answer::Seen(inode, _) | Answer::Opened(inode), &[(path, follow)]) => {
                let made = self
                    .state
                    .deeds
                    .iter()
                    .any(|(_, deed)| matches!(deed, Deed::Made(..) | Deed::Temporary(..)));
                made || self
                    .resolve(tree, path, follow)
                    .is_some_and(|(node, _)| tree.inodes[node] as u64 == *inode)
            }
            _ => self.state.deeds.iter().all(|(_, deed)| match deed {
                Deed::Made(parent, leaf, _) | Deed::Removed(parent, leaf) => {
                    paths.iter().any(|(path, _)| {
                        let path = path.trim_end_matches('/');
                        let head = path.rfind('/').map_or("", |slash| &path[..=slash]);
                        path.as_bytes().ends_with(text(leaf))
                            && self
                                .resolve(tree, head, true)
                                .is_some_and(|(node, _)| node == parent.node)
                    })
                }
                Deed::Changed(pin, _) => paths.iter().any(|&(path, follow)| {
                    self.resolve(tree, path, follow)
                        .is_some_and(|(node, _)| node == pin.node)
                }),
                _ => true,
            }),
        }
    }

    /// What the kernel would take a path to mean.
    fn resolve(&self, tree: &Tree, path: &str, follow: bool) -> Option<(Node, usize)> {
        native::resolve(tree, self.state.directory, path.as_bytes(), follow)
    }
}

/// The path from `top` to `node` below it, with a slash before each component.
fn path_below(tree: &Tree, top: Node, mut node: Node) -> Vec<u8> {
    let mut path = Vec::new();
    while node != top {
        let Some((parent, leaf)) = &tree.places[node] else {
            break;
        };
        path.splice(..0, [b"/", text(leaf)].concat());
        node = *parent;
    }
    path
}
