//! Narrowing a session while it runs: what its policy and every restriction since allow.
//!
//! A restriction is a sandboxee's text. Safe, because it is bounded before it is parsed, it
//! includes, expands and reads nothing, restrictions are only ever added, and a decision
//! allows only what the policy and each of them allow.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crate::compile::Draft;
use crate::decide::any_right;
use crate::document::diagnostic::{PolicyErrors, Source};
use crate::document::{Document, LimitSection, parse};
use crate::policy::{Destination, Policy};
use crate::{AbsName, Access, Denial, Expansion, Reason, Rights, Rule, RuleId, Verdict};

/// The most bytes of a restriction.
pub const DOCUMENT_LIMIT: usize = 16 << 10;
/// The most restrictions of one session.
pub const MOST: usize = 16;
/// The most rules of one restriction, patterns of arguments among them.
pub const RULE_LIMIT: usize = 512;
/// Where ids of restrictions' rules begin, above those of any policy.
const FIRST: u32 = 1 << 20;
/// Ids of one restriction: itself, then its rules.
const SPAN: u32 = 1 << 10;

/// A restriction that cannot be made. The session is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestrictionError {
    /// It is too long.
    #[error("a restriction has at most 16 KiB; use patterns")]
    Long,
    /// It is not UTF-8.
    #[error("a restriction is text in UTF-8")]
    Text,
    /// It wants something expanded.
    #[error("a restriction expands nothing; write the value in place of `${{`")]
    Expansion,
    /// It has too many rules.
    #[error("a restriction has at most 512 rules and patterns of arguments; use patterns")]
    Rules,
    /// It has a key that a running session cannot be narrowed by.
    #[error(
        "`{0}` cannot be changed while a session runs; a restriction says version, name, fs, net, exec and limits.requests_per_second"
    )]
    Key(&'static str),
    /// It is not a document, or a rule in it is wrong.
    #[error(transparent)]
    Document(#[from] PolicyErrors),
    /// The session has as many as it may.
    #[error("a session has at most 16 restrictions; say more in one")]
    Many,
}

/// One restriction, compiled.
#[derive(Debug)]
pub struct Restriction {
    policy: Policy,
}

impl Restriction {
    /// Reads a document in the words of a policy: `version`, `name`, `fs`, `net`, `exec`, and of
    /// the limits `requests_per_second`. No I/O.
    ///
    /// # Errors
    /// [`RestrictionError`], all but [`RestrictionError::Many`].
    pub fn parse(document: &[u8]) -> Result<Self, RestrictionError> {
        if document.len() > DOCUMENT_LIMIT {
            return Err(RestrictionError::Long);
        }
        let text = std::str::from_utf8(document).map_err(|_| RestrictionError::Text)?;
        if text.contains("${") {
            return Err(RestrictionError::Expansion);
        }
        let source = Arc::new(Source::new("restriction".to_owned(), text.to_owned()));
        let document = parse(&source).map_err(|finding| PolicyErrors::Document(vec![finding]))?;
        if let Some(key) = foreign(&document) {
            return Err(RestrictionError::Key(key));
        }
        if count(&document) > RULE_LIMIT {
            return Err(RestrictionError::Rules);
        }
        let nothing = Expansion::default();
        let mut draft = Draft::new(&nothing);
        draft.add(&source, &document, None, false);
        let finished = draft.finish("restriction");
        if finished.findings.errors.is_empty() {
            Ok(Self {
                policy: finished.policy,
            })
        } else {
            Err(PolicyErrors::Document(finished.findings.errors).into())
        }
    }
}

/// A key that a restriction may not have.
fn foreign(document: &Document) -> Option<&'static str> {
    let LimitSection {
        memory,
        cpu,
        cpu_share,
        wall,
        processes,
        open_files,
        file_size,
        output,
        requests_per_second: _,
    } = &document.limits;
    let scalars = [
        (memory, "limits.memory"),
        (cpu, "limits.cpu"),
        (cpu_share, "limits.cpu_share"),
        (wall, "limits.wall"),
        (file_size, "limits.file_size"),
        (output, "limits.output"),
    ];
    let set = scalars
        .into_iter()
        .map(|(limit, key)| (limit.is_some(), key));
    let required = &document.require;
    let others = [
        (!document.include.is_empty(), "include"),
        (document.front.is_some(), "front"),
        (!document.env.pass.is_empty(), "env.pass"),
        (!document.env.set.is_empty(), "env.set"),
        (document.code.map.is_some(), "code.map"),
        (processes.is_some(), "limits.processes"),
        (open_files.is_some(), "limits.open_files"),
        (!document.syscalls.allow.is_empty(), "syscalls.allow"),
        (!document.syscalls.errno.is_empty(), "syscalls.errno"),
        (document.identity.user.is_some(), "identity.user"),
        (!required.layers.is_empty(), "require.layers"),
        (required.limits.is_some(), "require.limits"),
        (!document.test.is_empty(), "test"),
        (
            document.exec.program.iter().any(|one| one.policy.is_some()),
            "exec.program.policy",
        ),
    ];
    set.chain(others).find(|(set, _)| *set).map(|(_, key)| key)
}

