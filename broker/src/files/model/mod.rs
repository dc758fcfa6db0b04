//! A file system in memory in which an adversary moves between any two calls.
//!
//! It knows at every instant which name each object really has, which the path engine can
//! only ask for one call at a time. So a test can say afterwards whether what was granted
//! had a name, between its pin and the grant, under which it might be.

mod adversary;
mod asker;
mod calls;
mod explorer;
#[cfg(test)]
mod mutants;
mod native;
mod oracle;
mod request;
mod table;
#[cfg(test)]
mod tests;
mod tree;
#[cfg(fuzzing)]
pub(crate) mod wander;
mod world;

use std::{cell::RefCell, sync::Arc};

use adversary::{Move, Script};
use tree::{Leaf, Node, Tree};

/// A descriptor of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModelPin {
    /// The entry it was pinned by.
    node: Node,
    /// The mount it was pinned through.
    mount: usize,
    /// The instant since when it is held: an index of the history.
    since: usize,
}

/// What a request did that needs a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// Opened an object.
    Opened {
        pin: ModelPin,
        reads: bool,
        writes: bool,
    },
    /// Changed the content, mode or times of an object; the bits if it was a mode.
    Changed(ModelPin, u32),
    /// Looked at what the kernel lets do with an object.
    Probed(ModelPin, u32),
    /// Looked at the file system of an object.
    Measured(ModelPin),
    /// Made a file without a name; whether it never gets one.
    Temporary(ModelPin, bool),
    /// Made an entry, with this mode.
    Made(ModelPin, Leaf, u32),
    /// Made a link that says this.
    Said(ModelPin, [u8; 16]),
    /// Removed an entry.
    Removed(ModelPin, Leaf),
    /// Gave a pinned object a further name.
    Linked(ModelPin, ModelPin, Leaf),
    /// Moved this entry from one place to another.
    Moved(Node, (ModelPin, Leaf), (ModelPin, Leaf)),
}

/// A call that does not do what the kernel promises: the model of a forgotten flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// Pins follow links on the way and at the end.
    FollowsLinks,
    /// Pins cross mounts.
    CrossesMounts,
    /// What is opened anew is looked up by its name.
    ReopensByName,
    /// Entries are made and removed in whatever has the directory's name.
    ParentByName,
    /// A creation opens what exists, and follows a link.
    CreatesThrough,
    /// Attributes are changed by name.
    ChangesByName,
    /// The name told is that of the moment of the pin.
    OldNames,
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    /// All trees since the request began, one for each change.
    history: Vec<Tree>,
    /// What the request did, and at which instant.
    deeds: Vec<(usize, Deed)>,
    /// Calls made so far that look at the tree or change it: before each, the adversary moves.
    calls: usize,
    /// The moves to make.
    script: Script,
    /// Moves made of it.
    made: usize,
    /// Whether a move of the script could not be made.
    idle: bool,
    /// Where the asker works.
    directory: (Node, usize),
    flaw: Option<Flaw>,
    /// Which moves are to be tried before which call, after the last of the script.
    choices: Option<Choices>,
}

/// Collects moves to be tried. A move before a call is the same as before the one ahead of it
/// unless that one changed something, or would have had another result after the move.
#[derive(Debug)]
struct Choices {
    moves: Arc<[Move]>,
    found: Script,
    /// Which moves are to be tried before the next call; none yet before the first: all.
    tried: Option<Vec<bool>>,
    /// Where a move is made to see what comes of it.
    tree: Tree,
}

impl Choices {
    /// A call that gives this of the true tree; none for one that changes it.
    fn add<T: PartialEq>(&mut self, call: usize, now: &Tree, look: Option<&dyn Fn(&Tree) -> T>) {
        let usual = look.map(|look| look(now));
        let mut tried = vec![true; self.moves.len()];
        for (index, &step) in self.moves.iter().enumerate() {
            self.tree.clone_from(now);
            if !self.tree.apply(step) {
                continue;
            }
            if self.tried.as_ref().is_none_or(|tried| tried[index]) {
                self.found.push((call, step));
            }
            if let Some(look) = look {
                tried[index] = Some(look(&self.tree)) != usual;
            }
        }
        self.tried = Some(tried);
    }
}

/// The model file system.
#[derive(Debug, Default)]
pub(crate) struct Model(RefCell<State>);

impl Model {
    /// Of a tree, with an asker in a directory of it.
    fn new(tree: Tree, directory: (Node, usize)) -> Self {
        let mut state = State {
            tree,
            directory,
            ..State::default()
        };
        state.record();
        Self(RefCell::new(state))
    }

    /// Which inode a pin holds.
    fn inode(&self, pin: &ModelPin) -> u64 {
        self.0.borrow().tree.inodes[pin.node] as u64
    }

    /// Begins a request in which the adversary makes these moves.
    fn begin(&self, script: &[(usize, Move)], moves: Option<Arc<[Move]>>, flaw: Option<Flaw>) {
        let mut state = self.0.borrow_mut();
        state.history.clear();
        state.record();
        state.deeds.clear();
        (state.calls, state.made) = (0, 0);
        state.idle = false;
        script.clone_into(&mut state.script);
        state.choices = moves.map(|moves| Choices {
            moves,
            found: Script::new(),
            tried: None,
            tree: Tree::default(),
        });
        state.flaw = flaw;
    }
}

impl State {
    /// The instant that is now.
    fn now(&self) -> usize {
        self.history.len() - 1
    }

    /// Writes down how everything is now.
    fn record(&mut self) {
        self.history.push(self.tree.clone());
    }

    fn did(&mut self, deed: Deed) {
        self.deeds.push((self.now(), deed));
    }

    fn pinned(&self, node: Node, mount: usize) -> ModelPin {
        ModelPin {
            node,
            mount,
            since: self.now(),
        }
    }

    /// One call begins that depends on the tree, as `look` says, or changes it: the adversary
    /// moves first. Before any other call a move is the same as before the next that does.
    fn tick<T: PartialEq>(&mut self, look: Option<&dyn Fn(&Tree) -> T>) {
        while let Some((at, step)) = self.script.get(self.made).copied() {
            if at != self.calls {
                break;
            }
            self.made += 1;
            if self.tree.apply(step) {
                self.record();
            } else {
                self.idle = true;
            }
        }
        if self.made == self.script.len()
            && let Some(choices) = &mut self.choices
        {
            choices.add(self.calls, &self.tree, look);
        }
        self.calls += 1;
    }
}
