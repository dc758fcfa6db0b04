//! Documents and what they include. The only I/O of this crate.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Place, Source};
use super::spelling::did_you_mean;
use super::{Document, parse};
use crate::compile::Draft;
use crate::profile;

/// The most bytes of one document.
const DOCUMENT_LIMIT: u64 = 1 << 20;
/// How deep documents may include one another, and how many there may be.
const DEPTH_LIMIT: usize = 16;
const COUNT_LIMIT: usize = 64;

/// Reads a document's text.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    // A FIFO would block the open, so the type is looked at first; who writes policies is trusted.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    let limit = DOCUMENT_LIMIT.saturating_add(1);
    File::open(path)?.take(limit).read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > DOCUMENT_LIMIT {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// Which document: two names of one file are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Identity {
    Profile(String),
    File(PathBuf),
    /// Text without a file.
    Text,
}

/// Walks the includes of one policy.
#[derive(Debug)]
pub(crate) struct Includes<'d, 'e> {
    draft: &'d mut Draft<'e>,
    open: Vec<Identity>,
    done: BTreeSet<Identity>,
}

impl<'d, 'e> Includes<'d, 'e> {
    pub(crate) fn new(draft: &'d mut Draft<'e>) -> Self {
        Self {
            draft,
            open: Vec::new(),
            done: BTreeSet::new(),
        }
    }

    /// Adds a document, then what it includes, the last first, so that of two includes
    /// the later one's scalars win.
    pub(crate) fn add(&mut self, source: &Arc<Source>, identity: Identity, base: Option<&Path>) {
        let document: Document = match parse(source) {
            Ok(document) => document,
            Err(diagnostic) => {
                self.draft.findings.errors.push(diagnostic);
                return;
            }
        };
        self.draft
            .add(source, &document, base, self.open.is_empty());
        self.open.push(identity.clone());
        for item in document.include.iter().rev() {
            let place = Place {
                source: Arc::clone(source),
                span: item.span(),
            };
            if let Err((message, help)) = self.include(item.get_ref(), base) {
                self.draft.findings.error(&place, message, help);
            }
        }
        self.open.pop();
        self.done.insert(identity);
    }

    fn include(&mut self, name: &str, base: Option<&Path>) -> Result<(), (String, Option<String>)> {
        let (identity, text, file) = match name.strip_prefix("builtin:") {
            Some(profile) => {
                let text = profile::text(profile).ok_or_else(|| {
                    let known = || profile::names().collect::<Vec<_>>().join("`, `");
                    let help = did_you_mean(profile, profile::names())
                        .unwrap_or_else(|| format!("the profiles are `{}`", known()));
                    (format!("there is no profile `{profile}`"), Some(help))
                })?;
                (
                    Identity::Profile(profile.to_owned()),
                    Some(text.to_owned()),
                    None,
                )
            }
            None => {
                let path = match base {
                    _ if name.starts_with('~') || name.is_empty() => {
                        let help = "write a path relative to this document, or `builtin:NAME`";
                        return Err(("this is not a document".to_owned(), Some(help.to_owned())));
                    }
                    Some(base) => base.join(name),
                    None => PathBuf::from(name),
                };
                let real = path.canonicalize().map_err(|error| {
                    let help = profile::names()
                        .any(|profile| profile == name)
                        .then(|| format!("did you mean `builtin:{name}`?"));
                    (format!("{} cannot be read: {error}", path.display()), help)
                })?;
                (Identity::File(real.clone()), None, Some((path, real)))
            }
        };
        if self.open.contains(&identity) {
            let message = format!("`{name}` includes this document: a cycle");
            return Err((message, Some("take one of the includes out".to_owned())));
        }
        if self.done.contains(&identity) {
            return Ok(());
        }
        if self.open.len() >= DEPTH_LIMIT || self.done.len() >= COUNT_LIMIT {
            return Err(("too many documents include one another".to_owned(), None));
        }
        let (text, base) = match (text, &file) {
            (Some(text), _) => (text, None),
            (None, Some((path, real))) => {
                let text = read(real).map_err(|error| {
                    (format!("{} cannot be read: {error}", path.display()), None)
                })?;
                (text, path.parent())
            }
            (None, None) => return Ok(()),
        };
        let shown = match &file {
            Some((path, _)) => path.display().to_string(),
            None => name.to_owned(),
        };
        let source = Arc::new(Source::new(shown, text));
        self.add(&source, identity, base);
        Ok(())
    }
}