/// How many rules and patterns of arguments it has.
fn count(document: &Document) -> usize {
    let (fs, net, exec) = (&document.fs, &document.net, &document.exec);
    let lists = [
        &fs.read,
        &fs.write,
        &fs.create,
        &fs.delete,
        &fs.special,
        &fs.hide,
        &fs.deny,
        &net.connect,
        &net.resolve,
        &net.listen,
        &net.unix,
        &exec.allow,
    ];
    let arguments = exec.program.iter().filter_map(|one| one.args.as_ref());
    let listed = lists.into_iter().chain(arguments).map(Vec::len);
    listed.fold(exec.program.len(), usize::saturating_add)
}

/// The restrictions of one session. They are only ever added, and looked at without a lock.
#[derive(Debug, Default)]
pub struct Restrictions {
    made: [OnceLock<Restriction>; MOST],
}

impl Restrictions {
    /// Adds one; its number, from 1.
    ///
    /// # Errors
    /// [`RestrictionError::Many`].
    pub fn add(&self, restriction: Restriction) -> Result<usize, RestrictionError> {
        let mut left = restriction;
        for (place, number) in self.made.iter().zip(1..) {
            match place.set(left) {
                Ok(()) => return Ok(number),
                Err(back) => left = back,
            }
        }
        Err(RestrictionError::Many)
    }

    /// Whether there is room for another.
    pub fn has_room(&self) -> bool {
        self.made.last().is_some_and(|last| last.get().is_none())
    }

    /// How many rules the restriction of this number, from 1, has.
    pub fn rules_of(&self, number: usize) -> usize {
        let made = number.checked_sub(1).and_then(|index| self.made.get(index));
        let made = made.and_then(OnceLock::get);
        made.map_or(0, |restriction| restriction.policy.rules.len())
    }

    /// The rule with this id, if it is one of a restriction.
    pub fn rule(&self, id: RuleId) -> Option<Rule> {
        let (number, place) = place(id)?;
        let restriction = self.made.get(number)?.get()?;
        let document = format!("restriction {}", number.saturating_add(1));
        match place.checked_sub(1) {
            None => Some(Rule {
                key: "restrict".to_owned(),
                text: document.clone(),
                document,
                line: 1,
                column: 1,
            }),
            Some(index) => Some(Rule {
                document,
                ..restriction.policy.rules.get(index)?.clone()
            }),
        }
    }

    fn each(&self) -> impl Iterator<Item = (u32, &Policy)> {
        let made = self.made.iter().map_while(OnceLock::get);
        (0..).zip(made.map(|restriction| &restriction.policy))
    }
}

/// The restriction that a rule's id is of, from 0, and which of its ids it is.
fn place(id: RuleId) -> Option<(usize, usize)> {
    let above = id.0.checked_sub(FIRST).filter(|_| id != RuleId::OWN)?;
    let parts = (above.checked_div(SPAN)?, above.checked_rem(SPAN)?);
    Some((
        usize::try_from(parts.0).ok()?,
        usize::try_from(parts.1).ok()?,
    ))
}

/// The id of a rule of the restriction `number`, from 0; without a rule, its own.
fn id(number: u32, rule: Option<RuleId>) -> RuleId {
    let first = FIRST.saturating_add(number.saturating_mul(SPAN));
    let place = rule.map_or(0, |rule| rule.0.saturating_add(1));
    RuleId(first.saturating_add(place))
}

/// A policy and the restrictions of the session it is used in: what is allowed is what the
/// policy and all of them allow. A verdict names the policy's rule where it allows, and
/// where it denies, that of the first which does.
#[derive(Debug, Clone)]
pub struct Narrowed {
    policy: Arc<Policy>,
    restrictions: Arc<Restrictions>,
}

impl Narrowed {
    /// This policy in a session with these restrictions.
    pub fn new(policy: Arc<Policy>, restrictions: Arc<Restrictions>) -> Self {
        Self {
            policy,
            restrictions,
        }
    }

    /// The policy without the restrictions.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The restrictions alone.
    pub fn restrictions(&self) -> &Arc<Restrictions> {
        &self.restrictions
    }

    fn all(&self, decide: impl Fn(&Policy) -> Verdict) -> Verdict {
        let verdict = decide(&self.policy);
        if !verdict.is_allow() {
            return verdict;
        }
        for (number, restriction) in self.restrictions.each() {
            if let Verdict::Deny(denial) = decide(restriction) {
                return denied(number, denial);
            }
        }
        verdict
    }

