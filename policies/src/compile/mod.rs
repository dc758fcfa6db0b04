//! From documents to a policy: the documents of one policy, the including one first,
//! are added to a draft; scalars are taken from the first that sets them, lists add up.

mod files;
mod programs;
mod scalars;
mod system_calls;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_spanned::Spanned;

use crate::document::diagnostic::{Findings, Place, Source};
use crate::document::{Document, Exactness};
use crate::matcher::{Glob, Kind, Matcher, Pattern};
use crate::network::{AbstractRule, TcpRule};
use crate::policy::{
    CodeMap, Environment, Front, IdentityUser, Limits, Policy, Require, SystemCalls,
};
use crate::question::PolicyTest;
use crate::{Expansion, Rule, RuleId};

/// The most rules a policy may have.
const RULE_LIMIT: usize = 65_536;

/// The deciding part of a policy.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Compiled {
    pub(crate) matcher: Matcher,
    pub(crate) paths: Vec<PathRule>,
    pub(crate) programs: Vec<ProgramRule>,
    pub(crate) tcp: Vec<TcpRule>,
    pub(crate) abstracts: Vec<AbstractRule>,
    pub(crate) scratch: Option<RuleId>,
}

/// One rule with a pattern of names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PathRule {
    pub(crate) rule: RuleId,
    pub(crate) kind: Kind,
    pub(crate) pattern: Pattern,
}

/// One `[[exec.program]]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProgramRule {
    pub(crate) rule: RuleId,
    pub(crate) pattern: Pattern,
    /// `None`: any arguments.
    pub(crate) arguments: Option<Arguments>,
    /// `None`: `inherit`.
    pub(crate) policy: Option<String>,
}

/// The arguments after the program's name, one pattern each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Arguments {
    pub(crate) each: Vec<Glob>,
    /// Whether `**` at the end lets any number follow.
    pub(crate) more: bool,
}

impl Arguments {
    pub(crate) fn matches(&self, arguments: &[&[u8]]) -> bool {
        let enough = if self.more {
            arguments.len() >= self.each.len()
        } else {
            arguments.len() == self.each.len()
        };
        enough
            && self
                .each
                .iter()
                .zip(arguments)
                .all(|(glob, text)| glob.matches(text))
    }
}

