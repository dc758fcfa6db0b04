//! `[fs]` and `[net]`: every rule with a pattern of names or an address.

use super::{Draft, PathRule, Scope};
use crate::document::diagnostic::Place;
use crate::document::{FileSection, List, NetworkSection};
use crate::matcher::{Glob, GlobError, Kind, Pattern, Start};
use crate::network::{AbstractRule, TcpRule, endpoint, name, transport};
use crate::{RuleId, network};

/// What to write instead of a pattern that is wrong.
pub(super) fn pattern_help(text: &str, error: &GlobError) -> Option<String> {
    match error {
        GlobError::Relative => {
            let rest = text.trim_start_matches("./");
            Some(format!("write `${{CWD}}/{rest}` or an absolute path"))
        }
        GlobError::Tilde => {
            let rest = text.trim_start_matches('~').trim_start_matches('/');
            Some(format!("write `${{HOME}}/{rest}`"))
        }
        GlobError::OpenStart => Some(format!(
            "write the directory it lies below, or `/{text}`; only deny and hide may leave the beginning open"
        )),
        GlobError::Dots => {
            let mut parts: Vec<&str> = Vec::new();
            for part in text.split('/') {
                match part {
                    "" | "." => {}
                    ".." => {
                        parts.pop();
                    }
                    part => parts.push(part),
                }
            }
            Some(format!(
                "write the path it leads to, such as `/{}`",
                parts.join("/")
            ))
        }
        GlobError::Deep => Some(format!("write `{}`", text.replace("**", "*"))),
        _ => None,
    }
}

impl Draft<'_> {
    pub(super) fn add_files(&mut self, here: Scope<'_>, section: &FileSection) {
        for (key, kind, list) in [
            ("fs.read", Kind::Read, &section.read),
            ("fs.write", Kind::Write, &section.write),
            ("fs.create", Kind::Create, &section.create),
            ("fs.delete", Kind::Delete, &section.delete),
            ("fs.special", Kind::Special, &section.special),
            ("fs.hide", Kind::Hide, &section.hide),
            ("fs.deny", Kind::Deny, &section.deny),
        ] {
            self.add_patterns(here, key, kind, list);
        }
        if self.scratch.is_none()
            && let Some(scratch) = &section.scratch
        {
            let place = here.place(scratch);
            let text = &scratch.get_ref().0;
            match crate::document::bytes(text) {
                Ok(bytes) => {
                    self.scratch = Some(bytes);
                    self.compiled.scratch = self.rule(&place, "fs.scratch", text);
                }
                Err((message, help)) => {
                    self.findings.error(&place, message, Some(help.to_owned()));
                }
            }
        }
    }

    pub(super) fn add_patterns(&mut self, here: Scope<'_>, key: &str, kind: Kind, list: &List) {
        for item in list {
            let place = here.place(item);
            if let Some(pattern) = self.pattern(&place, item.get_ref(), kind) {
                self.add_path(&place, key, item.get_ref(), kind, pattern);
            }
        }
    }

    /// Expands and parses a pattern; what is wrong with it is found.
    pub(super) fn pattern(&mut self, place: &Place, text: &str, kind: Kind) -> Option<Pattern> {
        if text.contains("${CWD}")
            && place.source.name.starts_with("builtin:")
            && let Some(cwd) = self.expansion.unfit_directory()
        {
            let message = format!("the current directory {cwd} is not given to the program");
            let help = "start in a directory of your own, or write a policy";
            self.findings.warning(place, message, Some(help.to_owned()));
            return None;
        }
        let start = if kind.allows() {
            Start::Slash
        } else {
            Start::Open
        };
        let expanded = match self.expansion.pattern(text) {
            Ok(expanded) => expanded,
            Err((message, help)) => {
                self.findings.error(place, message, help);
                return None;
            }
        };
        match Pattern::parse(&expanded, start) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let help = pattern_help(text, &error);
                self.findings
                    .error(place, format!("`{text}`: {error}"), help);
                None
            }
        }
    }

    pub(super) fn add_path(
        &mut self,
        place: &Place,
        key: &str,
        text: &str,
        kind: Kind,
        pattern: Pattern,
    ) -> Option<RuleId> {
        let rule = self.rule(place, key, text)?;
        if self.compiled.matcher.add(&pattern, kind, rule).is_none() {
            self.findings
                .error(place, "the policy has too many names", None);
        }
        self.compiled.paths.push(PathRule {
            rule,
            kind,
            pattern,
        });
        Some(rule)
    }

    pub(super) fn add_network(&mut self, here: Scope<'_>, section: &NetworkSection) {
        for item in &section.connect {
            let (place, text) = (here.place(item), item.get_ref());
            match transport(text).and_then(|(transport, rest)| Ok((transport, endpoint(rest)?))) {
                Ok((transport, (hosts, ports))) => {
                    let rule = self.rule(&place, "net.connect", text);
                    // UDP rules are kept as rules; no operation reaches them yet.
                    if let Some(rule) = rule
                        && transport == "tcp"
                    {
                        self.compiled.tcp.push(TcpRule { rule, hosts, ports });
                    }
                }
                Err((message, help)) => self.findings.error(&place, message, help),
            }
        }
        for item in &section.resolve {
            let (place, text) = (here.place(item), item.get_ref());
            match name(text) {
                Ok(_) => {
                    self.rule(&place, "net.resolve", text);
                }
                Err((message, help)) => self.findings.error(&place, message, help),
            }
        }
        for item in &section.listen {
            let (place, text) = (here.place(item), item.get_ref());
            match transport(text).and_then(|(_, rest)| endpoint(rest)) {
                Ok((network::Hosts::Name(_), _)) => self.findings.error(
                    &place,
                    "a listen rule names an address",
                    Some("write `tcp:127.0.0.1:8080`".to_owned()),
                ),
                Ok(_) => {
                    self.rule(&place, "net.listen", text);
                }
                Err((message, help)) => self.findings.error(&place, message, help),
            }
        }
        for item in &section.unix {
            self.add_unix(&here.place(item), item.get_ref());
        }
    }

    fn add_unix(&mut self, place: &Place, text: &str) {
        let (datagram, bare) = match text.strip_prefix("dgram:") {
            Some(bare) => (true, bare),
            None => (false, text),
        };
        let Some(name) = bare.strip_prefix('@') else {
            let kind = if datagram { Kind::Datagram } else { Kind::Unix };
            if let Some(pattern) = self.pattern(place, bare, kind) {
                self.add_path(place, "net.unix", text, kind, pattern);
            }
            return;
        };
        let parsed = self.expansion.pattern(name).and_then(|expanded| {
            // sun_path holds 108 bytes, the first of which is the NUL.
            if expanded.is_empty() || expanded.len() > 214 {
                return Err(("an abstract name has 1 to 107 bytes".to_owned(), None));
            }
            Glob::parse(&expanded).map_err(|error| (error.to_string(), None))
        });
        match parsed {
            Ok(name) => {
                if let Some(rule) = self.rule(place, "net.unix", text) {
                    self.compiled.abstracts.push(AbstractRule {
                        rule,
                        name,
                        datagram,
                    });
                }
            }
            Err((message, help)) => self.findings.error(place, message, help),
        }
    }
}
