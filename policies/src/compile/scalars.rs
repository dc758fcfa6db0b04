//! `[env]` and `[limits]`.

use serde_spanned::Spanned;

use super::{Draft, Scope, add_missing};
use crate::document::diagnostic::Findings;
use crate::document::{EnvironmentSection, LimitSection, Scalar, bytes, percent, time};

/// A variable's name; with `*` where `glob`.
fn is_variable(text: &str, glob: bool) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || (glob && byte == b'*'))
}

/// Reads a value that is not set yet; what is wrong with it is found.
fn take<T>(
    slot: &mut Option<T>,
    findings: &mut Findings,
    here: Scope<'_>,
    value: Option<&Spanned<Scalar>>,
    read: impl Fn(&str) -> Result<T, (&'static str, &'static str)>,
) {
    let Some(value) = value else { return };
    match read(&value.get_ref().0) {
        Ok(value) => *slot = slot.take().or(Some(value)),
        Err((message, help)) => {
            findings.error(&here.place(value), message, Some(help.to_owned()));
        }
    }
}

impl Draft<'_> {
    pub(super) fn add_environment(&mut self, here: Scope<'_>, section: &EnvironmentSection) {
        for item in &section.pass {
            let text = item.get_ref();
            if !is_variable(text, true) {
                self.findings.error(
                    &here.place(item),
                    format!("`{text}` is not a variable's name"),
                    Some("write a name, or one with `*` such as `LC_*`".to_owned()),
                );
            } else if !self.environment.pass.contains(text) {
                self.environment.pass.push(text.clone());
            }
        }
        for (name, value) in &section.set {
            let place = here.place(value);
            if !is_variable(name, false) {
                let message = format!("`{name}` is not a variable's name");
                self.findings.error(&place, message, None);
                continue;
            }
            let expanded = self.expansion.text(value.get_ref());
            match expanded.map(String::from_utf8) {
                Ok(Ok(text)) if !text.contains('\0') => {
                    add_missing(&mut self.environment.set, name, &text);
                }
                Ok(_) => self.findings.error(&place, "the value is not text", None),
                Err((message, help)) => self.findings.error(&place, message, help),
            }
        }
    }

    pub(super) fn add_limits(&mut self, here: Scope<'_>, section: &LimitSection) {
        let (limits, findings) = (&mut self.limits, &mut self.findings);
        take(
            &mut limits.memory,
            findings,
            here,
            section.memory.as_ref(),
            bytes,
        );
        take(&mut limits.cpu, findings, here, section.cpu.as_ref(), time);
        take(
            &mut limits.cpu_share,
            findings,
            here,
            section.cpu_share.as_ref(),
            percent,
        );
        take(
            &mut limits.wall,
            findings,
            here,
            section.wall.as_ref(),
            time,
        );
        take(
            &mut limits.file_size,
            findings,
            here,
            section.file_size.as_ref(),
            bytes,
        );
        take(
            &mut limits.output,
            findings,
            here,
            section.output.as_ref(),
            bytes,
        );
        for (slot, value) in [
            (&mut limits.processes, &section.processes),
            (&mut limits.open_files, &section.open_files),
        ] {
            let Some(value) = value else { continue };
            if *value.get_ref() == 0 {
                let help = "leave the key out for no limit".to_owned();
                findings.error(
                    &here.place(value),
                    "a limit of nothing stops every program",
                    Some(help),
                );
            }
            *slot = slot.or(Some(*value.get_ref()));
        }
        if let Some(rate) = &section.requests_per_second {
            if *rate.get_ref() == 0 {
                let help = "leave the key out for no limit".to_owned();
                findings.error(
                    &here.place(rate),
                    "a limit of nothing stops every program",
                    Some(help),
                );
            }
            limits.requests_per_second = limits.requests_per_second.or(Some(*rate.get_ref()));
        }
    }
}
