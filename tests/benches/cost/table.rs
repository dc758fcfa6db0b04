//! What was measured, each beside its floor.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

/// Times of one call or start, by name of what was measured.
#[derive(Debug, Default)]
pub(crate) struct Times(RefCell<BTreeMap<String, Vec<f64>>>);

/// One line: ours and its floor by name, and the ratio that must be and is to be reached.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) floor: &'static str,
    pub(crate) must: f64,
    pub(crate) reach: f64,
}

impl Times {
    /// Keeps how long `count` of them took.
    pub(crate) fn keep(&self, name: &str, count: u64, took: Duration) {
        let one = took.as_secs_f64() * 1e6 / f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let mut times = self.0.borrow_mut();
        times.entry(name.to_owned()).or_default().push(one);
    }

    /// The median in microseconds.
    fn median(&self, name: &str) -> Option<f64> {
        let mut times = self.0.borrow().get(name)?.clone();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }

    /// Prints the rows of which both sides were measured.
    pub(crate) fn print(&self, rows: &[Row]) {
        println!(
            "\n{:40} {:>9} {:>9} {:>6} {:>5} {:>6}",
            "", "ours µs", "floor µs", "ratio", "must", "reach"
        );
        for row in rows {
            let (Some(ours), Some(floor)) = (self.median(row.ours), self.median(row.floor)) else {
                continue;
            };
            let ratio = ours / floor;
            let met = match ratio {
                ratio if ratio <= row.reach => "reached",
                ratio if ratio <= row.must => "met",
                _ => "missed",
            };
            println!(
                "{:40} {ours:9.1} {floor:9.1} {ratio:6.2} {:5.2} {:6.2} {met}",
                row.what, row.must, row.reach
            );
        }
    }
}