/// A policy in the making.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    expansion: &'a Expansion,
    pub(crate) findings: Findings,
    /// Where each rule stands, by id.
    pub(crate) places: Vec<Place>,
    pub(crate) tests: Vec<PolicyTest>,
    /// System calls allowed without a reason, with their place.
    pub(crate) unreasoned: Vec<(String, Place)>,
    rules: Vec<Rule>,
    compiled: Compiled,
    name: Option<String>,
    front: Option<Front>,
    scratch: Option<u64>,
    code: Option<CodeMap>,
    identity: Option<IdentityUser>,
    environment: Environment,
    limits: Limits,
    system_calls: SystemCalls,
    require: Require,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(expansion: &'a Expansion) -> Self {
        Self {
            expansion,
            findings: Findings::default(),
            places: Vec::new(),
            tests: Vec::new(),
            unreasoned: Vec::new(),
            rules: Vec::new(),
            compiled: Compiled::default(),
            name: None,
            front: None,
            scratch: None,
            code: None,
            identity: None,
            environment: Environment::default(),
            limits: Limits::default(),
            system_calls: SystemCalls::default(),
            require: Require::default(),
        }
    }

    /// Adds one document. `base` is the directory its relative names mean; `outermost`
    /// says that no other includes it, so that its tests count.
    pub(crate) fn add(
        &mut self,
        source: &Arc<Source>,
        document: &Document,
        base: Option<&Path>,
        outermost: bool,
    ) {
        let here = Scope { source, base };
        self.add_head(here, document);
        self.add_files(here, &document.fs);
        self.add_network(here, &document.net);
        self.add_programs(here, &document.exec);
        self.add_environment(here, &document.env);
        self.add_limits(here, &document.limits);
        self.add_system_calls(here, &document.syscalls);
        self.add_requirements(here, document);
        self.code = self.code.or(document.code.map);
        self.identity = self.identity.or(document.identity.user);
        if outermost {
            for entry in &document.test {
                let place = here.place(entry);
                match PolicyTest::new(entry.get_ref(), &place, self.expansion) {
                    Ok(test) => self.tests.push(test),
                    Err((message, help)) => self.findings.error(&place, message, help),
                }
            }
        }
    }

    fn add_head(&mut self, here: Scope<'_>, document: &Document) {
        match &document.version {
            Some(version) if *version.get_ref() == 1 => {}
            Some(version) => self.findings.error(
                &here.place(version),
                format!("version {} of the document is not known", version.get_ref()),
                Some("this doorward reads `version = 1`".to_owned()),
            ),
            None => self.findings.error(
                &here.whole(),
                "the document does not say its version",
                Some("begin it with `version = 1`".to_owned()),
            ),
        }
        if self.name.is_none() {
            self.name = document.name.as_ref().map(|name| name.get_ref().clone());
        }
        self.front = self.front.or(document.front);
    }

    fn add_requirements(&mut self, here: Scope<'_>, document: &Document) {
        const LAYERS: [&str; 12] = [
            "seccomp",
            "landlock",
            "namespaces",
            "user",
            "mount",
            "pid",
            "network",
            "ipc",
            "uts",
            "cgroup",
            "rlimits",
            "mdwe",
        ];
        for layer in &document.require.layers {
            let text = layer.get_ref();
            if !LAYERS.contains(&text.as_str()) {
                let help = crate::document::spelling::did_you_mean(text, LAYERS)
                    .unwrap_or_else(|| format!("known are `{}`", LAYERS.join("`, `")));
                let message = format!("there is no layer `{text}`");
                self.findings.error(&here.place(layer), message, Some(help));
            } else if !self.require.layers.contains(text) {
                self.require.layers.push(text.clone());
            }
        }
        self.require.exact_limits |= document.require.limits == Some(Exactness::Exact);
    }

    /// The id of a new rule.
    fn rule(&mut self, place: &Place, key: &str, text: &str) -> Option<RuleId> {
        if self.rules.len() >= RULE_LIMIT {
            let message = format!("the policy has more than {RULE_LIMIT} rules");
            self.findings
                .error(place, message, Some("use patterns".to_owned()));
            return None;
        }
        let id = RuleId(u32::try_from(self.rules.len()).ok()?);
        self.rules.push(place.rule(key, text));
        self.places.push(place.clone());
        Some(id)
    }

    /// The policy, and what is still needed to look it over.
    pub(crate) fn finish(self, name: &str) -> Finished {
        let policy = Policy {
            name: self.name.unwrap_or_else(|| name.to_owned()),
            front: self.front.unwrap_or_default(),
            scratch: self.scratch,
            environment: self.environment,
            code: self.code.unwrap_or_default(),
            limits: self.limits,
            system_calls: self.system_calls,
            identity: self.identity.unwrap_or_default(),
            require: self.require,
            rules: self.rules,
            compiled: self.compiled,
        };
        Finished {
            policy,
            findings: self.findings,
            places: self.places,
            tests: self.tests,
            unreasoned: self.unreasoned,
        }
    }
}

/// A compiled policy before lint.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) policy: Policy,
    pub(crate) findings: Findings,
    pub(crate) places: Vec<Place>,
    pub(crate) tests: Vec<PolicyTest>,
    pub(crate) unreasoned: Vec<(String, Place)>,
}

/// The document whose keys are being added.
#[derive(Debug, Clone, Copy)]
struct Scope<'s> {
    source: &'s Arc<Source>,
    base: Option<&'s Path>,
}

impl Scope<'_> {
    fn place<T>(&self, spanned: &Spanned<T>) -> Place {
        Place {
            source: Arc::clone(self.source),
            span: spanned.span(),
        }
    }

    fn whole(&self) -> Place {
        Place {
            source: Arc::clone(self.source),
            span: 0..0,
        }
    }
}

/// Takes over what is not set yet; the including document was added first.
fn add_missing<T: Clone>(to: &mut BTreeMap<String, T>, key: &str, value: &T) {
    to.entry(key.to_owned()).or_insert_with(|| value.clone());
}
