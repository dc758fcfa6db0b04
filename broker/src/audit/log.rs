//! The log of one sandbox.
//!
//! Requests and objects are a sandboxee's bytes. Safe, because they are only counted in
//! bounded tables and copied, escaped, into lines of bounded length; nothing here fails,
//! panics or waits while the sandbox runs.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use doorward_policy::{Denial, Policy, Question, Restrictions, Rule, RuleId, Verdict};
use doorward_protocol::{Operation, Request};
use rustix::io::Errno;

use super::{
    Allowed, Arguments, Denied, Entry, Event, NamedRule, Record, Restricted, Start, Summary, Text,
    Unread, asked,
    line::line,
    record,
    sink::Sink,
    summary::{DistinctDenial, LONGEST},
    tally::Tally,
};
use crate::service::Answer;

/// Longest object of a record; a rename has two names.
const OBJECT: usize = 2 * 4096;
/// How long the end of a log may wait for a slow sink.
const END: Duration = Duration::from_secs(3);

/// The log of one sandbox. Recording never blocks the broker and never fails a request.
/// [`Log::default`] only counts. A clone is the same log.
#[derive(Debug, Default, Clone)]
pub struct Log {
    kept: Arc<Kept>,
    restrictions: Arc<Restrictions>,
}

#[derive(Debug, Default)]
struct Kept {
    policy: Option<Arc<Policy>>,
    session: String,
    sink: Option<Sink>,
    tally: Mutex<Tally>,
    summary: OnceLock<Summary>,
}

impl Log {
    /// A log that writes to `sink`, if there is one, beginning with `start`. It starts a
    /// thread: to be called after the last fork of this process.
    #[must_use]
    pub fn new(policy: Arc<Policy>, session: &str, start: Start, sink: Option<OwnedFd>) -> Self {
        let named = session.to_owned();
        let sink = sink.map(|descriptor| {
            Sink::new(
                descriptor,
                Box::new(move |count| written(&named, Event::Dropped { count })),
            )
        });
        let kept = Kept {
            policy: Some(policy),
            session: session.to_owned(),
            sink,
            ..Kept::default()
        };
        let log = Self {
            kept: Arc::new(kept),
            ..Self::default()
        };
        if let Some(sink) = &log.kept.sink {
            sink.offer(log.line(Event::Start(start)));
        }
        log
    }

    /// Names the rules of a session's restrictions, too.
    #[must_use]
    pub fn naming(mut self, restrictions: Arc<Restrictions>) -> Self {
        self.restrictions = restrictions;
        self
    }

    /// Records that the session was narrowed: by this request, or by the host.
    pub(crate) fn restricted(&self, entry: Option<&Entry<'_>>, number: usize, document: &[u8]) {
        if let Some(sink) = &self.kept.sink {
            sink.offer(self.line(Event::Restricted(Restricted {
                by: entry.map_or("host", |entry| entry.front).to_owned(),
                process: entry.map(|entry| entry.process),
                number,
                rules: self.restrictions.rules_of(number),
                document: Text::cut(document, OBJECT),
            })));
        }
    }

    /// Records one decided request.
    pub fn record(&self, entry: &Entry<'_>) {
        let operation = entry.request.operation();
        let object = &entry.decision.object;
        match entry.decision.verdict {
            Verdict::Allow(rule) => {
                if let (Request::Restrict { document }, Answer::Value(number)) =
                    (entry.request, &entry.decision.answer)
                {
                    let number = usize::try_from(*number).unwrap_or_default();
                    self.restricted(Some(entry), number, document);
                }
                let failed = matches!(entry.decision.answer, Answer::Errno(_));
                let detail = self.kept.sink.is_some();
                self.tally().allow(rule, operation, object, failed, detail);
            }
            Verdict::Deny(denial) => {
                // What a restriction denies, the policy in its file does not.
                let by_policy = self.restriction(denial).is_none();
                let question = self
                    .kept
                    .policy
                    .as_deref()
                    .filter(|_| by_policy)
                    .and_then(|policy| asked::question(policy, entry.request, object, denial));
                if let Some(sink) = &self.kept.sink {
                    let denied = self.denied(entry, denial, question.as_ref());
                    sink.offer(self.line(Event::Denied(Box::new(denied))));
                }
                self.tally()
                    .deny(operation, denial.reason, object, || DistinctDenial {
                        operation: operation.name().to_owned(),
                        object: Text::cut(object, LONGEST),
                        reason: denial.reason.text().to_owned(),
                        change: self
                            .change(denial, question.as_ref())
                            .map(|change| Text::cut(change.as_bytes(), LONGEST)),
                        count: 1,
                    });
            }
        }
    }

