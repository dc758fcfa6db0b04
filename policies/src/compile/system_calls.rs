//! `[syscalls]`: names are checked against both architectures' tables.

use syscalls::{Errno, aarch64, x86_64};

use super::{Draft, Scope};
use crate::document::SystemCallSection;
use crate::document::spelling::did_you_mean;

fn names() -> impl Iterator<Item = &'static str> {
    let x86 = x86_64::Sysno::iter().map(|call| call.name());
    x86.chain(aarch64::Sysno::iter().map(|call| call.name()))
}

fn errors() -> impl Iterator<Item = (&'static str, i32)> {
    (1..=133).filter_map(|number| Some((Errno::new(number).name()?, number)))
}

impl Draft<'_> {
    pub(super) fn add_system_calls(&mut self, here: Scope<'_>, section: &SystemCallSection) {
        for item in &section.allow {
            let (place, entry) = (here.place(item), item.get_ref());
            if !names().any(|name| name == entry.name) {
                let message = format!("there is no system call `{}`", entry.name);
                self.findings
                    .error(&place, message, did_you_mean(&entry.name, names()));
                continue;
            }
            if section.errno.contains_key(&entry.name) {
                let message = format!(
                    "`{}` is allowed here and answered with an errno below",
                    entry.name
                );
                self.findings
                    .error(&place, message, Some("keep one of the two".to_owned()));
                continue;
            }
            // What an including document answers with an errno stays so.
            if self.system_calls.errno.contains_key(&entry.name) {
                continue;
            }
            if entry
                .reason
                .as_ref()
                .is_none_or(|reason| reason.trim().is_empty())
            {
                self.unreasoned.push((entry.name.clone(), place));
            }
            if !self.system_calls.allow.contains(&entry.name) {
                self.system_calls.allow.push(entry.name.clone());
            }
        }
        for (name, value) in &section.errno {
            let (place, text) = (here.place(value), value.get_ref());
            if !names().any(|known| known == name) {
                let message = format!("there is no system call `{name}`");
                self.findings
                    .error(&place, message, did_you_mean(name, names()));
                continue;
            }
            let number = errors()
                .find(|(known, _)| known == text)
                .map(|(_, number)| number);
            match number {
                // What an including document allows stays allowed.
                Some(_) if self.system_calls.allow.contains(name) => {}
                Some(number) => super::add_missing(&mut self.system_calls.errno, name, &number),
                None => {
                    let help = did_you_mean(text, errors().map(|(name, _)| name))
                        .unwrap_or_else(|| "write a name such as `EPERM`".to_owned());
                    let message = format!("`{text}` is not the name of an error");
                    self.findings.error(&place, message, Some(help));
                }
            }
        }
    }
}
