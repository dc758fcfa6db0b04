//! Every interleaving of the path engine's calls with the adversary's moves, up to a bound:
//! 8 objects, 3 components, 1 link; 2 moves, or as many as `DOORWARD_MODEL_MOVES` says.
//!
//! What is held: whatever a request opened, cut, made or removed had, at some instant
//! of the request, a name under which the rules allow exactly that. The control runs the
//! same with the engine believing the name it walked to, and must be caught.

use std::sync::Arc;

use doorward_policy::{AbsName, Access, Component, Denial, Reason, Rights, RuleId, Verdict};
use rustix::fs::OFlags;

use super::{
    Deed, Leaf, Model, ModelPin, Script,
    adversary::{Move, moves},
    text,
};
use crate::control::{self, Defence};
use crate::files::{
    Attempt, Course, Files, Roots, Rules, Turn, Wanted,
    trial::{TrialAsker, path},
};
use crate::service::Patience;

const TREE: &[(&str, Option<&'static str>)] = &[
    ("/in/", None),
    ("/in/d/", None),
    ("/in/d/f", None),
    ("/in/l", Some("d")),
    ("/shut/", None),
    ("/shut/f", None),
    ("/shut/d/", None),
];
const NODES: usize = TREE.len() + 1;

type Scenario = fn(&Files<Model>, &mut Course<'_>) -> Attempt<()>;

fn open(files: &Files<Model>, course: &mut Course<'_>, text: &str, flags: OFlags) -> Attempt<()> {
    let wanted = Wanted::of(u64::from(flags.bits()), 0)?;
    files.open(course, &path(text), wanted, 0o600).map(drop)
}

const SCENARIOS: &[(&str, Scenario)] = &[
    ("plain", |files, course| {
        open(files, course, "/in/d/f", OFlags::RDONLY)
    }),
    ("link", |files, course| {
        open(files, course, "/in/l/f", OFlags::RDONLY)
    }),
    ("dots", |files, course| {
        open(files, course, "/in/d/../d/f", OFlags::RDONLY)
    }),
    ("link and dots", |files, course| {
        open(files, course, "/in/l/../d/f", OFlags::RDONLY)
    }),
    ("truncate", |files, course| {
        open(files, course, "/in/l/f", OFlags::WRONLY | OFlags::TRUNC)
    }),
    ("create", |files, course| {
        open(files, course, "/in/l/n", OFlags::WRONLY | OFlags::CREATE)
    }),
    ("mkdir", |files, course| {
        files.mkdir(course, &path("/in/d/../n"), 0o700)
    }),
    ("unlink", |files, course| {
        files.unlink(course, &path("/in/l/f"))
    }),
    ("rename", |files, course| {
        files.rename(course, &path("/in/d/f"), &path("/in/l/n"), 0)
    }),
    ("rename over", |files, course| {
        files.rename(course, &path("/in/d"), &path("/in/n"), 0)
    }),
];

/// Everything is allowed below /in, nothing elsewhere.
#[derive(Debug)]
struct Inside;

const RULE: RuleId = RuleId(0);

fn is_inside(name: &AbsName) -> bool {
    let bytes = name.as_bytes();
    bytes.starts_with(b"/in") && matches!(bytes.get(3), None | Some(b'/'))
}

impl Rules for Inside {
    fn rights(&self, name: &AbsName) -> Rights {
        let given = is_inside(name).then_some(RULE);
        Rights {
            read: given,
            write: given,
            create: given,
            delete: given,
            ancestor: name.is_root().then_some(RULE),
            ..Rights::default()
        }
    }

    fn decide_file(&self, name: &AbsName, access: Access, _: bool) -> Verdict {
        if is_inside(name) || (access == Access::Stat && name.is_root()) {
            return Verdict::Allow(RULE);
        }
        Verdict::Deny(Denial {
            rule: None,
            reason: Reason::NoRule,
            errno: 13,
        })
    }

    fn names_literally(&self, _: &AbsName) -> bool {
        false
    }

    fn alike(&self, one: &AbsName, other: &AbsName) -> bool {
        is_inside(one) && is_inside(other)
    }
}

fn rules() -> Arc<dyn Rules> {
    Arc::new(Inside)
}

fn run(rules: &Arc<dyn Rules>, scenario: Scenario, script: Script) -> Files<Model> {
    let files = Files {
        budget: None,
        filesystem: Model::new(TREE, script),
        roots: Roots::new(ModelPin { node: 0 }, None),
        policy: Arc::clone(rules),
        view: false,
        only_ids: None,
        turn: Turn::default(),
    };
    let asker = TrialAsker::default();
    let _ = scenario(&files, &mut Course::new(&asker, Patience::Blocking));
    files
}

/// Whether the object ever had a name with this right.
fn had(files: &Files<Model>, node: usize, last: Option<&Leaf>, access: Access) -> bool {
    files.filesystem.ever(node, |name| {
        let mut name = AbsName::parse(&name).unwrap();
        if let Some(last) = last {
            name.push(Component::new(text(last)).unwrap()).unwrap();
        }
        files.policy.decide_file(&name, access, false).is_allow()
    })
}

fn holds(files: &Files<Model>, deed: &Deed) -> bool {
    match deed {
        Deed::Opened {
            node,
            reads,
            writes,
        } => {
            (!reads || had(files, *node, None, Access::Read))
                && (!writes || had(files, *node, None, Access::Write))
        }
        Deed::Resized(node) => had(files, *node, None, Access::Write),
        Deed::Made(parent, leaf) => had(files, *parent, Some(leaf), Access::Create),
        Deed::Removed(parent, leaf) => had(files, *parent, Some(leaf), Access::Delete),
    }
}

/// What came of all interleavings of one scenario.
#[derive(Debug, Default)]
struct Tally {
    runs: u64,
    deeds: u64,
    lost: Option<Script>,
}

fn explore(
    rules: &Arc<dyn Rules>,
    scenario: Scenario,
    steps: &[Move],
    script: &Script,
    left: usize,
    tally: &mut Tally,
) {
    let files = run(rules, scenario, script.clone());
    if files.filesystem.is_idle() {
        return;
    }
    tally.runs += 1;
    let deeds = files.filesystem.deeds();
    tally.deeds += u64::from(!deeds.is_empty());
    if !deeds.iter().all(|deed| holds(&files, deed)) {
        tally.lost = Some(script.clone());
    }
    if left == 0 || tally.lost.is_some() {
        return;
    }
    let first = script.last().map_or(0, |(call, _)| *call);
    for call in first..files.filesystem.calls() {
        for &step in steps {
            let mut script = script.clone();
            script.push((call, step));
            explore(rules, scenario, steps, &script, left - 1, tally);
            if tally.lost.is_some() {
                return;
            }
        }
    }
}

fn bound() -> usize {
    std::env::var("DOORWARD_MODEL_MOVES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2)
}

#[test]
fn what_is_granted_was_allowed_while_it_was_asked_for() {
    let rules = rules();
    let (one, other) = SCENARIOS.split_at(SCENARIOS.len() / 2);
    std::thread::scope(|scope| {
        for half in [one, other] {
            let rules = &rules;
            scope.spawn(move || {
                for (name, scenario) in half {
                    let mut tally = Tally::default();
                    explore(
                        rules,
                        *scenario,
                        &moves(NODES),
                        &Script::new(),
                        bound(),
                        &mut tally,
                    );
                    println!(
                        "{name}: {} interleavings, {} with effect",
                        tally.runs, tally.deeds
                    );
                    assert_eq!(tally.lost, None, "{name}");
                    assert!(
                        tally.deeds > 0 && tally.deeds < tally.runs,
                        "{name}: {tally:?}"
                    );
                }
            });
        }
    });
}

#[test]
fn control_believing_the_name_walked_to_is_caught() {
    let rules = rules();
    control::without(Defence::CanonicalName, || {
        let mut tally = Tally::default();
        let (_, dots) = SCENARIOS[2];
        explore(&rules, dots, &moves(NODES), &Script::new(), 2, &mut tally);
        println!(
            "caught after {} interleavings: {:?}",
            tally.runs, tally.lost
        );
        assert!(tally.lost.is_some());
    });
}
