//! `[exec]`.

use super::{Arguments, Draft, ProgramRule, Scope};
use crate::document::{ExecSection, List, ProgramEntry};
use crate::matcher::{Glob, Kind};

/// The most patterns of arguments one program may have.
const ARGUMENT_LIMIT: usize = 1024;

impl Draft<'_> {
    pub(super) fn add_programs(&mut self, here: Scope<'_>, section: &ExecSection) {
        self.add_patterns(here, "exec.allow", Kind::Execute, &section.allow);
        for entry in &section.program {
            self.add_program(here, entry);
        }
    }

    fn add_program(&mut self, here: Scope<'_>, entry: &ProgramEntry) {
        let (place, text) = (here.place(&entry.path), entry.path.get_ref());
        let kind = match entry.args {
            Some(_) => Kind::Spawn,
            None => Kind::Execute,
        };
        let arguments = match &entry.args {
            Some(list) => match self.arguments(here, list) {
                Some(arguments) => Some(arguments),
                None => return,
            },
            None => None,
        };
        let Some(pattern) = self.pattern(&place, text, kind) else {
            return;
        };
        let policy = match entry
            .policy
            .as_ref()
            .map(|policy| policy.get_ref().as_str())
        {
            None | Some("inherit") => None,
            Some(builtin) if builtin.starts_with("builtin:") => Some(builtin.to_owned()),
            // Relative to the document, as in `include`.
            Some(file) => Some(match here.base {
                Some(base) => base.join(file).to_string_lossy().into_owned(),
                None => file.to_owned(),
            }),
        };
        let rule = self.add_path(&place, "exec.program", text, kind, pattern.clone());
        if let Some(rule) = rule {
            self.compiled.programs.push(ProgramRule {
                rule,
                pattern,
                arguments,
                policy,
            });
        }
    }

    fn arguments(&mut self, here: Scope<'_>, list: &List) -> Option<Arguments> {
        let (each, more) = match list.split_last() {
            Some((last, before)) if last.get_ref() == "**" => (before, true),
            _ => (list.as_slice(), false),
        };
        if let Some(surplus) = list.get(ARGUMENT_LIMIT) {
            let message = format!("a program has at most {ARGUMENT_LIMIT} patterns of arguments");
            self.findings.error(&here.place(surplus), message, None);
            return None;
        }
        let mut globs = Vec::new();
        for item in each {
            let place = here.place(item);
            if item.get_ref() == "**" {
                let help = "write `*` for one argument".to_owned();
                self.findings
                    .error(&place, "`**` stands only at the end", Some(help));
                return None;
            }
            let parsed = self.expansion.pattern(item.get_ref()).and_then(|expanded| {
                Glob::parse(&expanded).map_err(|error| (error.to_string(), None))
            });
            match parsed {
                Ok(glob) => globs.push(glob),
                Err((message, help)) => {
                    self.findings.error(&place, message, help);
                    return None;
                }
            }
        }
        Some(Arguments { each: globs, more })
    }
}
