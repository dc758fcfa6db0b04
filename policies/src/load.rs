//! Loading: a document and what it includes become a policy, warnings and test cases.

use std::path::Path;
use std::sync::Arc;

use crate::compile::Draft;
use crate::document::diagnostic::{Diagnostic, PolicyErrors, Source};
use crate::document::include::{Identity, Includes, read};
use crate::policy::Policy;
use crate::question::PolicyTest;
use crate::{Expansion, lint, profile};

/// A policy, what to look at in its documents, and its own test cases.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// What is allowed but looks wrong.
    pub warnings: Vec<Diagnostic>,
    /// The `[[test]]` cases of the outermost document.
    pub tests: Vec<PolicyTest>,
}

impl Policy {
    /// Loads a document from a file.
    ///
    /// # Errors
    /// [`PolicyErrors`]: it cannot be read, or it or an included one is wrong.
    pub fn load(path: &Path, expansion: &Expansion) -> Result<Loaded, PolicyErrors> {
        let shown = path.display().to_string();
        let failed = |source| PolicyErrors::Read {
            document: shown.clone(),
            source,
        };
        let real = path.canonicalize().map_err(failed)?;
        let text = read(&real).map_err(failed)?;
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| shown.clone());
        let base = path.parent();
        finish(text, shown, &name, Identity::File(real), base, expansion)
    }

    /// Loads a profile that ships with doorward, by its name without `builtin:`.
    ///
    /// # Errors
    /// [`PolicyErrors`]: there is no such profile, or a word in it cannot be expanded.
    pub fn builtin(name: &str, expansion: &Expansion) -> Result<Loaded, PolicyErrors> {
        let bare = name.strip_prefix("builtin:").unwrap_or(name);
        let text = profile::text(bare).ok_or_else(|| PolicyErrors::Profile {
            name: bare.to_owned(),
            known: profile::names().collect::<Vec<_>>().join(", "),
        })?;
        let identity = Identity::Profile(bare.to_owned());
        let shown = format!("builtin:{bare}");
        finish(text.to_owned(), shown, bare, identity, None, expansion)
    }

    /// Reads a document from text; `base_dir` is what its includes are relative to.
    ///
    /// # Errors
    /// [`PolicyErrors`]: it or an included one is wrong.
    pub fn parse(
        text: &str,
        document_name: &str,
        base_dir: &Path,
        expansion: &Expansion,
    ) -> Result<Loaded, PolicyErrors> {
        let shown = document_name.to_owned();
        let base = Some(base_dir);
        finish(
            text.to_owned(),
            shown,
            document_name,
            Identity::Text,
            base,
            expansion,
        )
    }
}

fn finish(
    text: String,
    shown: String,
    name: &str,
    identity: Identity,
    base: Option<&Path>,
    expansion: &Expansion,
) -> Result<Loaded, PolicyErrors> {
    let source = Arc::new(Source::new(shown, text));
    let mut draft = Draft::new(expansion);
    Includes::new(&mut draft).add(&source, identity, base);
    let mut finished = draft.finish(name);
    lint::look_over(&mut finished);
    if finished.findings.errors.is_empty() {
        Ok(Loaded {
            policy: finished.policy,
            warnings: finished.findings.warnings,
            tests: finished.tests,
        })
    } else {
        Err(PolicyErrors::Document(finished.findings.errors))
    }
}
