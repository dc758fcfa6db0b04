//! Policy documents from bytes, together with what they mean.

use std::path::Path;

use doorward_policy::{Expansion, Policy, PolicyErrors};
use libfuzzer_sys::arbitrary::{Result, Unstructured};

use crate::reference::{Kind, Rules};

/// Lists of a document, with what their rules give.
pub const LISTS: [(&str, &str, Kind); 9] = [
    ("fs", "read", Kind::Read),
    ("fs", "write", Kind::Write),
    ("fs", "create", Kind::Create),
    ("fs", "delete", Kind::Delete),
    ("fs", "special", Kind::Special),
    ("fs", "deny", Kind::Deny),
    ("fs", "hide", Kind::Hide),
    ("net", "unix", Kind::Unix),
    ("exec", "allow", Kind::Execute),
];

/// A document.
#[derive(Debug, Default)]
pub struct Document {
    lists: [Vec<String>; LISTS.len()],
    programs: Vec<(String, Vec<String>)>,
    scratch: bool,
}

impl Document {
    /// Of so many rules at most.
    ///
    /// # Errors
    /// The bytes are used up.
    pub fn arbitrary(from: &mut Unstructured<'_>, most: usize) -> Result<Self> {
        let mut document = Self {
            scratch: from.arbitrary()?,
            ..Self::default()
        };
        for _ in 0..from.int_in_range(0..=most)? {
            let list = from.choose_index(LISTS.len() + 1)?;
            let text = pattern(from)?;
            match document.lists.get_mut(list) {
                Some(list) => list.push(text),
                None => document.programs.push((text, arguments(from)?)),
            }
        }
        Ok(document)
    }

    /// Adds a rule to the list of this number in [`LISTS`].
    pub fn add(&mut self, list: usize, pattern: &str) {
        self.lists[list].push(pattern.to_owned());
    }

    /// Adds a program with `args`.
    pub fn add_program(&mut self, pattern: String, arguments: Vec<String>) {
        self.programs.push((pattern, arguments));
    }

    /// The document itself.
    pub fn text(&self) -> String {
        let mut text = "version = 1\nname = \"fuzzed\"\n".to_owned();
        for table in ["fs", "net", "exec"] {
            text.push_str(&format!("[{table}]\n"));
            for ((of, key, _), list) in LISTS.iter().zip(&self.lists) {
                if *of == table && !list.is_empty() {
                    text.push_str(&format!("{key} = {}\n", quoted_list(list)));
                }
            }
            if table == "fs" && self.scratch {
                text.push_str("scratch = \"1MiB\"\n");
            }
        }
        for (path, arguments) in &self.programs {
            let (path, arguments) = (quoted(path), quoted_list(arguments));
            text.push_str(&format!(
                "[[exec.program]]\npath = {path}\nargs = {arguments}\n"
            ));
        }
        text
    }

    /// What it means; none if a pattern in it is none.
    pub fn rules(&self) -> Option<Rules> {
        let mut rules = Rules::default();
        rules.scratch = self.scratch;
        let mut good = true;
        for ((_, _, kind), list) in LISTS.iter().zip(&self.lists) {
            for pattern in list {
                good &= rules.add(*kind, pattern.as_bytes());
            }
        }
        for (path, arguments) in &self.programs {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|one| one.as_bytes().to_vec())
                .collect();
            good &= rules.add_program(path.as_bytes(), &arguments);
        }
        good.then_some(rules)
    }

    /// Compiles it, and holds the compiler to what is a pattern and what is not. None if it
    /// is refused for that, or since its rules contradict each other.
    pub fn compiled(&self) -> Option<(Policy, Rules)> {
        match (parsed(&self.text()), self.rules()) {
            (Ok(policy), Some(rules)) => Some((policy, rules)),
            (Ok(_), None) => panic!("taken, though a pattern is none:\n{}", self.text()),
            (Err(_), None) => None,
            (Err(PolicyErrors::Document(errors)), Some(_))
                if errors.iter().all(|error| {
                    error.message.starts_with("contradictory")
                        || error.message.starts_with("unreachable")
                }) =>
            {
                None
            }
            (Err(errors), Some(_)) => panic!("refused: {errors}\n{}", self.text()),
        }
    }
}

/// The policy of a document that includes nothing.
///
/// # Errors
/// [`PolicyErrors`].
pub fn parsed(text: &str) -> std::result::Result<Policy, PolicyErrors> {
    let expansion = Expansion {
        cwd: Some("/srv/work".into()),
        home: Some("/home/somebody".into()),
        uid: 1000,
    };
    // Includes are relative to a directory that has none, so that no file is read.
    let nowhere = Path::new("/proc/1/fdinfo");
    Policy::parse(text, "fuzzed.toml", nowhere, &expansion).map(|loaded| loaded.policy)
}

fn quoted_list(list: &[String]) -> String {
    let quoted: Vec<_> = list.iter().map(|one| quoted(one)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A basic string of TOML.
pub fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
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

/// A pattern of names, mostly a good one.
fn pattern(from: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    if from.ratio(1, 12)? {
        text.push_str("**");
    }
    for _ in 0..from.int_in_range(1..=4)? {
        text.push('/');
        text.push_str(&component(from)?);
    }
    Ok(text)
}

fn component(from: &mut Unstructured<'_>) -> Result<String> {
    const COMMON: [&str; 16] = [
        "a", "b", "ab", "aab", "tmp", "var", "*", "?", "**", "a*", "*b", "[ab]", "[!a]", "a*b",
        "?b", "",
    ];
    if from.ratio(3, 4)? {
        return Ok((*from.choose(&COMMON)?).to_owned());
    }
    glob(from)
}

/// A pattern of one component or argument, good or not.
pub fn glob(from: &mut Unstructured<'_>) -> Result<String> {
    const LETTERS: [char; 16] = [
        'a', 'b', 'c', '*', '?', '[', ']', '!', '-', '\\', '^', '.', 'é', '{', '\u{1}', '~',
    ];
    let length = from.int_in_range(0..=7)?;
    (0..length)
        .map(|_| from.choose(&LETTERS).copied())
        .collect()
}

/// Patterns of arguments.
pub fn arguments(from: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let mut patterns = Vec::new();
    for _ in 0..from.int_in_range(0..=4)? {
        patterns.push(match from.ratio(1, 4)? {
            true => "**".to_owned(),
            false => glob(from)?,
        });
    }
    Ok(patterns)
}

/// A name, as a sandboxee may ask for it.
pub fn name(from: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    const COMMON: [&[u8]; 14] = [
        b"a",
        b"b",
        b"ab",
        b"aab",
        b"tmp",
        b"var",
        b"abb",
        b"*",
        b"[",
        b"\\",
        b".a",
        b"\xff",
        b"\xc3\xa9",
        b"-",
    ];
    let mut name = Vec::new();
    for _ in 0..from.int_in_range(0..=4)? {
        name.push(b'/');
        name.extend_from_slice(from.choose(&COMMON)?);
    }
    if name.is_empty() {
        name.push(b'/');
    }
    Ok(name)
}
