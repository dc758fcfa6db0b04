//! What a policy's allow rules lie below, for pins, views and Landlock.

use std::collections::BTreeMap;

use crate::matcher::Kind;
use crate::policy::{ExecRule, HullRoot, Policy};

impl Policy {
    /// The prefixes its allow rules lie below, without those inside another unless their flags differ.
    pub fn hull(&self) -> Vec<HullRoot> {
        let mut roots: BTreeMap<_, HullRoot> = BTreeMap::new();
        for rule in self.compiled.paths.iter().filter(|rule| rule.kind.allows()) {
            let name = rule.pattern.prefix();
            let root = roots.entry(name.clone()).or_insert(HullRoot {
                name,
                writes: false,
                executes: false,
                literal: true,
            });
            root.literal &= rule.pattern.is_literal();
            root.writes |= matches!(rule.kind, Kind::Write | Kind::Create | Kind::Delete);
            // A device that may be used may be written.
            root.writes |= rule.kind == Kind::Special;
            root.executes |= matches!(rule.kind, Kind::Execute | Kind::Spawn);
        }
        let all: Vec<HullRoot> = roots.into_values().collect();
        let inside = |inner: &HullRoot, outer: &HullRoot| {
            !outer.literal
                && outer.name != inner.name
                && inner.name.below(&outer.name).is_some()
                && outer.writes == inner.writes
                && outer.executes == inner.executes
        };
        let kept = all
            .iter()
            .filter(|root| !all.iter().any(|outer| inside(root, outer)));
        kept.cloned().collect()
    }

    /// The exec rules that a plain exec may use, for Landlock: programs with `args` are
    /// not among them, since only a typed spawn may start those.
    pub fn exec_rules(&self) -> Vec<ExecRule> {
        self.exec_rules_of(Kind::Execute)
    }

    /// The rules of programs with `args`, which only a typed spawn may start.
    pub fn spawn_rules(&self) -> Vec<ExecRule> {
        self.exec_rules_of(Kind::Spawn)
    }

    fn exec_rules_of(&self, kind: Kind) -> Vec<ExecRule> {
        let rules = self.compiled.paths.iter().filter(|rule| rule.kind == kind);
        rules
            .map(|rule| ExecRule {
                rule: rule.rule,
                prefix: rule.pattern.prefix(),
                pattern: rule.pattern.tail_text(),
            })
            .collect()
    }
}
