//! kill -9 at every step (Z-1 to Z-4, Z-15, Z-26): before each system call that a process of
//! doorward makes from its start to its end, and before each of the broker's, for all others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    process::Stdio,
    time::Duration,
};

use doorward_tests::{Ledger, Level, Tree, alone, built};

use crate::{
    host::{PROGRAM, command, finish, place, start},
    steps::{Course, Deed, Place, Watched, held, traced},
};

/// Each step is tried when this is 1, as in the long tier.
pub(crate) fn stride() -> usize {
    let asked = std::env::var("DOORWARD_FAULT_STRIDE").ok();
    asked.map_or(25, |text| text.parse().unwrap())
}

/// A start with a deed at one step.
pub(crate) fn with(tree: &Tree, at: (&Place, usize), deed: &Deed) -> Course {
    let mut host = held(&command(built(), tree, &[], PROGRAM));
    host.stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    traced(host.spawn().unwrap(), at, deed)
}

/// All steps of a start, by process.
pub(crate) fn steps(tree: &Tree) -> BTreeMap<Place, Watched> {
    let course = with(tree, (&Place::new(), 0), &Deed::Watch);
    assert_eq!(course.told.code, 0, "{:?}", course.told);
    course.watched
}

/// What became of the starts in which a process was killed at another's steps.
#[derive(Debug, Default)]
struct Row {
    steps: usize,
    killed: u32,
    well: u32,
    told: u32,
    silent: u32,
    slowest: Duration,
}

impl Row {
    /// The host is to tell of it, unless it is the victim, or the program is: that has a status.
    fn count(&mut self, course: &Course, silent: bool, what: &str) {
        self.killed += u32::from(course.met);
        self.slowest = self.slowest.max(course.time);
        match course.told.code {
            0 => self.well += 1,
            137 if silent => self.silent += 1,
            _ => {
                assert_eq!(course.told.sentences(), 1, "{what}: {:?}", course.told);
                self.told += 1;
            }
        }
    }
}

/// Who is killed at whose steps.
fn pairs(all: &BTreeMap<Place, Watched>) -> Vec<(BTreeSet<Place>, Place)> {
    let broker = broker(all);
    let own = all
        .keys()
        .map(|one| (BTreeSet::from([one.clone()]), one.clone()));
    let others = all.keys().filter(|one| **one != broker);
    let others = others.map(|one| (BTreeSet::from([one.clone()]), broker.clone()));
    let everybody = (all.keys().cloned().collect(), broker.clone());
    own.chain(others).chain([everybody]).collect()
}

/// The one that is called so at its end.
pub(crate) fn broker(all: &BTreeMap<Place, Watched>) -> Place {
    let found = all.iter().find(|(_, one)| one.name == "doorward-broker");
    found.unwrap().0.clone()
}

fn sweep(level: Level) {
    let tree = place(level);
    let all = steps(&tree);
    let before = Ledger::of(&tree);
    let mut text = format!("{level}: kill -9 before each {}. system call\n", stride());
    text.push_str("| killed | before calls of | steps | killed in time | went well | one sentence | by signal | slowest end |\n");
    for (pair, (victims, trigger)) in pairs(&all).into_iter().enumerate() {
        let count = all[&trigger].calls.len();
        let mut row = Row {
            steps: count,
            ..Row::default()
        };
        let called: Vec<&str> = victims.iter().map(|one| all[one].name.as_str()).collect();
        let called = called.join(", ");
        let deed = Deed::Kill(victims.clone());
        let program = |one: &Place| all[one].name == "dash";
        let silent = victims.iter().any(|one| one.is_empty() || program(one));
        // The host's child makes the files and groups, and takes them away.
        let keeper = victims.iter().any(|one| one.as_slice() == [0]);
        for step in (pair % stride()..count).step_by(stride()) {
            let what = format!("{level}: {called} at {} step {step}", all[&trigger].name);
            let course = with(&tree, (&trigger, step), &deed);
            row.count(&course, silent, &what);
            if keeper {
                assert_eq!(finish(start(&tree, &[], PROGRAM)).code, 0, "{what}");
            }
            let settled = before.settles(&tree);
            assert!(settled.is_ok(), "{what}: {settled:?}");
        }
        writeln!(
            text,
            "| {called} | {} | {} | {} | {} | {} | {} | {:?} |",
            all[&trigger].name, row.steps, row.killed, row.well, row.told, row.silent, row.slowest
        )
        .unwrap();
        // Whose child is which is told by the order of forks, and that of two processes that run
        // side by side may differ from start to start: then a pair of two meets nobody, which its
        // row shows. At its own steps, and with all others, each is met.
        assert!(
            row.killed > 0 || !victims.contains(&trigger),
            "{level}: {called} was never killed at a step of {}: {row:?}",
            all[&trigger].name
        );
    }
    println!("{text}");
}

#[test]
fn whoever_is_killed_at_any_step_nothing_is_left() {
    let _alone = alone();
    for level in Level::ALL {
        sweep(level);
    }
}