    /// As [`Policy::rights`]: those that the policy and each restriction give.
    pub fn rights(&self, name: &AbsName) -> Rights {
        let mut rights = self.policy.rights(name);
        for (number, restriction) in self.restrictions.each() {
            rights = both(&rights, &restriction.rights(name), number);
        }
        rights
    }

    /// As [`Policy::decide_file`].
    pub fn decide_file(&self, name: &AbsName, access: Access, special: bool) -> Verdict {
        if access == Access::Execute {
            return self.decide_exec(name);
        }
        self.all(|policy| policy.decide_file(name, access, special))
    }

    /// As [`Policy::decide_rights`], for rights from [`Self::rights`].
    pub fn decide_rights(
        &self,
        name: &AbsName,
        rights: &Rights,
        access: Access,
        special: bool,
    ) -> Verdict {
        match self.restrictions.each().next() {
            None => self.policy.decide_rights(name, rights, access, special),
            Some(_) => self.decide_file(name, access, special),
        }
    }

    /// As [`Policy::decide_connect`].
    pub fn decide_connect(&self, to: &Destination, own: &[IpAddr]) -> Verdict {
        self.all(|policy| policy.decide_connect(to, own))
    }

    /// As [`Policy::decide_exec`]. [`Reason::SpawnOnly`] is the answer only where nothing
    /// else refuses, since an exec that a typed spawn begins goes on with it.
    pub fn decide_exec(&self, name: &AbsName) -> Verdict {
        let spawn_only = |verdict: &Verdict| matches!(verdict, Verdict::Deny(denial) if denial.reason == Reason::SpawnOnly);
        let mut verdict = self.policy.decide_exec(name);
        for (number, restriction) in self.restrictions.each() {
            if !verdict.is_allow() && !spawn_only(&verdict) {
                return verdict;
            }
            match restriction.decide_exec(name) {
                Verdict::Allow(_) => {}
                Verdict::Deny(denial)
                    if denial.reason == Reason::SpawnOnly && !verdict.is_allow() => {}
                Verdict::Deny(denial) => verdict = denied(number, denial),
            }
        }
        verdict
    }

    /// As [`Policy::decide_spawn`].
    pub fn decide_spawn(&self, name: &AbsName, arguments: &[&[u8]]) -> Verdict {
        self.all(|policy| policy.decide_spawn(name, arguments))
    }

    /// Why no TCP socket is made, or no UNIX socket, if none is.
    pub fn refuses_sockets(&self, unix: bool) -> Option<Denial> {
        let makes = |policy: &Policy| match unix {
            true => policy.has_unix(),
            false => policy.has_tcp(),
        };
        let none = Denial {
            rule: None,
            reason: Reason::NoRule,
            errno: crate::decide::EACCES,
        };
        if !makes(&self.policy) {
            return Some(none);
        }
        let mut each = self.restrictions.each();
        let (number, _) = each.find(|(_, restriction)| !makes(restriction))?;
        Some(Denial {
            rule: Some(id(number, None)),
            ..none
        })
    }

    /// `limits.requests_per_second`: the least of them.
    pub fn requests_per_second(&self) -> Option<u32> {
        let rate = |policy: &Policy| policy.limits.requests_per_second;
        let restricted = self.restrictions.each().filter_map(|(_, one)| rate(one));
        rate(&self.policy).into_iter().chain(restricted).min()
    }

    /// Whether `alike` holds under the policy and under each restriction.
    pub fn all_of(&self, alike: impl Fn(&Policy) -> bool) -> bool {
        alike(&self.policy) && self.restrictions.each().all(|(_, one)| alike(one))
    }
}

fn denied(number: u32, denial: Denial) -> Verdict {
    Verdict::Deny(Denial {
        rule: Some(id(number, denial.rule)),
        ..denial
    })
}

/// What both give. A name that the restriction says nothing of is as good as denied by it.
fn both(had: &Rights, has: &Rights, number: u32) -> Rights {
    let keep = |had: Option<RuleId>, has: Option<RuleId>| has.and(had);
    let named = |rule: Option<RuleId>| rule.map(|rule| id(number, Some(rule)));
    let reached = any_right(has).or(has.ancestor);
    let silent = reached.is_none().then(|| id(number, None));
    let mut rights = Rights {
        read: keep(had.read, has.read),
        write: keep(had.write, has.write),
        create: keep(had.create, has.create),
        delete: keep(had.delete, has.delete),
        special: keep(had.special, has.special),
        execute: keep(had.execute, has.execute),
        deny: had.deny.or(named(has.deny)).or(silent),
        hide: had.hide.or(named(has.hide)),
        ancestor: None,
        scratch: had.scratch,
    };
    // What each of them reaches by some rule may be looked at.
    if reached.is_some() && any_right(&rights).is_none() {
        rights.ancestor = had.ancestor.or(any_right(had));
    } else if had.ancestor.is_some() && has.ancestor.is_some() {
        rights.ancestor = had.ancestor;
    }
    rights
}