    /// Counts a call that could not be made into a request. What it asked with is unknown where
    /// memory could not be read; else it is counted as the request that fails would be.
    pub fn undecoded(&self, operation: Operation, errno: Errno) {
        let mut tally = self.tally();
        match errno {
            Errno::FAULT => tally.unread(operation, errno),
            _ => tally.allow(RuleId::OWN, operation, b"", true, self.kept.sink.is_some()),
        }
    }

    /// Ends the log: writes what was allowed, counted, and the sums. Takes at most three
    /// seconds. Called again, it answers the same.
    pub fn finish(&self) -> Summary {
        self.kept.summary.get_or_init(|| self.end()).clone()
    }

    /// What was counted so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let dropped = self.kept.sink.as_ref().map_or(0, Sink::dropped);
        self.tally().summary(dropped)
    }

    fn end(&self) -> Summary {
        let Some(sink) = &self.kept.sink else {
            return self.tally().summary(0);
        };
        let now = Instant::now();
        let deadline = now.checked_add(END).unwrap_or(now);
        let tally = std::mem::take(&mut *self.tally());
        for (rule, operation, object, count) in tally.allowed() {
            let allowed = Allowed {
                operation: operation.name().to_owned(),
                verdict: "allow".to_owned(),
                rule: Some(self.named(rule)),
                object: object.map(Text::from),
                count: count.count,
                failed: count.failed,
            };
            sink.offer_by(self.line(Event::Allowed(allowed)), deadline);
        }
        for (operation, errno, count) in tally.all_unread() {
            let unread = Unread {
                operation: operation.name().to_owned(),
                result: errno_name(errno),
                count,
            };
            sink.offer_by(self.line(Event::Unread(unread)), deadline);
        }
        let totals = tally.totals(sink.dropped());
        sink.offer_by(self.line(Event::End(totals)), deadline);
        let dropped = sink.close(deadline);
        tally.summary(dropped)
    }

    fn denied(&self, entry: &Entry<'_>, denial: Denial, question: Option<&Question>) -> Denied {
        let result = match entry.decision.answer {
            Answer::Errno(errno) => errno,
            _ => Errno::from_raw_os_error(denial.errno),
        };
        Denied {
            process: entry.process,
            front: entry.front.to_owned(),
            operation: entry.request.operation().name().to_owned(),
            arguments: Arguments::of(entry.request),
            object: Text::cut(&entry.decision.object, OBJECT),
            verdict: "deny".to_owned(),
            rule: denial.rule.map(|rule| self.named(rule)),
            reason: denial.reason.text().to_owned(),
            explain: question.and_then(asked::words),
            change: self.change(denial, question),
            result: errno_name(result),
            latency: u64::try_from(entry.latency.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// The rule that denied, if it is one of a restriction.
    fn restriction(&self, denial: Denial) -> Option<Rule> {
        self.restrictions.rule(denial.rule?)
    }

    fn change(&self, denial: Denial, question: Option<&Question>) -> Option<String> {
        if let Some(rule) = self.restriction(denial) {
            return Some(format!(
                "nothing in this session; let its {} allow it",
                rule.document
            ));
        }
        let policy = self.kept.policy.as_deref()?;
        Some(policy.explain(question?, &[]).change)
    }

    fn named(&self, rule: RuleId) -> NamedRule {
        let written = self
            .kept
            .policy
            .as_deref()
            .and_then(|policy| policy.rule(rule));
        let restriction = self.restrictions.rule(rule);
        NamedRule::new(rule, written.or(restriction.as_ref()))
    }

    fn line(&self, event: Event) -> Option<Vec<u8>> {
        written(&self.kept.session, event)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.kept
            .tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn written(session: &str, event: Event) -> Option<Vec<u8>> {
    line(&Record {
        time: record::now(),
        session: session.to_owned(),
        event,
    })
}

/// `EACCES`, or the number of one without a name.
fn errno_name(errno: Errno) -> String {
    match nix::errno::Errno::from_raw(errno.raw_os_error()) {
        nix::errno::Errno::UnknownErrno => errno.raw_os_error().to_string(),
        named => format!("{named:?}"),
    }
}
