//! A policy as a table: what the path engine decides by, and what the oracle judges by.

use doorward_policy::{AbsName, Access, Denial, Reason, Rights, RuleId, Verdict};

use crate::files::Rules;

const RULE: RuleId = RuleId(0);

/// Rights of everything at and below names: `r`ead, `w`rite, `c`reate, `d`elete, `x` execute,
/// `s`pecial, `-` denied, `h`idden.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// The names and their letters.
    pub(crate) rules: &'static [(&'static str, &'static str)],
    /// The true name of what backs /tmp, if anything does.
    pub(crate) scratch: Option<&'static str>,
}

fn is_at_or_below(name: &[u8], prefix: &[u8]) -> bool {
    name.starts_with(prefix) && matches!(name.get(prefix.len()), None | Some(b'/'))
}

fn is_above(name: &[u8], prefix: &[u8]) -> bool {
    name == b"/" || (prefix.len() > name.len() && is_at_or_below(prefix, name))
}

impl Table {
    /// Whether a rule gives this letter.
    fn gives(&self, name: &[u8], letter: char) -> bool {
        self.rules.iter().any(|(prefix, letters)| {
            letters.contains(letter) && is_at_or_below(name, prefix.as_bytes())
        })
    }

    fn is_barred(&self, name: &[u8]) -> bool {
        self.gives(name, '-') || self.gives(name, 'h')
    }

    fn is_ancestor(&self, name: &[u8]) -> bool {
        self.rules.iter().any(|(prefix, letters)| {
            !letters.contains(['-', 'h']) && is_above(name, prefix.as_bytes())
        })
    }

    /// Whether the scratch directory backs a name, as the sandboxee sees it.
    fn is_scratch(&self, name: &[u8]) -> bool {
        self.scratch.is_some()
            && is_at_or_below(name, b"/tmp")
            && !"rwcdxs".chars().any(|letter| self.gives(name, letter))
    }

    /// Whether what truly has this name may be had so. The letters are those of the rules,
    /// and `l` for a look.
    pub(crate) fn allows(&self, real: &[u8], letter: char) -> bool {
        if let Some(scratch) = self.scratch
            && is_at_or_below(real, scratch.as_bytes())
        {
            let seen = [b"/tmp", real.get(scratch.len()..).unwrap_or_default()].concat();
            return !self.is_barred(&seen) && self.is_scratch(&seen) && !"xs".contains(letter);
        }
        if self.is_barred(real) || self.is_scratch(real) {
            return false;
        }
        match letter {
            'l' => {
                "rwcdxs".chars().any(|letter| self.gives(real, letter)) || self.is_ancestor(real)
            }
            letter => self.gives(real, letter),
        }
    }
}

impl Rules for Table {
    fn rights(&self, name: &AbsName) -> Rights {
        let name = name.as_bytes();
        let of = |letter| self.gives(name, letter).then_some(RULE);
        let scratch = self.is_scratch(name).then_some(RuleId::OWN);
        Rights {
            read: of('r').or(scratch),
            write: of('w').or(scratch),
            create: of('c'),
            delete: of('d'),
            execute: of('x'),
            special: of('s'),
            deny: of('-'),
            hide: of('h'),
            ancestor: self.is_ancestor(name).then_some(RULE),
            scratch: scratch.is_some(),
        }
    }

    fn decide_file(&self, name: &AbsName, access: Access, special: bool) -> Verdict {
        let rights = self.rights(name);
        let deny = |reason, errno| {
            Verdict::Deny(Denial {
                rule: None,
                reason,
                errno,
            })
        };
        if rights.deny.is_some() {
            return deny(Reason::Denied, libc::EACCES);
        }
        if rights.hide.is_some() {
            return deny(Reason::Hidden, libc::ENOENT);
        }
        if special && rights.special.is_none() {
            return deny(Reason::Special, libc::EACCES);
        }
        if rights.scratch && access != Access::Execute {
            return Verdict::Allow(RuleId::OWN);
        }
        let rule = match access {
            Access::Read => rights.read,
            Access::Write => rights.write,
            Access::Create => rights.create,
            Access::Delete => rights.delete,
            Access::Execute => rights.execute,
            Access::Stat => super::super::course::reach(&rights),
        };
        match rule {
            Some(rule) => Verdict::Allow(rule),
            None => deny(Reason::NoRule, libc::EACCES),
        }
    }

    fn names_literally(&self, name: &AbsName) -> bool {
        self.rules
            .iter()
            .any(|(prefix, letters)| letters.contains('s') && prefix.as_bytes() == name.as_bytes())
    }

    fn alike(&self, one: &AbsName, other: &AbsName) -> bool {
        let is_split = |name: &AbsName| {
            self.rules
                .iter()
                .any(|(prefix, _)| is_above(name.as_bytes(), prefix.as_bytes()))
        };
        self.rights(one) == self.rights(other) && !is_split(one) && !is_split(other)
    }
}
