//! Every row of the operation table through `api`, `notify` and `trap`: equal values,
//! errnos, traces on disk and audit records, at each level.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod suite;

use std::collections::BTreeSet;

use doorward_protocol::operation::{Fronts, TABLE};
use doorward_tests::{
    Level,
    conformance::{SINGLE, cases},
};

use crate::suite::Suite;

/// No row is forgotten: it is in the cases, or among those of one front with a reason.
#[test]
fn the_suite_has_every_row_of_the_table() {
    let asked: BTreeSet<_> = cases().iter().map(|case| case.ask.operation()).collect();
    for row in TABLE {
        let single = SINGLE
            .iter()
            .find(|single| single.operation == row.operation);
        let fronts = single.map_or(Fronts::All, |single| single.fronts);
        assert_eq!(row.fronts, fronts, "{}", row.name);
        assert_eq!(
            asked.contains(&row.operation),
            row.fronts == Fronts::All,
            "{}",
            row.name
        );
        assert!(single.is_none_or(|single| !single.reason.is_empty()));
    }
}

fn level(level: Level) {
    let suite = Suite::run(level);
    suite.equal_outcomes();
    suite.equal_traces();
    suite.equal_records();
    suite.both_ways();
    suite.single_rows();
}

#[test]
fn all_fronts_agree_for_root() {
    level(Level::Root);
}

#[test]
fn all_fronts_agree_for_a_user() {
    level(Level::User);
}

#[test]
fn all_fronts_agree_for_a_user_without_namespaces() {
    level(Level::UserNoNs);
}

#[test]
fn all_fronts_agree_in_a_container() {
    level(Level::Nested);
}
