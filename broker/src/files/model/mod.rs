//! A file system in memory in which an adversary moves between any two calls.
//!
//! It knows at every instant which name each object really has, which the path engine
//! can only ask for one call at a time. So a test can say afterwards whether what was
//! granted ever had a name, during the request, under which it might be.

mod adversary;
mod calls;
mod tests;

use std::cell::RefCell;

pub(crate) use adversary::Script;

/// Number of an object; 0 is the root.
pub(crate) type Node = usize;

/// A component of at most four bytes, filled up with zeros.
pub(crate) type Leaf = [u8; 4];

/// Where each object is: its directory and its name there; none for the root and for
/// what was removed.
pub(crate) type Places = Vec<Option<(Node, Leaf)>>;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Link(&'static str),
}

/// What a request did that needed a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Opened an object.
    Opened {
        /// Which.
        node: Node,
        /// For reading.
        reads: bool,
        /// For writing.
        writes: bool,
    },
    /// Cut an object.
    Resized(Node),
    /// Made an entry.
    Made(Node, Leaf),
    /// Removed an entry.
    Removed(Node, Leaf),
}

/// A descriptor of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelPin {
    /// What it holds.
    pub(crate) node: Node,
}

#[derive(Debug, Default)]
struct State {
    objects: Vec<Object>,
    places: Places,
    /// All places since the request began, one for each change.
    history: Vec<Places>,
    /// What the request did.
    deeds: Vec<Deed>,
    /// Calls made so far.
    calls: usize,
    /// The moves to make, each before the call of that number.
    script: Script,
    /// Moves made of it.
    made: usize,
    /// Whether a move of the script could not be made.
    idle: bool,
}

/// The model file system.
#[derive(Debug, Default)]
pub(crate) struct Model(RefCell<State>);

/// A component as the model keeps it.
pub(crate) fn leaf(bytes: &[u8]) -> Leaf {
    let mut leaf = Leaf::default();
    leaf[..bytes.len()].copy_from_slice(bytes);
    leaf
}

/// A component's bytes.
pub(crate) fn text(leaf: &Leaf) -> &[u8] {
    leaf.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The name of an object where things are at `places`; none for what was removed.
pub(crate) fn name(places: &Places, mut node: Node) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    while node != 0 {
        let (parent, leaf) = places[node].as_ref()?;
        name.splice(..0, [b"/", text(leaf)].concat());
        node = *parent;
    }
    if name.is_empty() {
        name.push(b'/');
    }
    Some(name)
}

impl Model {
    /// Of entries by name, in order; a target makes a link, a trailing slash a directory.
    pub(crate) fn new(entries: &[(&str, Option<&'static str>)], script: Script) -> Self {
        let mut state = State {
            objects: vec![Object::Directory],
            places: vec![None],
            script,
            ..State::default()
        };
        for (name, target) in entries {
            let object = match target {
                Some(target) => Object::Link(target),
                None if name.ends_with('/') => Object::Directory,
                None => Object::File,
            };
            let (parent, last) = name.trim_end_matches('/').rsplit_once('/').unwrap();
            let parent = parent
                .split('/')
                .filter(|part| !part.is_empty())
                .fold(0, |node, part| {
                    state.entry(node, leaf(part.as_bytes())).unwrap()
                });
            state.add(parent, leaf(last.as_bytes()), object);
        }
        state.record();
        Self(RefCell::new(state))
    }

    /// What the request did.
    pub(crate) fn deeds(&self) -> Vec<Deed> {
        self.0.borrow().deeds.clone()
    }

    /// Whether an object ever had a name, since the request began, for which this is so.
    pub(crate) fn ever(&self, node: Node, is_so: impl Fn(Vec<u8>) -> bool) -> bool {
        let state = self.0.borrow();
        state
            .history
            .iter()
            .any(|places| node < places.len() && name(places, node).is_some_and(&is_so))
    }

    /// How many calls were made.
    pub(crate) fn calls(&self) -> usize {
        self.0.borrow().calls
    }

    /// Whether a move of the script could not be made.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.borrow().idle
    }
}

impl State {
    fn entry(&self, parent: Node, leaf: Leaf) -> Option<Node> {
        self.places
            .iter()
            .position(|place| *place == Some((parent, leaf)))
    }

    fn is_empty(&self, parent: Node) -> bool {
        !self
            .places
            .iter()
            .flatten()
            .any(|(directory, _)| *directory == parent)
    }

    fn is_directory(&self, node: Node) -> bool {
        self.objects[node] == Object::Directory
    }

    fn add(&mut self, parent: Node, leaf: Leaf, object: Object) -> Node {
        self.objects.push(object);
        self.places.push(Some((parent, leaf)));
        self.objects.len() - 1
    }

    fn is_within(&self, node: Node, ancestor: Node) -> bool {
        let mut at = Some(node);
        while let Some(node) = at {
            if node == ancestor {
                return true;
            }
            at = self.places[node].map(|(parent, _)| parent);
        }
        false
    }

    /// Whether an object can still be reached from the root.
    fn is_living(&self, node: Node) -> bool {
        self.is_within(node, 0)
    }

    /// Writes down where everything is now.
    fn record(&mut self) {
        self.history.push(self.places.clone());
    }

    /// One call begins: the adversary moves first.
    fn tick(&mut self) {
        while let Some((at, step)) = self.script.get(self.made).copied() {
            if at != self.calls {
                break;
            }
            self.made += 1;
            if self.apply(step) {
                self.record();
            } else {
                self.idle = true;
            }
        }
        self.calls += 1;
    }
}
