//! Runs the self-test and tells it, for people or as JSON.

use std::{collections::BTreeMap, fmt::Write, io::stdout, process::ExitCode};

use serde::Serialize;

use super::{
    Outcome, SelfTestError,
    attacker::Way,
    case::{self, Case},
    tried,
};
use crate::tell::{Paint, fail};

/// Something that was to be held was not.
const NOT_HELD: u8 = 1;

/// All ways: the trap front is for x86-64 alone.
const WAYS: &[Way] = if cfg!(target_arch = "x86_64") {
    &[Way::Native, Way::Notify, Way::Api, Way::Trap, Way::Worker]
} else {
    &[Way::Native, Way::Notify, Way::Api]
};

/// One case, by every way.
#[derive(Debug, Serialize)]
struct Row {
    case: &'static str,
    tried: &'static str,
    ids: &'static [&'static str],
    held_by: &'static [&'static str],
    /// Whether the same attempt succeeds without a sandbox.
    control: bool,
    outcomes: Vec<Outcome>,
}

impl Row {
    fn holds(&self) -> bool {
        let held = |outcome: &Outcome| !outcome.reached && outcome.permitted;
        self.outcomes.iter().all(held)
    }
}

/// Runs it; the exit status says whether everything held.
pub(crate) fn perform(json: bool) -> ExitCode {
    let rows = match rows() {
        Ok(rows) => rows,
        Err(error) => return fail(&doorward::host::told(&error)),
    };
    if json {
        match serde_json::to_string_pretty(&rows) {
            Ok(text) => println!("{text}"),
            Err(error) => return fail(&format!("cannot write JSON: {error}")),
        }
    } else {
        print!("{}", told(&rows, Paint::for_stream(&stdout())));
    }
    let held = rows.iter().all(Row::holds);
    ExitCode::from(if held { 0 } else { NOT_HELD })
}

fn rows() -> Result<Vec<Row>, SelfTestError> {
    let mut by_case: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
    for way in WAYS {
        for outcome in tried(*way, "")? {
            by_case
                .entry(outcome.case.clone())
                .or_default()
                .push(outcome);
        }
    }
    let mut row = |case: &'static Case| {
        let mut outcomes = by_case.remove(case.name).unwrap_or_default();
        let control = outcomes
            .iter()
            .any(|outcome| outcome.way == Way::Native && outcome.reached);
        outcomes.retain(|outcome| outcome.way != Way::Native);
        Row {
            case: case.name,
            tried: case.tried,
            ids: case.ids,
            held_by: case.held_by,
            control,
            outcomes,
        }
    };
    Ok(case::all().into_iter().map(&mut row).collect())
}

fn told(rows: &[Row], paint: Paint) -> String {
    let mut text = format!("{:<24}", "case");
    for way in WAYS.iter().filter(|way| **way != Way::Native) {
        let _never = write!(text, "{:<16}", format!("{way:?}").to_lowercase());
    }
    text.push_str("control\n");
    for row in rows {
        let _never = write!(text, "{:<24}", row.case);
        for outcome in &row.outcomes {
            let word = match (outcome.reached, outcome.permitted) {
                (true, _) => "NOT HELD",
                (false, false) => "BROKEN",
                (false, true) => "held",
            };
            let cell = format!("{:<16}", format!("{word} {}", outcome.answer));
            let painted = match word {
                "held" => paint.good(&cell),
                _ => paint.bad(&cell),
            };
            let _never = write!(text, "{painted}");
        }
        let control = if row.control { "reached" } else { "refused" };
        let _never = writeln!(
            text,
            "{control}\n    {}; held by {}",
            row.tried,
            row.held_by.join(", ")
        );
    }
    let (held, shown) = (
        rows.iter().filter(|row| row.holds()).count(),
        rows.iter().filter(|row| row.control).count(),
    );
    let _never = writeln!(
        text,
        "\n{held} of {} cases held, beside what the policy permits; {shown} of the attempts \
         succeed here without a sandbox, the others this kernel refuses to this user anyway",
        rows.len()
    );
    text
}
