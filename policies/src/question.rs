//! Questions to a policy, as `[[test]]` cases and `explain` ask them.

use std::net::IpAddr;

use serde_spanned::Spanned;

use crate::document::diagnostic::{Diagnostic, Place, Severity};
use crate::document::{Expect, TestEntry};
use crate::matcher::Glob;
use crate::network::destination;
use crate::policy::{Destination, Policy};
use crate::{AbsName, Access, Denial, Expansion, Reason, Rule, Verdict};

/// One operation, as a policy is asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// An access to a name, whatever lies there.
    File(AbsName, Access),
    /// Opening what is a device, FIFO or socket under this name.
    Device(AbsName),
    /// A plain exec.
    Exec(AbsName),
    /// A typed spawn with these arguments after the program's name.
    Spawn(AbsName, Vec<Vec<u8>>),
    /// A connect.
    Connect(Destination),
}

/// A verdict, and what would change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<Rule>,
    /// Why, in a sentence.
    pub reason: &'static str,
    /// What would change the verdict.
    pub change: String,
}

impl Question {
    /// Reads a question from its words: `open`, `stat`, `write`, `create`, `delete`,
    /// `device`, `exec`, `spawn`, `connect` or `unix`, and what it is about.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to write.
    pub fn parse(word: &str, about: &[&str], expansion: &Expansion) -> Result<Self, String> {
        let (first, rest) = about
            .split_first()
            .ok_or_else(|| format!("`{word}` needs something to ask about"))?;
        Self::read(word, first, rest, expansion).map_err(|(message, help)| match help {
            Some(help) => format!("{message}; {help}"),
            None => message,
        })
    }

    fn read(
        word: &str,
        about: &str,
        rest: &[&str],
        expansion: &Expansion,
    ) -> Result<Self, (String, Option<String>)> {
        let words = [
            "open", "stat", "write", "create", "delete", "device", "exec", "spawn", "connect",
            "unix",
        ];
        let name = || -> Result<AbsName, (String, Option<String>)> {
            let expanded = expansion.text(about)?;
            AbsName::parse(&expanded).map_err(|error| {
                let help = format!("write `${{CWD}}/{about}` or an absolute path");
                let relative = error == crate::NameError::Relative;
                (format!("`{about}`: {error}"), relative.then_some(help))
            })
        };
        if word != "spawn" && !rest.is_empty() {
            return Err((format!("`{word}` asks about one thing"), None));
        }
        Ok(match word {
            "open" | "read" => Self::File(name()?, Access::Read),
            "stat" => Self::File(name()?, Access::Stat),
            "write" => Self::File(name()?, Access::Write),
            "create" => Self::File(name()?, Access::Create),
            "delete" => Self::File(name()?, Access::Delete),
            "device" => Self::Device(name()?),
            "exec" => Self::Exec(name()?),
            "spawn" => Self::Spawn(
                name()?,
                rest.iter().map(|text| text.as_bytes().to_vec()).collect(),
            ),
            "connect" => Self::Connect(Destination::Tcp(destination(about)?)),
            "unix" => Self::Connect(match about.strip_prefix('@') {
                Some(name) => Destination::UnixAbstract(expansion.text(name)?),
                None => Destination::UnixPath(name()?),
            }),
            _ => {
                let help = crate::document::spelling::did_you_mean(word, words)
                    .unwrap_or_else(|| format!("known are {}", words.join(", ")));
                return Err((format!("`{word}` is not an operation"), Some(help)));
            }
        })
    }

    /// Its words, as [`Question::parse`] reads them back: the operation, and what it is
    /// about. Bytes that are not UTF-8 and `${` have no spelling that is read back.
    pub fn words(&self) -> (&'static str, Vec<Vec<u8>>) {
        let (word, first) = match self {
            Self::File(name, access) => {
                let word = match access {
                    Access::Read => "open",
                    Access::Stat => "stat",
                    Access::Write => "write",
                    Access::Create => "create",
                    Access::Delete => "delete",
                    Access::Execute => "exec",
                };
                (word, name.as_bytes().to_vec())
            }
            Self::Device(name) => ("device", name.as_bytes().to_vec()),
            Self::Exec(name) => ("exec", name.as_bytes().to_vec()),
            Self::Spawn(name, arguments) => {
                let mut about = vec![name.as_bytes().to_vec()];
                about.extend(arguments.iter().cloned());
                return ("spawn", about);
            }
            Self::Connect(Destination::Tcp(to)) => ("connect", format!("tcp:{to}").into_bytes()),
            Self::Connect(Destination::UnixPath(name)) => ("unix", name.as_bytes().to_vec()),
            Self::Connect(Destination::UnixAbstract(name)) => {
                ("unix", [b"@", name.as_slice()].concat())
            }
        };
        (word, vec![first])
    }

