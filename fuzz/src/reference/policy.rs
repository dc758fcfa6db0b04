//! What a policy's rules about names and programs say.

use super::names::{Parts, argument_matches, is_above, name_matches, parse_glob, parse_pattern};

/// What a rule gives or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `fs.read`.
    Read,
    /// `fs.write`.
    Write,
    /// `fs.create`.
    Create,
    /// `fs.delete`.
    Delete,
    /// `fs.special`.
    Special,
    /// `exec.allow`.
    Execute,
    /// `fs.deny`.
    Deny,
    /// `fs.hide`.
    Hide,
    /// `net.unix`.
    Unix,
    /// A program with `args`.
    Spawn,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Open for reading.
    Read,
    /// Open for writing.
    Write,
    /// A new entry.
    Create,
    /// An entry less.
    Delete,
    /// Status.
    Stat,
}

/// What is answered, without the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may be.
    Allow,
    /// It may not, and there is nothing.
    Hidden,
    /// It may not.
    Deny,
}

/// One rule: what it gives, its pattern, and the arguments it takes, if only those.
#[derive(Debug, Clone)]
struct Rule {
    kind: Kind,
    parts: Parts,
    arguments: Option<Vec<Vec<u8>>>,
}

/// The rules of one policy.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Whether it has a scratch directory.
    pub scratch: bool,
}

impl Rules {
    /// Adds a rule; whether its pattern is one.
    pub fn add(&mut self, kind: Kind, pattern: &[u8]) -> bool {
        self.add_rule(kind, pattern, None)
    }

    /// Adds a program with `args`; whether its patterns are such.
    pub fn add_program(&mut self, pattern: &[u8], arguments: &[Vec<u8>]) -> bool {
        let before = arguments.len().saturating_sub(1);
        let good = arguments.iter().enumerate().all(|(at, one)| {
            one != b"**" && parse_glob(one).is_some() || one == b"**" && at == before
        });
        self.add_rule(Kind::Spawn, pattern, Some(arguments.to_vec())) && good
    }

    fn add_rule(&mut self, kind: Kind, pattern: &[u8], arguments: Option<Vec<Vec<u8>>>) -> bool {
        let denies = matches!(kind, Kind::Deny | Kind::Hide);
        let Some(parts) = parse_pattern(pattern, denies) else {
            return false;
        };
        self.rules.push(Rule {
            kind,
            parts,
            arguments,
        });
        true
    }

    /// Whether a rule of this kind takes the name.
    pub fn has(&self, kind: Kind, name: &[u8]) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.kind == kind && name_matches(&rule.parts, name))
    }

    fn forbidden(&self, name: &[u8]) -> Option<Decision> {
        if self.has(Kind::Deny, name) {
            return Some(Decision::Deny);
        }
        self.has(Kind::Hide, name).then_some(Decision::Hidden)
    }

    /// Whether the scratch directory backs the name: no rule takes it.
    fn in_scratch(&self, name: &[u8]) -> bool {
        let temporary = [&b"/tmp"[..], b"/var/tmp"].iter().any(|directory| {
            let rest = name.strip_prefix(*directory);
            rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        });
        self.scratch
            && temporary
            && !self
                .rules
                .iter()
                .any(|rule| name_matches(&rule.parts, name))
    }

    /// Decides an access to what lies under a name: a `special` object or another.
    pub fn file(&self, name: &[u8], access: Access, special: bool) -> Decision {
        if let Some(decision) = self.forbidden(name) {
            return decision;
        }
        let has = |kind| self.has(kind, name);
        let scratch = self.in_scratch(name);
        let allowed = match access {
            Access::Read | Access::Write if special => scratch || has(Kind::Special),
            Access::Read => scratch || has(Kind::Read),
            Access::Write => scratch || has(Kind::Write),
            Access::Create if special => scratch || has(Kind::Create) && has(Kind::Special),
            Access::Create => scratch || has(Kind::Create),
            Access::Delete => scratch || has(Kind::Delete),
            Access::Stat => scratch || self.is_visible(name),
        };
        if allowed {
            Decision::Allow
        } else {
            Decision::Deny
        }
    }

    /// Whether a rule that gives something takes the name or something below it.
    fn is_visible(&self, name: &[u8]) -> bool {
        self.rules.iter().any(|rule| {
            !matches!(rule.kind, Kind::Deny | Kind::Hide)
                && (name_matches(&rule.parts, name) || is_above(&rule.parts, name))
        })
    }

    /// Decides a plain exec.
    pub fn exec(&self, name: &[u8]) -> Decision {
        match self.forbidden(name) {
            Some(decision) => decision,
            None if self.has(Kind::Execute, name) => Decision::Allow,
            None => Decision::Deny,
        }
    }

    /// Decides a typed spawn.
    pub fn spawn(&self, name: &[u8], arguments: &[Vec<u8>]) -> Decision {
        if self.exec(name) != Decision::Deny || self.has(Kind::Deny, name) {
            return self.exec(name);
        }
        let taken = self.rules.iter().any(|rule| {
            rule.kind == Kind::Spawn
                && name_matches(&rule.parts, name)
                && takes_all(rule.arguments.as_deref().unwrap_or_default(), arguments)
        });
        if taken {
            Decision::Allow
        } else {
            Decision::Deny
        }
    }
}

/// Whether patterns take arguments one by one; `**` at the end takes any that follow.
fn takes_all(patterns: &[Vec<u8>], arguments: &[Vec<u8>]) -> bool {
    match (patterns.split_first(), arguments.split_first()) {
        (Some((last, [])), _) if last == b"**" => true,
        (None, None) => true,
        (Some((pattern, after)), Some((argument, rest))) => {
            argument_matches(pattern, argument) && takes_all(after, rest)
        }
        _ => false,
    }
}
