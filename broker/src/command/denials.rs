//! What `run` tells at its end about what was denied.

use std::{fmt::Write, io::stderr, path::Path};

use doorward::audit::Summary;

use crate::tell::Paint;

/// Lines of distinct denials that are shown.
const LINES: usize = 10;

/// Tells it on standard error, if something was denied or the audit log is incomplete.
pub(crate) fn tell(summary: &Summary, audit: Option<&Path>) {
    eprint!("{}", told(summary, audit, Paint::for_stream(&stderr())));
}

fn told(summary: &Summary, audit: Option<&Path>, paint: Paint) -> String {
    let mut text = String::new();
    let totals = &summary.totals;
    let denied = totals.denied.saturating_sub(totals.hidden);
    if denied > 0 {
        let doorward = paint.notice("doorward:");
        let (noun, verb) = if denied == 1 {
            ("operation", "was")
        } else {
            ("operations", "were")
        };
        let place = match audit {
            Some(audit) => format!("audit: {}", audit.display()),
            None => "--audit FILE records each".to_owned(),
        };
        let _never = writeln!(text, "{doorward} {denied} {noun} {verb} denied ({place})");
    }
    for denial in summary.denials.iter().take(LINES) {
        let times = match denial.count {
            1 => String::new(),
            count => format!(" ({count} times)"),
        };
        let change = match &denial.change {
            Some(change) => change.shown(),
            None => denial.reason.clone(),
        };
        let _never = writeln!(
            text,
            "  {} {}{times}: {change}",
            denial.operation,
            denial.object.shown()
        );
    }
    let shown = summary
        .denials
        .iter()
        .take(LINES)
        .fold(0_u64, |sum, one| sum.saturating_add(one.count));
    let more = denied.saturating_sub(shown);
    if more > 0 {
        let _never = writeln!(text, "  and {more} more");
    }
    if totals.dropped > 0 {
        let _never = writeln!(
            text,
            "doorward: {} records could not be written to the audit log; see the disk or the reader of the pipe",
            totals.dropped
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use doorward::audit::{DistinctDenial, Text, Totals};

    use super::*;

    fn summary(distinct: u64, count: u64) -> Summary {
        let denied = distinct.saturating_mul(count);
        Summary {
            totals: Totals {
                served: 100,
                denied,
                hidden: 0,
                dropped: 0,
            },
            denials: (0..distinct)
                .map(|number| DistinctDenial {
                    operation: "open".into(),
                    object: Text::Plain(format!("/x{number}")),
                    reason: "no rule of the policy names it".into(),
                    change: Some(Text::Plain(format!("add \"/x{number}\" to fs.read"))),
                    count,
                })
                .collect(),
            others: 0,
        }
    }

    #[test]
    fn nothing_denied_is_nothing_told() {
        assert_eq!(told(&Summary::default(), None, Paint::always(true)), "");
        let mut hidden = Summary::default();
        hidden.totals.denied = 2;
        hidden.totals.hidden = 2;
        assert_eq!(told(&hidden, None, Paint::always(false)), "");
    }

    #[test]
    fn each_distinct_denial_is_a_line_that_says_what_would_allow_it() {
        assert_eq!(
            told(
                &summary(1, 1),
                Some(Path::new("a.log")),
                Paint::always(false)
            ),
            "doorward: 1 operation was denied (audit: a.log)\n  open /x0: add \"/x0\" to fs.read\n"
        );
        let many = told(&summary(13, 2), None, Paint::always(false));
        assert_eq!(many.lines().count(), 12);
        assert!(
            many.starts_with("doorward: 26 operations were denied (--audit FILE records each)\n")
        );
        assert!(many.contains("open /x9 (2 times): "));
        assert!(many.ends_with("\n  and 6 more\n"));
    }

    #[test]
    fn drops_are_never_silent_and_colour_is_asked_for() {
        let mut some = summary(0, 0);
        some.totals.dropped = 4;
        assert!(told(&some, None, Paint::always(false)).contains("4 records could not be written"));
        assert!(!told(&summary(2, 1), None, Paint::always(false)).contains('\u{1b}'));
        assert!(told(&summary(2, 1), None, Paint::always(true)).contains('\u{1b}'));
    }
}
