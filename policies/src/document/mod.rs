//! The policy document as it is written: its keys, each with its place in the text.

pub(crate) mod diagnostic;
pub(crate) mod include;
mod scalar;
pub(crate) mod spelling;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_spanned::Spanned;

use crate::policy::{CodeMap, Front, IdentityUser};
use diagnostic::{Diagnostic, Severity, Source};
pub(crate) use scalar::{Scalar, bytes, percent, time};

/// Texts, each with its place.
pub(crate) type List = Vec<Spanned<String>>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Document {
    pub(crate) version: Option<Spanned<i64>>,
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) include: List,
    pub(crate) front: Option<Front>,
    pub(crate) fs: FileSection,
    pub(crate) net: NetworkSection,
    pub(crate) exec: ExecSection,
    pub(crate) env: EnvironmentSection,
    pub(crate) code: CodeSection,
    pub(crate) limits: LimitSection,
    pub(crate) syscalls: SystemCallSection,
    pub(crate) identity: IdentitySection,
    pub(crate) require: RequireSection,
    pub(crate) test: Vec<Spanned<TestEntry>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FileSection {
    pub(crate) read: List,
    pub(crate) write: List,
    pub(crate) create: List,
    pub(crate) delete: List,
    pub(crate) special: List,
    pub(crate) hide: List,
    pub(crate) deny: List,
    pub(crate) scratch: Option<Spanned<Scalar>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NetworkSection {
    pub(crate) connect: List,
    pub(crate) resolve: List,
    pub(crate) listen: List,
    pub(crate) unix: List,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExecSection {
    pub(crate) allow: List,
    pub(crate) program: Vec<ProgramEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgramEntry {
    pub(crate) path: Spanned<String>,
    pub(crate) args: Option<List>,
    pub(crate) policy: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EnvironmentSection {
    pub(crate) pass: List,
    pub(crate) set: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CodeSection {
    pub(crate) map: Option<CodeMap>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitSection {
    pub(crate) memory: Option<Spanned<Scalar>>,
    pub(crate) cpu: Option<Spanned<Scalar>>,
    pub(crate) cpu_share: Option<Spanned<Scalar>>,
    pub(crate) wall: Option<Spanned<Scalar>>,
    pub(crate) processes: Option<Spanned<u64>>,
    pub(crate) open_files: Option<Spanned<u64>>,
    pub(crate) file_size: Option<Spanned<Scalar>>,
    pub(crate) output: Option<Spanned<Scalar>>,
    pub(crate) requests_per_second: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SystemCallSection {
    pub(crate) allow: Vec<Spanned<SystemCallEntry>>,
    pub(crate) errno: BTreeMap<String, Spanned<String>>,
}

/// `"mbind"` or `{ name = "bpf", reason = "…" }`.
#[derive(Debug)]
pub(crate) struct SystemCallEntry {
    pub(crate) name: String,
    pub(crate) reason: Option<String>,
}

impl<'de> Deserialize<'de> for SystemCallEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct WithReason {
            name: String,
            reason: Option<String>,
        }
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = SystemCallEntry;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a system call's name, or { name = \"…\", reason = \"…\" }")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<SystemCallEntry, E> {
                Ok(SystemCallEntry {
                    name: name.to_owned(),
                    reason: None,
                })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<SystemCallEntry, A::Error> {
                let entry = WithReason::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(SystemCallEntry {
                    name: entry.name,
                    reason: entry.reason,
                })
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IdentitySection {
    pub(crate) user: Option<IdentityUser>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RequireSection {
    pub(crate) layers: List,
    pub(crate) limits: Option<Exactness>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Exactness {
    Exact,
}

/// One `[[test]]`: one question, one expectation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestEntry {
    pub(crate) open: Option<Spanned<String>>,
    pub(crate) stat: Option<Spanned<String>>,
    pub(crate) write: Option<Spanned<String>>,
    pub(crate) create: Option<Spanned<String>>,
    pub(crate) delete: Option<Spanned<String>>,
    pub(crate) exec: Option<Spanned<String>>,
    pub(crate) connect: Option<Spanned<String>>,
    pub(crate) unix: Option<Spanned<String>>,
    pub(crate) expect: Expect,
}

/// What a `[[test]]` expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// It is allowed.
    Allow,
    /// It is denied.
    Deny,
    /// It is answered as if it did not exist.
    Hide,
}

/// Reads the text of a document.
pub(crate) fn parse(source: &Arc<Source>) -> Result<Document, Diagnostic> {
    toml::from_str(&source.text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let (message, help) = reword(error.message());
        Diagnostic::new(Severity::Error, source, &span, message, help)
    })
}

/// serde names what it does not know and what it would know; the nearest of these is the help.
fn reword(message: &str) -> (String, Option<String>) {
    let quoted = |text: &str| -> Vec<String> {
        let odd = text.split('`').skip(1).step_by(2);
        odd.map(str::to_owned).collect()
    };
    for (start, what) in [
        ("unknown field ", "unknown key"),
        ("unknown variant ", "unknown value"),
    ] {
        if let Some(rest) = message.strip_prefix(start) {
            let words = quoted(rest);
            if let Some((word, known)) = words.split_first() {
                let list = known.join("`, `");
                let help = spelling::did_you_mean(word, known.iter().map(String::as_str))
                    .unwrap_or_else(|| format!("known here: `{list}`"));
                return (format!("{what} `{word}`"), Some(help));
            }
        }
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        return (format!("the key {} is missing", rest.trim_end()), None);
    }
    (message.trim_end().replace('\n', "; "), None)
}
