//! Runs a request under every interleaving of its calls with moves of the adversary.

use std::sync::Arc;

#[cfg(test)]
use super::Deed;
use super::{
    Flaw, Model, ModelPin,
    adversary::{Move, Script},
    asker::ModelAsker,
    native,
    oracle::Judged,
    request::{Answer, Request},
    tree::{Object, Tree},
    world::World,
};
use crate::{
    files::{Course, Files, Roots, Rules},
    service::Patience,
};

/// What came of all interleavings of one request.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Interleavings run.
    pub(crate) runs: u64,
    /// Those in which something was done or told.
    pub(crate) effects: u64,
    /// One that did what was not allowed.
    pub(crate) lost: Option<Script>,
}

/// One world, its moves, and a broken promise of the kernel if there is one.
pub(crate) struct Explorer<'a> {
    world: &'a World,
    tree: Tree,
    moves: Arc<[Move]>,
    flaw: Option<Flaw>,
    policy: Arc<dyn Rules>,
}

/// A request that is over.
pub(crate) struct Run {
    files: Files<Model>,
    answer: Answer,
}

impl Run {
    fn choices(&self) -> Script {
        let mut state = self.files.filesystem.0.borrow_mut();
        state
            .choices
            .take()
            .map(|choices| choices.found)
            .unwrap_or_default()
    }

    fn is_idle(&self) -> bool {
        let state = self.files.filesystem.0.borrow();
        state.idle || state.made < state.script.len()
    }
}

impl<'a> Explorer<'a> {
    /// Of a world.
    pub(crate) fn new(world: &'a World, flaw: Option<Flaw>) -> Self {
        Self {
            world,
            tree: world.tree(),
            moves: world.moves(),
            flaw,
            policy: Arc::new(world.table),
        }
    }

