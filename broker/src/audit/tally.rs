//! Counts of what was decided. Objects are a sandboxee's words, so both tables are
//! bounded in entries and bytes; beyond that, allowed operations are counted by rule and
//! operation alone, and denials only in sum.

use std::collections::{BTreeMap, HashMap};

use doorward_policy::{Reason, RuleId};
use doorward_protocol::Operation;
use rustix::io::Errno;

use super::{
    Summary, Totals,
    summary::{DistinctDenial, TOLD},
};

/// Objects that are told apart, and their bytes.
const OBJECTS: usize = 4096;
const OBJECT_BYTES: usize = 1 << 20;

/// How often, and how often the kernel failed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) count: u64,
    pub(super) failed: u64,
}

impl Count {
    fn add(&mut self, failed: bool) {
        self.count = self.count.saturating_add(1);
        self.failed = self.failed.saturating_add(u64::from(failed));
    }
}

#[derive(Debug, Default)]
struct Objects {
    named: HashMap<Vec<u8>, Count>,
    others: Count,
}

/// What makes denials one.
type Distinct = (Operation, Reason, Vec<u8>);

/// What a log has counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    totals: Totals,
    allowed: BTreeMap<(RuleId, Operation), Objects>,
    objects: usize,
    bytes: usize,
    denials: Vec<(Distinct, DistinctDenial)>,
    /// By operation and errno: as many as there are of these.
    unread: BTreeMap<(Operation, i32), u64>,
}

impl Tally {
    /// Counts one that was allowed; without `detail` only in sum.
    pub(super) fn allow(
        &mut self,
        rule: RuleId,
        operation: Operation,
        object: &[u8],
        failed: bool,
        detail: bool,
    ) {
        self.totals.served = self.totals.served.saturating_add(1);
        if !detail {
            return;
        }
        let objects = self.allowed.entry((rule, operation)).or_default();
        if let Some(count) = objects.named.get_mut(object) {
            return count.add(failed);
        }
        let bytes = self.bytes.saturating_add(object.len());
        if self.objects >= OBJECTS || bytes > OBJECT_BYTES {
            return objects.others.add(failed);
        }
        self.objects = self.objects.saturating_add(1);
        self.bytes = bytes;
        let count = objects.named.entry(object.to_vec()).or_default();
        count.add(failed);
    }

    /// Counts one that was denied; `describe` is called for a new one that is told apart.
    pub(super) fn deny(
        &mut self,
        operation: Operation,
        reason: Reason,
        object: &[u8],
        describe: impl FnOnce() -> DistinctDenial,
    ) {
        self.totals.served = self.totals.served.saturating_add(1);
        self.totals.denied = self.totals.denied.saturating_add(1);
        if reason == Reason::Hidden {
            self.totals.hidden = self.totals.hidden.saturating_add(1);
            return;
        }
        let known = self.denials.iter_mut().find(|((of, why, what), _)| {
            (*of, *why, what.as_slice()) == (operation, reason, object)
        });
        if let Some((_, denial)) = known {
            denial.count = denial.count.saturating_add(1);
        } else if self.denials.len() < TOLD {
            let key = (operation, reason, object.to_vec());
            self.denials.push((key, describe()));
        }
    }

    /// Counts one whose arguments could not be read.
    pub(super) fn unread(&mut self, operation: Operation, errno: Errno) {
        let count = self
            .unread
            .entry((operation, errno.raw_os_error()))
            .or_default();
        *count = count.saturating_add(1);
    }

    /// Those, by operation and errno.
    pub(super) fn all_unread(&self) -> impl Iterator<Item = (Operation, Errno, u64)> {
        let unread = self.unread.iter();
        unread.map(|(&(operation, errno), &count)| {
            (operation, Errno::from_raw_os_error(errno), count)
        })
    }

    /// The sums, with what was dropped.
    pub(super) fn totals(&self, dropped: u64) -> Totals {
        Totals {
            dropped,
            ..self.totals
        }
    }

    /// What was allowed, by rule and operation; an object of `None` is all the others.
    pub(super) fn allowed(
        &self,
    ) -> impl Iterator<Item = (RuleId, Operation, Option<&[u8]>, Count)> {
        self.allowed
            .iter()
            .flat_map(|(&(rule, operation), objects)| {
                let mut named: Vec<_> = objects.named.iter().collect();
                named.sort_by(|one, other| one.0.cmp(other.0));
                let others = (objects.others.count > 0).then_some((None, objects.others));
                named
                    .into_iter()
                    .map(|(object, count)| (Some(object.as_slice()), *count))
                    .chain(others)
                    .map(move |(object, count)| (rule, operation, object, count))
            })
    }

    /// What a person is told.
    pub(super) fn summary(&self, dropped: u64) -> Summary {
        let denials: Vec<DistinctDenial> = self
            .denials
            .iter()
            .map(|(_, denial)| denial.clone())
            .collect();
        let told = denials
            .iter()
            .fold(0_u64, |sum, denial| sum.saturating_add(denial.count));
        let shown = self.totals.denied.saturating_sub(self.totals.hidden);
        Summary {
            totals: self.totals(dropped),
            denials,
            others: shown.saturating_sub(told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RuleId = RuleId(3);

    #[test]
    fn objects_are_bounded_and_none_is_lost() {
        let mut tally = Tally::default();
        for number in 0..5000_u32 {
            let object = format!("/srv/{number}");
            tally.allow(
                RULE,
                Operation::Open,
                object.as_bytes(),
                number % 2 == 0,
                true,
            );
        }
        tally.allow(RULE, Operation::Open, b"/srv/7", false, true);
        let all: Vec<_> = tally.allowed().collect();
        assert_eq!(all.len(), OBJECTS + 1);
        assert_eq!(all.iter().map(|(.., count)| count.count).sum::<u64>(), 5001);
        assert_eq!(
            all.iter().map(|(.., count)| count.failed).sum::<u64>(),
            2500
        );
        let (_, _, others, count) = all.last().unwrap();
        assert_eq!((*others, count.count), (None, 5000 - 4096));
        assert_eq!(tally.totals(0).served, 5001);
    }

    #[test]
    fn bytes_of_objects_are_bounded() {
        let mut tally = Tally::default();
        for number in 0..1000_u32 {
            let object = format!("/{number:04095}");
            tally.allow(RULE, Operation::Stat, object.as_bytes(), false, true);
        }
        assert!(tally.bytes <= OBJECT_BYTES);
        let counted: u64 = tally.allowed().map(|(.., count)| count.count).sum();
        assert_eq!(counted, 1000);
    }

    #[test]
    fn denials_beyond_the_bound_are_counted_in_sum() {
        let describe = || DistinctDenial {
            operation: "open".into(),
            object: super::super::Text::Plain("/x".into()),
            reason: String::new(),
            change: None,
            count: 1,
        };
        let mut tally = Tally::default();
        for number in 0..100_u8 {
            for _ in 0..2 {
                tally.deny(Operation::Open, Reason::NoRule, &[number], describe);
            }
        }
        tally.deny(Operation::Open, Reason::Hidden, b"/h", describe);
        let summary = tally.summary(4);
        assert_eq!(summary.denials.len(), TOLD);
        assert!(summary.denials.iter().all(|denial| denial.count == 2));
        assert_eq!(summary.others, 200 - 64);
        assert_eq!(
            summary.totals,
            Totals {
                served: 201,
                denied: 201,
                hidden: 1,
                dropped: 4
            }
        );
    }
}
