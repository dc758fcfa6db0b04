//! The records of an audit log: each is one line of JSON, told apart by `record`.

use std::time::{SystemTime, UNIX_EPOCH};

use doorward_policy::{Rule, RuleId};
use serde::{Deserialize, Serialize};

use super::{Arguments, Text};
use crate::layers::{Layer, Level};

/// One line of an audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it was written, in UTC.
    pub time: String,
    /// The sandbox it is about.
    pub session: String,
    /// What it says.
    #[serde(flatten)]
    pub event: Event,
}

/// What a [`Record`] says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
pub enum Event {
    /// The sandbox was started.
    Start(Start),
    /// An operation was denied.
    Denied(Box<Denied>),
    /// Operations that were allowed, counted.
    Allowed(Allowed),
    /// Operations whose arguments could not be read, counted.
    Unread(Unread),
    /// The session was narrowed.
    Restricted(Restricted),
    /// Records before this one are missing.
    Dropped {
        /// How many.
        count: u64,
    },
    /// The sandbox has ended.
    End(Totals),
}

/// What holds in a sandbox, as its first record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The policy's name.
    pub policy: String,
    /// The front that carries the operations.
    pub front: String,
    /// Who doorward runs as.
    pub level: Level,
    /// Which layers hold.
    pub layers: Vec<Layer>,
    /// How each limit of the policy is held.
    pub limits: Vec<HeldLimit>,
    /// doorward's version.
    pub version: String,
}

/// One limit of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLimit {
    /// Its key in `[limits]`.
    pub name: String,
    /// The mechanism that holds it.
    pub by: String,
    /// Whether it is held exactly.
    pub exact: bool,
}

/// One denial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// The process or thread that asked, as the broker's pid namespace numbers it.
    pub process: u32,
    /// The front it asked by.
    pub front: String,
    /// The operation's name.
    pub operation: String,
    /// What it asked with.
    pub arguments: Arguments,
    /// What was decided on: the canonical name where it was reached.
    pub object: Text,
    /// `deny`.
    pub verdict: String,
    /// The rule that decided, if one did.
    pub rule: Option<NamedRule>,
    /// Why, in a sentence.
    pub reason: String,
    /// The words after `doorward explain POLICY` that give the same verdict, where the
    /// policy alone decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<Vec<String>>,
    /// What would change the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// The name of the errno that the asker got.
    pub result: String,
    /// From receipt to answer, in microseconds.
    pub latency: u64,
}

/// Operations allowed by one rule on one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// The operation's name.
    pub operation: String,
    /// `allow`.
    pub verdict: String,
    /// The rule that allowed them.
    pub rule: Option<NamedRule>,
    /// What they were done on; absent where objects were too many to tell apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Text>,
    /// How many.
    pub count: u64,
    /// How many of them the kernel failed all the same.
    pub failed: u64,
}

/// Operations that were asked with memory that cannot be read: nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The operation's name.
    pub operation: String,
    /// The name of the errno that the askers got.
    pub result: String,
    /// How many.
    pub count: u64,
}

/// A restriction of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restricted {
    /// The front it was asked by, or `host`.
    pub by: String,
    /// The process or thread that asked, as the broker's pid namespace numbers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// Its number in the session, from 1.
    pub number: usize,
    /// How many rules it has.
    pub rules: usize,
    /// What it says, the first 8 KiB.
    pub document: Text,
}

/// Sums over a sandbox's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Operations decided.
    pub served: u64,
    /// Those denied, with those hidden.
    pub denied: u64,
    /// Those answered as if their object did not exist, because a `hide` rule names it.
    pub hidden: u64,
    /// Records that could not be written.
    pub dropped: u64,
}

/// A rule, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedRule {
    /// Its number in the compiled policy.
    pub id: u32,
    /// Its key in the document, such as `fs.read`; `own` for what every sandboxee may do
    /// with what is its own.
    pub key: String,
    /// Its text.
    pub text: String,
    /// Document, line and column.
    pub at: String,
}

impl NamedRule {
    pub(super) fn new(id: RuleId, rule: Option<&Rule>) -> Self {
        Self {
            id: id.0,
            key: rule.map_or_else(|| "own".to_owned(), |rule| rule.key.clone()),
            text: rule.map_or_else(String::new, |rule| rule.text.clone()),
            at: rule.map_or_else(String::new, |rule| {
                format!("{}:{}:{}", rule.document, rule.line, rule.column)
            }),
        }
    }
}

/// The present time as `2026-01-31T23:59:59.123456Z`.
pub(super) fn now() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    stamp(since.as_secs(), since.subsec_micros())
}

/// Civil date from days since 1970 (proleptic Gregorian, after Howard Hinnant).
fn stamp(seconds: u64, micros: u32) -> String {
    let second = seconds % 86_400;
    let days = (seconds / 86_400).saturating_add(719_468);
    let era = days / 146_097;
    let day = days % 146_097;
    let year = day
        .saturating_sub(day / 1460)
        .saturating_add(day / 36_524)
        .saturating_sub(day / 146_096)
        / 365;
    let passed = year
        .saturating_mul(365)
        .saturating_add(year / 4)
        .saturating_sub(year / 100);
    let day = day.saturating_sub(passed);
    let shifted = day.saturating_mul(5).saturating_add(2) / 153;
    let date = day
        .saturating_sub(shifted.saturating_mul(153).saturating_add(2) / 5)
        .saturating_add(1);
    let month = if shifted < 10 {
        shifted.saturating_add(3)
    } else {
        shifted.saturating_sub(9)
    };
    let year = era
        .saturating_mul(400)
        .saturating_add(year)
        .saturating_add(u64::from(month <= 2));
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let second = second % 60;
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::stamp;

    #[test]
    fn stamps_are_utc_dates() {
        assert_eq!(stamp(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(stamp(951_782_400, 5), "2000-02-29T00:00:00.000005Z");
        assert_eq!(stamp(951_868_800, 0), "2000-03-01T00:00:00.000000Z");
        assert_eq!(stamp(1_735_689_599, 999_999), "2024-12-31T23:59:59.999999Z");
        assert_eq!(stamp(4_107_542_400, 0), "2100-03-01T00:00:00.000000Z");
    }
}
