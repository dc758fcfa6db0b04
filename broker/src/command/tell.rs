//! How the command speaks: one sentence on standard error, and colour only where a person
//! reads it.

use std::{io::IsTerminal, process::ExitCode};

/// doorward itself failed.
pub(crate) const FAILED: u8 = 125;

/// doorward itself failed, and why.
pub(crate) fn fail(text: &str) -> ExitCode {
    eprintln!("doorward: {text}");
    ExitCode::from(FAILED)
}

/// Colours, or nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    /// For what is written to `stream`: colours if that is a terminal and `NO_COLOR` is unset.
    pub(crate) fn for_stream(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
        Self(stream.is_terminal() && !refused)
    }

    /// Without or with colours, whatever it is for.
    #[cfg(test)]
    pub(crate) fn always(on: bool) -> Self {
        Self(on)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn notice(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
