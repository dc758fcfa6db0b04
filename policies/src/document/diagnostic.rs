//! What is wrong in a policy document, and where: `file:line:col: message`, the line, a caret, help.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::verdict::Rule;

/// The longest part of a line that is shown.
const SHOWN: usize = 160;

/// The text of one document and its name, as messages show it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Where lines end: each rule asks for its line.
    ends: Vec<usize>,
}

impl Source {
    /// A document.
    pub(crate) fn new(name: String, text: String) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end).collect();
        Self { name, text, ends }
    }

    /// Line from 1, column in bytes from 1, of a byte offset.
    pub(crate) fn position(&self, offset: usize) -> (u32, u32) {
        let offset = offset.min(self.text.len());
        let line = self.ends.partition_point(|&end| end < offset);
        let begin = line
            .checked_sub(1)
            .and_then(|last| self.ends.get(last))
            .map_or(0, |end| end.saturating_add(1));
        let number = |count: usize| u32::try_from(count.saturating_add(1)).unwrap_or(u32::MAX);
        (number(line), number(offset.saturating_sub(begin)))
    }

    /// A rule that stands at `span`.
    pub(crate) fn rule(&self, key: &str, text: &str, span: &Range<usize>) -> Rule {
        let (line, column) = self.position(span.start);
        Rule {
            key: key.to_owned(),
            text: text.to_owned(),
            document: self.name.clone(),
            line,
            column,
        }
    }
}

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// It can, but look at it.
    Warning,
}

/// One finding in a policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The document's name.
    pub document: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// The line of the document.
    pub source_line: String,
    /// How many bytes of the line it is about.
    pub width: usize,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn new(
        severity: Severity,
        source: &Source,
        span: &Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Self {
        let (line, column) = source.position(span.start);
        let at = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let source_line = source.text.split('\n').nth(at).unwrap_or_default();
        let source_line = source_line.strip_suffix('\r').unwrap_or(source_line);
        let width = span.end.saturating_sub(span.start);
        Self {
            severity,
            document: source.name.clone(),
            line,
            column,
            message: message.into(),
            source_line: source_line.to_owned(),
            width,
            help,
        }
    }
}

/// Characters that could steer a terminal are shown escaped; tabs become one space,
/// so that the caret stands right.
fn shown(text: &str) -> String {
    harmless(text.chars().take(SHOWN))
}

fn harmless(text: impl Iterator<Item = char>) -> String {
    text.map(|character| match character {
        '\t' => " ".to_owned(),
        _ if character.is_control() => character.escape_default().to_string(),
        _ => character.to_string(),
    })
    .collect()
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        let (document, message) = (shown(&self.document), harmless(self.message.chars()));
        write!(
            formatter,
            "{document}:{}:{}: {word}{message}",
            self.line, self.column
        )?;
        let before = usize::try_from(self.column.saturating_sub(1)).unwrap_or(usize::MAX);
        let prefix = self.source_line.get(..before).unwrap_or(&self.source_line);
        if prefix.chars().count() < SHOWN && !self.source_line.is_empty() {
            let gutter = self.line.to_string();
            let blank = " ".repeat(gutter.len());
            let indent = " ".repeat(shown(prefix).chars().count());
            let marked = self.source_line.get(before..).unwrap_or_default();
            let marked = marked.get(..self.width).unwrap_or(marked);
            let room = SHOWN.saturating_sub(prefix.chars().count());
            let carets = "^".repeat(marked.chars().count().clamp(1, room));
            write!(formatter, "\n  {gutter} | {}", shown(&self.source_line))?;
            write!(formatter, "\n  {blank} | {indent}{carets}")?;
        }
        match &self.help {
            Some(help) => write!(formatter, "\n  help: {}", harmless(help.chars())),
            None => Ok(()),
        }
    }
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyErrors {
    /// The document cannot be read.
    #[error("the policy {document} cannot be read: {source}")]
    Read {
        /// Its name.
        document: String,
        /// Why.
        source: std::io::Error,
    },
    /// There is no such profile.
    #[error("there is no profile `{name}`; the profiles are {known}")]
    Profile {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The document, or one it includes, is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Document(Vec<Diagnostic>),
}

impl PolicyErrors {
    /// The findings, if it is the document that is wrong.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Document(diagnostics) => diagnostics,
            _ => &[],
        }
    }
}

/// Where findings are collected.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<Diagnostic>,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// More findings than anybody reads are not kept.
const MOST: usize = 100;

impl Findings {
    pub(crate) fn error(&mut self, at: &Place, message: impl Into<String>, help: Option<String>) {
        if self.errors.len() < MOST {
            let new = Diagnostic::new(Severity::Error, &at.source, &at.span, message, help);
            self.errors.push(new);
        }
    }

    pub(crate) fn warning(&mut self, at: &Place, message: impl Into<String>, help: Option<String>) {
        if self.warnings.len() < MOST {
            let new = Diagnostic::new(Severity::Warning, &at.source, &at.span, message, help);
            self.warnings.push(new);
        }
    }
}

/// A span of a document.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) source: Arc<Source>,
    pub(crate) span: Range<usize>,
}

impl Place {
    pub(crate) fn rule(&self, key: &str, text: &str) -> Rule {
        self.source.rule(key, text, &self.span)
    }
}