    /// The key and text of a rule that would allow it.
    fn wanted(&self) -> (&'static str, String) {
        match self {
            Self::File(name, Access::Read | Access::Stat) => ("fs.read", spelled(name)),
            Self::File(name, Access::Write) => ("fs.write", spelled(name)),
            Self::File(name, Access::Create) => ("fs.create", spelled(name)),
            Self::File(name, Access::Delete) => ("fs.delete", spelled(name)),
            Self::Device(name) => ("fs.special", spelled(name)),
            Self::File(name, Access::Execute) | Self::Exec(name) | Self::Spawn(name, _) => {
                ("exec.allow", spelled(name))
            }
            Self::Connect(Destination::Tcp(address)) => ("net.connect", format!("tcp:{address}")),
            Self::Connect(Destination::UnixPath(name)) => ("net.unix", spelled(name)),
            Self::Connect(Destination::UnixAbstract(name)) => {
                ("net.unix", format!("@{}", Glob::escaped(name)))
            }
        }
    }
}

impl Policy {
    /// Answers a question. `own` are the machine's own addresses.
    pub fn answer(&self, question: &Question, own: &[IpAddr]) -> Verdict {
        match question {
            Question::File(name, access) => self.decide_asked(name, *access),
            Question::Device(name) => self.decide_device(name),
            Question::Exec(name) => self.decide_exec(name),
            Question::Spawn(name, arguments) => {
                let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
                self.decide_spawn(name, &arguments)
            }
            Question::Connect(to) => self.decide_connect(to, own),
        }
    }

    fn decide_device(&self, name: &AbsName) -> Verdict {
        let special = |verdict: &Verdict| matches!(verdict, Verdict::Deny(denial) if denial.reason == Reason::Special);
        let read = self.decide_file(name, Access::Read, true);
        let write = self.decide_file(name, Access::Write, true);
        if special(&write) { write } else { read }
    }

    /// Answers a question, with the rule that gave the verdict and what would change it.
    pub fn explain(&self, question: &Question, own: &[IpAddr]) -> Explanation {
        let verdict = self.answer(question, own);
        let id = match verdict {
            Verdict::Allow(rule) => Some(rule),
            Verdict::Deny(denial) => denial.rule,
        };
        let rule = id.and_then(|id| self.rule(id)).cloned();
        let place = rule.as_ref().map_or_else(String::new, |rule| {
            format!(
                "{} = \"{}\" ({}:{}:{})",
                rule.key, rule.text, rule.document, rule.line, rule.column
            )
        });
        let (key, text) = question.wanted();
        let text = quoted(&text);
        let add = format!("add {text} to {key}");
        let (reason, change) = match verdict {
            Verdict::Allow(_) => {
                let word = match question {
                    Question::File(..) => "; or add the name to fs.deny",
                    _ => "",
                };
                ("a rule allows it", format!("take out {place}{word}"))
            }
            Verdict::Deny(denial) => {
                let change = match denial.reason {
                    Reason::Denied | Reason::Hidden => format!("take out or narrow {place}"),
                    Reason::Special => format!("add {text} to fs.special"),
                    Reason::AddressClass => match question {
                        Question::Connect(Destination::Tcp(to)) if has_scope(to) => {
                            "nothing: addresses with a scope are never reached".to_owned()
                        }
                        _ => add,
                    },
                    Reason::NotYet => match question {
                        Question::Connect(Destination::Tcp(_)) => format!("{add}, by its address"),
                        _ => "nothing yet".to_owned(),
                    },
                    Reason::SpawnOnly => format!("start it by a typed spawn, or {add}"),
                    Reason::Arguments => format!("change the args of {place}, or {add}"),
                    _ => add,
                };
                (denial.reason.text(), change)
            }
        };
        Explanation {
            verdict,
            rule,
            reason,
            change,
        }
    }
}

