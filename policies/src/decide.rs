//! The decisions: pure functions of a compiled policy, without I/O and allocation.

use std::net::{IpAddr, SocketAddr};

use crate::address::{Unfolded, closed_class};
use crate::matcher::{Found, Kind};
use crate::network::Hosts;
use crate::policy::{Destination, Policy, SCRATCH_NAMES};
use crate::{AbsName, Access, Denial, Reason, Rights, Rule, RuleId, Verdict};

/// The errno of a denial.
pub(crate) const EACCES: i32 = 13;
/// The errno of what is hidden.
const ENOENT: i32 = 2;

fn deny(reason: Reason, rule: Option<RuleId>) -> Verdict {
    let errno = match reason {
        Reason::Hidden => ENOENT,
        _ => EACCES,
    };
    Verdict::Deny(Denial {
        rule,
        reason,
        errno,
    })
}

/// Allowed by this rule if there is one.
fn allow_or(rule: Option<RuleId>, otherwise: Verdict) -> Verdict {
    rule.map_or(otherwise, Verdict::Allow)
}

/// Whether the scratch directory may back a name: equal to or below one of its names.
fn is_temporary(name: &AbsName) -> bool {
    let bytes = name.as_bytes();
    SCRATCH_NAMES.into_iter().any(|directory| {
        bytes
            .strip_prefix(directory.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

impl Policy {
    /// The rule with this id.
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(usize::try_from(id.0).ok()?)
    }

    /// What the file rules say about a name. No I/O, no allocation.
    pub fn rights(&self, name: &AbsName) -> Rights {
        self.rights_of(name, &self.compiled.matcher.look_up(name))
    }

    fn rights_of(&self, name: &AbsName, found: &Found) -> Rights {
        let rule = |kind| found.matches.get(kind);
        let mut rights = Rights {
            read: rule(Kind::Read),
            write: rule(Kind::Write),
            create: rule(Kind::Create),
            delete: rule(Kind::Delete),
            special: rule(Kind::Special),
            execute: rule(Kind::Execute).or(rule(Kind::Spawn)),
            deny: rule(Kind::Deny),
            hide: rule(Kind::Hide),
            // A socket that may be connected to may be looked at.
            ancestor: found.ancestor.or(rule(Kind::Unix)).or(rule(Kind::Datagram)),
            scratch: false,
        };
        if let Some(scratch) = self.compiled.scratch
            && !found.matches.any()
            && is_temporary(name)
        {
            rights.read = Some(scratch);
            rights.write = Some(scratch);
            rights.create = Some(scratch);
            rights.delete = Some(scratch);
            rights.scratch = true;
        }
        rights
    }

    /// Decides one access to a name, as [`Self::decide_rights`] does.
    pub fn decide_file(&self, name: &AbsName, access: Access, special: bool) -> Verdict {
        self.decide_rights(name, &self.rights(name), access, special)
    }

    /// Decides one access to a name whose rights were looked up before. `special` says
    /// that the object is known to be a device, FIFO or socket: then only an `fs.special`
    /// rule lets it be opened, and that alone does. A name that rules only lie below is
    /// [`Reason::Access`] for all but `Stat`, so that the caller can say that it exists.
    pub fn decide_rights(
        &self,
        name: &AbsName,
        rights: &Rights,
        access: Access,
        special: bool,
    ) -> Verdict {
        if access == Access::Execute {
            return self.decide_exec(name);
        }
        if let Some(denied) = forbidden(rights) {
            return denied;
        }
        let opened = |plain: Option<RuleId>| match (special, rights.special) {
            (false, _) => plain,
            (true, rule) => rule.or(plain.filter(|_| rights.scratch)),
        };
        let rule = match access {
            Access::Read => opened(rights.read),
            Access::Write => opened(rights.write),
            Access::Create if special && !rights.scratch => rights.special.and(rights.create),
            Access::Create => rights.create,
            Access::Delete => rights.delete,
            Access::Stat => any_right(rights).or(rights.ancestor),
            Access::Execute => rights.execute,
        };
        let named = any_right(rights).or(rights.ancestor);
        let plain = match access {
            Access::Read => rights.read,
            Access::Write => rights.write,
            Access::Create => rights.create,
            _ => None,
        };
        let reason = match (plain, named) {
            // A name with the rule is refused only as what is no plain file.
            (Some(_), _) => Reason::Special,
            (_, Some(_)) => Reason::Access,
            (_, None) => Reason::NoRule,
        };
        allow_or(rule, deny(reason, plain.or(named)))
    }

    /// Decides an access to a name as asked, before it is known what lies there:
    /// allowed if it would be for a file or for a device.
    pub fn decide_asked(&self, name: &AbsName, access: Access) -> Verdict {
        match self.decide_file(name, access, false) {
            Verdict::Allow(rule) => Verdict::Allow(rule),
            denied => match self.decide_file(name, access, true) {
                Verdict::Allow(rule) => Verdict::Allow(rule),
                Verdict::Deny(_) => denied,
            },
        }
    }

    /// Decides a connect. `own` are the machine's own addresses.
    pub fn decide_connect(&self, to: &Destination, own: &[IpAddr]) -> Verdict {
        match to {
            Destination::Tcp(address) => self.decide_tcp(*address, own),
            Destination::UnixPath(name) => {
                let found = self.compiled.matcher.look_up(name);
                let rights = self.rights_of(name, &found);
                if let Some(denied) = forbidden(&rights) {
                    return denied;
                }
                let datagram = found.matches.get(Kind::Datagram);
                let otherwise = match (datagram, any_right(&rights)) {
                    (Some(rule), _) => deny(Reason::NotYet, Some(rule)),
                    // What the sandbox made itself in scratch is its own.
                    (None, Some(rule)) if rights.scratch => Verdict::Allow(rule),
                    (None, Some(rule)) => deny(Reason::Access, Some(rule)),
                    (None, None) => deny(Reason::NoRule, None),
                };
                allow_or(found.matches.get(Kind::Unix), otherwise)
            }
            Destination::UnixAbstract(name) => {
                let matching = |datagram: bool| {
                    let mut rules = self.compiled.abstracts.iter();
                    rules
                        .find(|rule| rule.datagram == datagram && rule.name.matches(name))
                        .map(|rule| rule.rule)
                };
                let otherwise = match matching(true) {
                    Some(rule) => deny(Reason::NotYet, Some(rule)),
                    None => deny(Reason::NoRule, None),
                };
                allow_or(matching(false), otherwise)
            }
        }
    }

    fn decide_tcp(&self, asked: SocketAddr, own: &[IpAddr]) -> Verdict {
        let unfolded = Unfolded::new(asked.ip());
        let scoped = matches!(asked, SocketAddr::V6(six) if six.scope_id() != 0);
        let mut denied = deny(Reason::NoRule, None);
        for rule in &self.compiled.tcp {
            if !rule.has_port(asked.port()) {
                continue;
            }
            if matches!(rule.hosts, Hosts::Name(_)) {
                if matches!(
                    denied,
                    Verdict::Deny(Denial {
                        reason: Reason::NoRule,
                        ..
                    })
                ) {
                    denied = deny(Reason::NotYet, Some(rule.rule));
                }
            } else if rule.has_address(asked.ip(), &unfolded) {
                if !scoped && closed_class(&unfolded, rule.network(), own).is_none() {
                    return Verdict::Allow(rule.rule);
                }
                denied = deny(Reason::AddressClass, Some(rule.rule));
            }
        }
        denied
    }

    /// Decides a plain exec by name (a program with `args` is [`Reason::SpawnOnly`]).
    pub fn decide_exec(&self, name: &AbsName) -> Verdict {
        let found = self.compiled.matcher.look_up(name);
        let rights = self.rights_of(name, &found);
        if let Some(denied) = forbidden(&rights) {
            return denied;
        }
        let otherwise = match (found.matches.get(Kind::Spawn), any_right(&rights)) {
            (Some(rule), _) => deny(Reason::SpawnOnly, Some(rule)),
            (None, Some(rule)) => deny(Reason::Access, Some(rule)),
            (None, None) => deny(Reason::NoRule, None),
        };
        allow_or(found.matches.get(Kind::Execute), otherwise)
    }

    /// Decides a typed spawn with the arguments after the program's name: by the first
    /// `[[exec.program]]` that takes them, else by `exec.allow`, which takes any.
    pub fn decide_spawn(&self, name: &AbsName, arguments: &[&[u8]]) -> Verdict {
        let found = self.compiled.matcher.look_up(name);
        let rights = self.rights_of(name, &found);
        if let Some(denied) = forbidden(&rights) {
            return denied;
        }
        let mut refused = None;
        for program in &self.compiled.programs {
            if program.pattern.matches(name) {
                let wanted = program.arguments.as_ref();
                if wanted.is_none_or(|wanted| wanted.matches(arguments)) {
                    return Verdict::Allow(program.rule);
                }
                refused = refused.or(Some(program.rule));
            }
        }
        let otherwise = match (refused, any_right(&rights)) {
            (Some(rule), _) => deny(Reason::Arguments, Some(rule)),
            (None, Some(rule)) => deny(Reason::Access, Some(rule)),
            (None, None) => deny(Reason::NoRule, None),
        };
        allow_or(found.matches.get(Kind::Execute), otherwise)
    }

    /// The policy a program is started under: a document's name, or none for this one.
    pub fn program_policy(&self, rule: RuleId) -> Option<&str> {
        let mut programs = self.compiled.programs.iter();
        programs
            .find(|program| program.rule == rule)?
            .policy
            .as_deref()
    }

    /// The policies other than this one that typed spawns start programs under.
    pub fn program_policies(&self) -> impl Iterator<Item = &str> {
        let programs = self.compiled.programs.iter();
        programs.filter_map(|program| program.policy.as_deref())
    }

    /// Whether it has any `net.connect` rule for TCP, so that the broker makes TCP sockets.
    pub fn has_tcp(&self) -> bool {
        !self.compiled.tcp.is_empty()
    }

    /// The ports that its `net.connect` rules name; none if they are more than `most`.
    pub fn tcp_ports(&self, most: usize) -> Option<std::collections::BTreeSet<u16>> {
        let mut found = std::collections::BTreeSet::new();
        for rule in &self.compiled.tcp {
            let ports = rule.ports.first..=rule.ports.last;
            if ports.len() > most {
                return None;
            }
            found.extend(ports);
        }
        (found.len() <= most).then_some(found)
    }

    /// Whether it has any `net.unix` rule for abstract names.
    pub fn has_abstract(&self) -> bool {
        !self.compiled.abstracts.is_empty()
    }

    /// Whether any rule or the scratch directory lets something be changed.
    pub fn changes(&self) -> bool {
        let changes = |kind| matches!(kind, Kind::Write | Kind::Create | Kind::Delete);
        self.scratch.is_some() || self.compiled.paths.iter().any(|rule| changes(rule.kind))
    }

    /// Whether it has any `net.unix` rule for streams or records, so that the broker makes
    /// UNIX sockets: abstract names belong to a network namespace.
    pub fn has_unix(&self) -> bool {
        let abstracts = &self.compiled.abstracts;
        let paths = &self.compiled.paths;
        abstracts.iter().any(|rule| !rule.datagram)
            || paths.iter().any(|rule| rule.kind == Kind::Unix)
    }

    /// Whether an allow rule names `name` literally, itself or as what `/**` follows
    /// (FUSE, network, proc and sys file systems need that).
    pub fn names_literally(&self, name: &AbsName) -> bool {
        self.compiled.matcher.names(name)
    }
}

/// A `deny` or `hide` rule decides before all others, `deny` first.
fn forbidden(rights: &Rights) -> Option<Verdict> {
    let denied = rights.deny.map(|rule| deny(Reason::Denied, Some(rule)));
    denied.or_else(|| rights.hide.map(|rule| deny(Reason::Hidden, Some(rule))))
}

/// Some rule that gives a right to the name itself.
pub(crate) fn any_right(rights: &Rights) -> Option<RuleId> {
    rights
        .read
        .or(rights.write)
        .or(rights.create)
        .or(rights.delete)
        .or(rights.special)
        .or(rights.execute)
}