    #[expect(
        clippy::arc_with_non_send_sync,
        reason = "one thread explores a world; the kernel's files are shared by several"
    )]
    fn run(&self, tree: &Tree, request: &Request, script: &[(usize, Move)], choose: bool) -> Run {
        let pin = |(node, mount)| ModelPin {
            node,
            mount,
            since: 0,
        };
        let scratch = self
            .world
            .table
            .scratch
            .map(|name| (pin((tree.at(name), 0)), name.as_bytes().to_vec()));
        let start = (0, 0);
        let at = self.world.directory.as_bytes();
        let directory = native::resolve(tree, start, at, true).unwrap();
        let files = Files {
            budget: None,
            filesystem: Arc::new(Model::new(tree.clone(), directory)),
            roots: Arc::new(Roots::new(pin((0, 0)), scratch)),
            policy: Arc::clone(&self.policy),
            view: false,
            program: None,
            only_ids: None,
            turn: Arc::default(),
        };
        let ask = |request: &Request| {
            let asker = ModelAsker {
                model: &files.filesystem,
                directory: pin(directory),
            };
            request.perform(&files, &mut Course::new(&asker, Patience::Blocking))
        };
        if let Some(before) = &self.world.before {
            ask(before);
        }
        let moves = choose.then(|| Arc::clone(&self.moves));
        files.filesystem.begin(script, moves, self.flaw);
        let answer = ask(request);
        Run { files, answer }
    }

    /// Every interleaving with at most `left` moves after `script`.
    pub(crate) fn explore(&self, request: &Request, left: usize, tally: &mut Tally) {
        self.extend(request, &mut Script::new(), left, tally);
    }

    fn extend(&self, request: &Request, script: &mut Script, left: usize, tally: &mut Tally) {
        let run = self.run(&self.tree, request, script, left > 0);
        if run.is_idle() {
            return;
        }
        tally.runs += 1;
        {
            let state = run.files.filesystem.0.borrow();
            let told = !matches!(run.answer, Answer::Refused(_));
            tally.effects += u64::from(told || !state.deeds.is_empty());
            let judged = Judged {
                table: &self.world.table,
                state: &state,
            };
            if !judged.holds(request, &run.answer) {
                tally.lost = Some(script.clone());
                return;
            }
        }
        for choice in run.choices() {
            script.push(choice);
            self.extend(request, script, left - 1, tally);
            script.pop();
            if tally.lost.is_some() {
                return;
            }
        }
    }

    /// One interleaving: `choose` picks each next move out of so many, or ends it. Whether
    /// all that was done was allowed, and the moves.
    #[cfg(fuzzing)]
    pub(crate) fn wander(
        &self,
        request: &Request,
        mut choose: impl FnMut(usize) -> Option<usize>,
    ) -> (bool, Script) {
        let mut script = Script::new();
        loop {
            let run = self.run(&self.tree, request, &script, true);
            {
                let state = run.files.filesystem.0.borrow();
                let judged = Judged {
                    table: &self.world.table,
                    state: &state,
                };
                if !judged.holds(request, &run.answer) {
                    return (false, script);
                }
            }
            let choices = run.choices();
            let Some(choice) = choose(choices.len()).and_then(|index| choices.get(index)) else {
                return (true, script);
            };
            script.push(*choice);
        }
    }

    /// One interleaving: whether all that was done was allowed, and what was done.
    #[cfg(test)]
    pub(super) fn once(&self, request: &Request, script: &[(usize, Move)]) -> (bool, Vec<Deed>) {
        let run = self.run(&self.tree, request, script, false);
        let state = run.files.filesystem.0.borrow();
        let judged = Judged {
            table: &self.world.table,
            state: &state,
        };
        let deeds = state.deeds.iter().map(|&(_, deed)| deed);
        (judged.holds(request, &run.answer), deeds.collect())
    }

    /// Every interleaving whose moves leave secret things alone, with each secret thing there,
    /// gone, and something else: the answers must be the same.
    pub(crate) fn compare(&self, request: &Request, left: usize, tally: &mut Tally) {
        let mut script = Script::new();
        self.compare_from(request, &mut script, left, tally);
    }

    fn compare_from(&self, request: &Request, script: &mut Script, left: usize, tally: &mut Tally) {
        let run = self.run(&self.tree, request, script, left > 0);
        if run.is_idle() {
            return;
        }
        tally.runs += 1;
        for twin in self.twins() {
            let other = self.run(&twin, request, script, false);
            tally.effects += u64::from(!other.is_idle());
            if !other.is_idle() && other.answer != run.answer {
                tally.lost = Some(script.clone());
                return;
            }
        }
        for choice in run.choices() {
            if self.touches_secret(choice.1) {
                continue;
            }
            script.push(choice);
            self.compare_from(request, script, left - 1, tally);
            script.pop();
            if tally.lost.is_some() {
                return;
            }
        }
    }

    fn twins(&self) -> Vec<Tree> {
        let objects = [
            None,
            Some(Object::File),
            Some(Object::Directory),
            Some(Object::Link("/in")),
            Some(Object::Fifo),
        ];
        let secret = self.world.secret.iter().map(|name| self.tree.at(name));
        let mut twins = Vec::new();
        for node in secret {
            for object in objects {
                let mut twin = self.tree.clone();
                let inode = twin.inodes[node];
                match object {
                    Some(object) if object == twin.objects[inode] => continue,
                    Some(object) => twin.objects[inode] = object,
                    None => twin.places[node] = None,
                }
                twins.push(twin);
            }
        }
        if let Some((name, target)) = self.world.unread {
            let mut twin = self.tree.clone();
            let node = twin.at(name);
            let inode = twin.inodes[node];
            twin.objects[inode] = Object::Link(target);
            twins.push(twin);
        }
        twins
    }

    /// Whether a move takes a secret thing, or what holds it, to where it may be seen.
    fn touches_secret(&self, step: Move) -> bool {
        let holds = |node: usize| {
            let unread = self.world.unread.iter().map(|(name, _)| name);
            self.world.secret.iter().chain(unread).any(|name| {
                let secret = self.tree.at(name);
                node < self.tree.places.len()
                    && (self.tree.is_within(secret, node)
                        || self.tree.places[secret].is_some_and(|(parent, _)| parent == node))
            })
        };
        match step {
            Move::Exchange(one, other) => holds(one) || holds(other),
            Move::Into(node, ..)
            | Move::Link(node, ..)
            | Move::Remove(node)
            | Move::Replace(node, _) => holds(node),
            Move::Mount(root, at, _) => holds(root) || holds(at),
            Move::Unmount(_) => !self.world.secret.is_empty(),
        }
    }
}
