//! Defects put into the engine or into the kernel's promises, one at a time: each must be found.

use std::{
    fmt::Write,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    Flaw,
    explorer::{Explorer, Tally},
    world::{World, worlds},
};
use crate::control::{self, Defence};

/// A defect.
#[derive(Debug, Clone, Copy)]
enum Mutant {
    /// The engine without one of its checks.
    Without(Defence),
    /// The engine over calls that forget a flag, or go by name.
    With(Flaw),
}

const MUTANTS: &[Mutant] = &[
    Mutant::Without(Defence::CanonicalName),
    Mutant::Without(Defence::EntryName),
    Mutant::Without(Defence::LinkRule),
    Mutant::Without(Defence::LastLink),
    Mutant::Without(Defence::DotsWalked),
    Mutant::Without(Defence::StepReach),
    Mutant::Without(Defence::StepBarred),
    Mutant::Without(Defence::ObjectType),
    Mutant::Without(Defence::MountKind),
    Mutant::Without(Defence::TruncateRight),
    Mutant::Without(Defence::TemporaryHidden),
    Mutant::Without(Defence::ModeMask),
    Mutant::Without(Defence::Widening),
    Mutant::Without(Defence::Alike),
    Mutant::Without(Defence::MoveBack),
    Mutant::Without(Defence::LinkKind),
    Mutant::Without(Defence::LinkTarget),
    Mutant::With(Flaw::FollowsLinks),
    Mutant::With(Flaw::CrossesMounts),
    Mutant::With(Flaw::ReopensByName),
    Mutant::With(Flaw::ParentByName),
    Mutant::With(Flaw::CreatesThrough),
    Mutant::With(Flaw::ChangesByName),
    Mutant::With(Flaw::OldNames),
];

impl Mutant {
    fn flaw(self) -> Option<Flaw> {
        match self {
            Self::Without(_) => None,
            Self::With(flaw) => Some(flaw),
        }
    }

    /// Looks with few moves first; says where it was found, or in how many interleavings not.
    fn hunt(self, worlds: &[World]) -> Result<String, u64> {
        let mut found = Err(0);
        let mut act = || found = self.hunt_through(worlds);
        match self {
            Self::Without(defence) => control::without(defence, act),
            Self::With(_) => act(),
        }
        found
    }

    fn hunt_through(self, worlds: &[World]) -> Result<String, u64> {
        let mut runs = 0;
        for moves in 0..=2 {
            for world in worlds {
                let explorer = Explorer::new(world, self.flaw());
                for request in &world.requests {
                    let mut tally = Tally::default();
                    explorer.explore(request, moves, &mut tally);
                    if tally.lost.is_none() && moves < 2 {
                        explorer.compare(request, moves, &mut tally);
                    }
                    runs += tally.runs;
                    if let Some(script) = tally.lost {
                        let count = script.len();
                        let name = world.name;
                        return Ok(format!("{request:?} in {name}, {count} moves, {runs} runs"));
                    }
                }
            }
        }
        Err(runs)
    }
}

#[test]
fn every_defect_is_found() {
    let worlds = worlds();
    let next = AtomicUsize::new(0);
    let table = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..super::tests::THREADS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(mutant) = MUTANTS.get(index) else {
                        break;
                    };
                    let found = mutant.hunt(&worlds);
                    table.lock().unwrap().push((index, found));
                }
            });
        }
    });
    let mut table = table.into_inner().unwrap();
    table.sort_by_key(|(index, _)| *index);
    let mut text = String::new();
    for (index, found) in &table {
        let found = match found {
            Ok(place) => format!("caught: {place}"),
            Err(runs) => format!("SURVIVES {runs} interleavings"),
        };
        writeln!(text, "{:?}: {found}", MUTANTS[*index]).unwrap();
    }
    println!("{text}");
    assert!(table.iter().all(|(_, found)| found.is_ok()), "{text}");
}
