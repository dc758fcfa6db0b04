//! A record as one line of JSON in which every control character is escaped.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::text::steers;

/// Compact JSON; what could steer a terminal is written as `\u….`, which any JSON reader undoes.
struct Careful;

impl Formatter for Careful {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|(_, one)| steers(*one)) {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = after.get(character.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// The line with its newline; `None` if it cannot be written, which records never are.
pub(super) fn line<T: Serialize>(record: &T) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(512);
    let mut serializer = Serializer::with_formatter(&mut bytes, Careful);
    record.serialize(&mut serializer).ok()?;
    bytes.push(b'\n');
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn control_characters_are_escaped_and_come_back() {
        let text = "a\n\u{1b}[31m\u{7f}\u{85}\u{9b}\u{202e}\u{e0041}\"\\é";
        let bytes = line(&text).unwrap();
        let written = std::str::from_utf8(&bytes).unwrap();
        let (body, end) = written.split_at(written.len() - 1);
        assert_eq!(end, "\n");
        assert!(!body.chars().any(super::steers), "{body:?}");
        assert!(body.contains("\\u202e") && body.contains('é'));
        let back: String = serde_json::from_str(body).unwrap();
        assert_eq!(back, text);
    }
}
