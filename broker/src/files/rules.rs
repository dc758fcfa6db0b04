//! What the path engine asks of a policy. The compiled policy is one implementation;
//! tests have smaller ones.

use doorward_policy::{AbsName, Access, Narrowed, Policy, Rights, Verdict};

use crate::control::{self, Defence};

/// The decisions a policy makes about files.
pub(crate) trait Rules: std::fmt::Debug + Send + Sync {
    /// What the rules say about a name.
    fn rights(&self, name: &AbsName) -> Rights;
    /// Decides one access to a name.
    fn decide_file(&self, name: &AbsName, access: Access, special: bool) -> Verdict;
    /// Decides one access to a name whose rights were looked up before.
    fn decide_rights(
        &self,
        name: &AbsName,
        _rights: &Rights,
        access: Access,
        special: bool,
    ) -> Verdict {
        self.decide_file(name, access, special)
    }
    /// Whether a rule names it literally.
    fn names_literally(&self, name: &AbsName) -> bool;
    /// Whether the rules treat everything below the two names alike. May say no where they do.
    fn alike(&self, one: &AbsName, other: &AbsName) -> bool;
}

impl Rules for Narrowed {
    fn rights(&self, name: &AbsName) -> Rights {
        if control::is_off(Defence::Restricted) {
            return self.policy().rights(name);
        }
        Self::rights(self, name)
    }

    fn decide_file(&self, name: &AbsName, access: Access, special: bool) -> Verdict {
        if control::is_off(Defence::Restricted) {
            return self.policy().decide_file(name, access, special);
        }
        Self::decide_file(self, name, access, special)
    }

    fn decide_rights(
        &self,
        name: &AbsName,
        rights: &Rights,
        access: Access,
        special: bool,
    ) -> Verdict {
        if control::is_off(Defence::Restricted) {
            return self.policy().decide_rights(name, rights, access, special);
        }
        Self::decide_rights(self, name, rights, access, special)
    }

    // A restriction need not say what a mount is served by.
    fn names_literally(&self, name: &AbsName) -> bool {
        self.policy().names_literally(name)
    }

    fn alike(&self, one: &AbsName, other: &AbsName) -> bool {
        self.all_of(|policy| alike(policy, one, other))
    }
}

/// Whether a policy treats everything below the two names alike.
fn alike(policy: &Policy, one: &AbsName, other: &AbsName) -> bool {
    let rights = policy.rights(one);
    rights == policy.rights(other)
        // A rule further below either could tell them apart.
        && rights.ancestor.is_none()
        && policy
            .rules
            .iter()
            .filter(|rule| matches!(rule.key.as_str(), "fs.deny" | "fs.hide"))
            .all(|rule| !may_tell(&rule.text, one) && !may_tell(&rule.text, other))
}

/// Whether a pattern could treat what lies below `name` unlike what lies elsewhere.
fn may_tell(pattern: &str, name: &AbsName) -> bool {
    if let Some(rest) = pattern.strip_prefix("**/") {
        return is_begun(rest, name);
    }
    let literal: Vec<&str> = pattern
        .split('/')
        .take_while(|part| !part.contains(['*', '?', '[', '{', '$']))
        .collect();
    let Ok(prefix) = AbsName::parse(literal.join("/").as_bytes()) else {
        return true;
    };
    let rest = pattern
        .strip_prefix(literal.join("/").as_str())
        .unwrap_or(pattern);
    // Below the name, or above it with globs that may reach into it.
    prefix.below(name).is_some() || (name.below(&prefix).is_some() && !matches!(rest, "" | "/**"))
}

/// Whether the last components of `name` may be the first ones of a pattern that can begin
/// anywhere, so that what follows is matched below this name and not below another.
fn is_begun(rest: &str, name: &AbsName) -> bool {
    let parts: Vec<&str> = rest.split('/').collect();
    let last: Vec<&[u8]> = name
        .components()
        .map(doorward_policy::Component::as_bytes)
        .collect();
    (1..parts.len()).any(|length| {
        let (Some(tail), Some(head)) = (
            last.len()
                .checked_sub(length)
                .and_then(|from| last.get(from..)),
            parts.get(..length),
        ) else {
            return false;
        };
        tail.iter().zip(head).all(|(component, part)| {
            part.contains(['*', '?', '[', '{', '$']) || part.as_bytes() == *component
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_may_tell_names_apart() {
        let name = AbsName::parse(b"/a/x").unwrap();
        assert!(may_tell("/a/x/secret", &name));
        assert!(may_tell("/a/*/secret", &name));
        assert!(may_tell("${HOME}/secret", &name));
        assert!(may_tell("/a/x", &name));
        assert!(!may_tell("**/.ssh/**", &name));
        assert!(!may_tell("**/.netrc", &name));
        assert!(may_tell("**/x/secret", &name));
        assert!(may_tell("**/a/x/secret", &name));
        assert!(may_tell("**/*/secret", &name));
        assert!(!may_tell("**/y/secret", &name));
        assert!(!may_tell("/a/**", &name));
        assert!(!may_tell("/b/*/secret", &name));
    }
}