/// A pattern that means this name alone.
fn spelled(name: &AbsName) -> String {
    Glob::escaped(name.as_bytes())
}

/// A text as TOML writes it on one line.
fn quoted(text: &str) -> String {
    let plain = !text.contains(|one: char| one == '\'' || one.is_control());
    if plain && text.contains(['\\', '"']) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn has_scope(address: &std::net::SocketAddr) -> bool {
    matches!(address, std::net::SocketAddr::V6(six) if six.scope_id() != 0)
}

/// One `[[test]]` case of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTest {
    /// What is asked.
    pub question: Question,
    /// What should be answered.
    pub expect: Expect,
    /// Where it is written: key and text of the question.
    pub at: Rule,
    /// Its place, as a finding about it shows it.
    shown: Diagnostic,
}

/// How a [`PolicyTest`] came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// Whether the answer was the one expected.
    pub passed: bool,
    /// The answer.
    pub explanation: Explanation,
}

impl PolicyTest {
    pub(crate) fn new(
        entry: &TestEntry,
        place: &Place,
        expansion: &Expansion,
    ) -> Result<Self, (String, Option<String>)> {
        let asked: [(&str, &Option<Spanned<String>>); 8] = [
            ("open", &entry.open),
            ("stat", &entry.stat),
            ("write", &entry.write),
            ("create", &entry.create),
            ("delete", &entry.delete),
            ("exec", &entry.exec),
            ("connect", &entry.connect),
            ("unix", &entry.unix),
        ];
        let mut asked = asked
            .into_iter()
            .filter_map(|(word, about)| about.as_ref().map(|about| (word, about)));
        let (Some((word, about)), None) = (asked.next(), asked.next()) else {
            let help = "write one of open, stat, write, create, delete, exec, connect, unix";
            return Err(("a test asks one question".to_owned(), Some(help.to_owned())));
        };
        let question = Question::read(word, about.get_ref(), &[], expansion)?;
        let place = Place {
            source: std::sync::Arc::clone(&place.source),
            span: about.span(),
        };
        Ok(Self {
            question,
            expect: entry.expect,
            at: place.rule(word, about.get_ref()),
            shown: Diagnostic::new(Severity::Error, &place.source, &place.span, "", None),
        })
    }

    /// What is told about an outcome that was not the one expected.
    pub fn failure(&self, outcome: &TestOutcome) -> Diagnostic {
        let explanation = &outcome.explanation;
        let word = |expect| match expect {
            Expect::Allow => "allowed",
            Expect::Deny => "denied",
            Expect::Hide => "hidden",
        };
        let got = word(answered(explanation.verdict));
        let by = explanation.rule.as_ref().map_or_else(String::new, |rule| {
            format!(
                ", by {} = \"{}\" ({}:{}:{})",
                rule.key, rule.text, rule.document, rule.line, rule.column
            )
        });
        Diagnostic {
            message: format!(
                "the test failed: `{}` is {got}, not {}: {}{by}",
                self.at.key,
                word(self.expect),
                explanation.reason
            ),
            help: Some(format!(
                "to change the verdict, {}; or correct the test",
                explanation.change
            )),
            ..self.shown.clone()
        }
    }

    /// Asks the policy. The machine's own addresses are taken as none.
    pub fn run(&self, policy: &Policy) -> TestOutcome {
        let explanation = policy.explain(&self.question, &[]);
        TestOutcome {
            passed: answered(explanation.verdict) == self.expect,
            explanation,
        }
    }
}

/// A verdict as a test expects it.
fn answered(verdict: Verdict) -> Expect {
    match verdict {
        Verdict::Allow(_) => Expect::Allow,
        Verdict::Deny(Denial {
            reason: Reason::Hidden,
            ..
        }) => Expect::Hide,
        Verdict::Deny(_) => Expect::Deny,
    }
}
