//! Every request of every world, under every interleaving of its calls with two moves of the
//! adversary, or as many as `DOORWARD_MODEL_MOVES` says.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    Deed,
    adversary::Move,
    explorer::{Explorer, Tally},
    request::Request,
    tree::{Object, leaf},
    world::{World, taken, worlds},
};

/// Threads that explore beside each other.
pub(super) const THREADS: usize = 2;

/// Interleavings of all worlds with two moves, and those of answers compared with one, are
/// at least so many: fewer would mean that something is no longer tried.
const FLOOR: u64 = 8_000_000;
const FLOOR_OF_COMPARED: u64 = 40_000;

/// How many moves the adversary makes.
fn bound() -> usize {
    std::env::var("DOORWARD_MODEL_MOVES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2)
}

/// Whether all is run that the floors are for.
fn is_usual() -> bool {
    bound() == 2 && std::env::var_os("DOORWARD_MODEL_WORLD").is_none()
}

/// Explores each request of each world; tells interleavings and effects by world or operation.
fn each(
    worlds: &[World],
    act: impl Fn(&Explorer<'_>, &Request) -> Tally + Sync,
) -> BTreeMap<&'static str, (u64, u64)> {
    let jobs: Vec<(&World, &Request)> = worlds
        .iter()
        .flat_map(|world| world.requests.iter().map(move |request| (world, request)))
        .collect();
    let next = AtomicUsize::new(0);
    let sums = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((world, request)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tally = act(&Explorer::new(world, None), request);
                    assert_eq!(tally.lost, None, "{request:?} in {}", world.name);
                    let mut sums = sums.lock().unwrap();
                    for key in [world.name, request.operation()] {
                        let sum: &mut (u64, u64) = sums.entry(key).or_default();
                        sum.0 += tally.runs;
                        sum.1 += tally.effects;
                    }
                }
            });
        }
    });
    sums.into_inner().unwrap()
}

/// Interleavings of all worlds.
fn total(worlds: &[World], sums: &BTreeMap<&str, (u64, u64)>) -> u64 {
    let names = worlds.iter().map(|world| world.name);
    names
        .map(|name| sums.get(name).map_or(0, |sum| sum.0))
        .sum()
}

#[test]
fn what_is_granted_was_allowed_while_it_was_asked_for() {
    let worlds = worlds();
    let sums = each(&worlds, |explorer, request| {
        let mut tally = Tally::default();
        explorer.explore(request, bound(), &mut tally);
        tally
    });
    for (name, (runs, effects)) in &sums {
        println!("{name}: {runs} interleavings, {effects} with effect");
    }
    let total = total(&worlds, &sums);
    println!("{total} interleavings with up to {} moves", bound());
    if is_usual() {
        assert!(total >= FLOOR, "only {total}");
        for (name, (runs, effects)) in sums {
            assert!(0 < effects && effects < runs, "{name}: {effects} of {runs}");
        }
    }
}

#[test]
fn nothing_is_told_of_what_no_rule_reaches() {
    let worlds = worlds();
    let sums = each(&worlds, |explorer, request| {
        let mut tally = Tally::default();
        explorer.compare(request, bound().saturating_sub(1), &mut tally);
        tally
    });
    for world in &worlds {
        let (runs, twins) = sums[world.name];
        println!("{}: {runs} interleavings, {twins} compared", world.name);
    }
    let total = total(&worlds, &sums);
    assert!(!is_usual() || total >= FLOOR_OF_COMPARED, "only {total}");
}

#[test]
fn what_cannot_have_its_old_name_again_is_moved_back_under_another() {
    let world = taken();
    let explorer = Explorer::new(&world, None);
    let tree = world.tree();
    let (directory, file) = (tree.at("/in/d"), tree.at("/in/d/f"));
    let (shut, other) = (tree.at("/shut"), tree.at("/shut/s"));
    let mut aside = 0;
    for first in 0..24 {
        for second in first..24 {
            let script = [
                (first, Move::Into(directory, shut, leaf(b"d"))),
                (first, Move::Replace(file, Object::File)),
                (second, Move::Link(other, directory, leaf(b"f"))),
            ];
            let (holds, deeds) = explorer.once(&Request::Rename("/in/d/f", "/in/n", 0), &script);
            assert!(holds, "{script:?}");
            let fresh = leaf(b".moved-back-");
            let is_aside =
                |deed: &&Deed| matches!(deed, Deed::Moved(_, _, (_, to)) if *to == fresh);
            aside += deeds.iter().filter(is_aside).count();
        }
    }
    assert!(aside > 0);
}
