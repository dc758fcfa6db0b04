//! Bytes of a sandboxee, as records and messages show them.

use serde::{Deserialize, Serialize};

/// Text as it is, or bytes that are not UTF-8 as base64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// UTF-8.
    Plain(String),
    /// Anything else.
    Encoded {
        /// The bytes, with the alphabet of RFC 4648 section 4, padded.
        base64: String,
    },
}

impl Text {
    /// Takes at most `most` bytes of it.
    pub(super) fn cut(bytes: &[u8], most: usize) -> Self {
        Self::from(bytes.get(..most).unwrap_or(bytes))
    }

    /// For a terminal: nothing in it can steer one, at most 200 characters.
    pub fn shown(&self) -> String {
        const MOST: usize = 200;
        let plain = match self {
            Self::Plain(text) => text.as_str(),
            Self::Encoded { base64 } => return format!("base64:{}", first(base64, MOST)),
        };
        let mut shown = String::new();
        for character in plain.chars().take(MOST) {
            if steers(character) {
                shown.extend(character.escape_unicode());
            } else {
                shown.push(character);
            }
        }
        if plain.chars().nth(MOST).is_some() {
            shown.push('…');
        }
        shown
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Plain(text.to_owned()),
            Err(_) => Self::Encoded {
                base64: base64(bytes),
            },
        }
    }
}

fn first(text: &str, most: usize) -> &str {
    text.get(..most).unwrap_or(text)
}

/// Whether a character could steer a terminal or reorder what is read on it.
pub(super) fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        || matches!(character, '\u{e0000}'..='\u{e007f}')
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0_u8; 4];
        for (to, from) in word.iter_mut().skip(1).zip(chunk) {
            *to = *from;
        }
        let word = u32::from_be_bytes(word);
        for (place, shift) in [18_u32, 12, 6, 0].into_iter().enumerate() {
            let index = usize::try_from(word.wrapping_shr(shift) & 63).unwrap_or(0);
            let letter = ALPHABET.get(index).copied().unwrap_or(b'=');
            text.push(char::from(if place > chunk.len() { b'=' } else { letter }));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"fooba", "Zm9vYmE="),
            (b"foobar", "Zm9vYmFy"),
            (b"\xff\xfe\xfd", "//79"),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn what_is_not_utf8_says_so() {
        assert_eq!(Text::from(&b"/a b"[..]), Text::Plain("/a b".into()));
        let encoded = Text::from(&b"/\xff"[..]);
        assert_eq!(
            serde_json::to_string(&encoded).unwrap(),
            r#"{"base64":"L/8="}"#
        );
        let back: Text = serde_json::from_str(r#"{"base64":"L/8="}"#).unwrap();
        assert_eq!(back, encoded);
    }

    #[test]
    fn nothing_shown_steers_a_terminal() {
        let shown = Text::from("/\u{1b}[2J\n\u{9b}\u{202e}é\u{7f}".as_bytes()).shown();
        assert!(!shown.chars().any(steers), "{shown:?}");
        assert!(shown.starts_with("/\\u{1b}[2J\\u{a}") && shown.contains('é'));
        let long = Text::from("x".repeat(5000).as_bytes()).shown();
        assert!(long.chars().count() <= 201 && long.ends_with('…'));
    }
}
