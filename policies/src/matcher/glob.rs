//! Patterns of one component or one argument: literal bytes, `?` (one byte), `*`
//! (any bytes, none too), `[a-z]` and `[!a-z]`, and `\` before a byte meant literally.

use serde::{Deserialize, Serialize};

/// Why text is not a pattern. Each says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GlobError {
    #[error("the class `[` is not closed (a literal bracket is written `\\[`)")]
    OpenClass,
    #[error("the class `[]` is empty (a literal bracket is written `\\[`)")]
    EmptyClass,
    #[error("the range `{0}-{1}` runs backwards")]
    Backwards(char, char),
    #[error("a class holds only ASCII characters")]
    ClassBytes,
    #[error("`\\` ends the pattern (a literal one is written `\\\\`)")]
    Escape,
    #[error(
        "alternatives in braces are not known: write one rule for each (a literal brace is written `\\{{`)"
    )]
    Braces,
    #[error("`**` stands alone between slashes")]
    Deep,
    #[error("the path is relative")]
    Relative,
    #[error("`~` is not expanded")]
    Tilde,
    #[error("a pattern that allows something begins with `/`")]
    OpenStart,
    #[error("`.` and `..` have no place in a rule: their meaning depends on links")]
    Dots,
    #[error("the path, or a component of it, is too long")]
    TooLong,
    #[error("the path contains a NUL byte")]
    Nul,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Token {
    Byte(u8),
    One,
    Any,
    Class {
        negated: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::One => true,
            Self::Any => false,
            Self::Class { negated, ranges } => {
                ranges
                    .iter()
                    .any(|&(low, high)| (low..=high).contains(&byte))
                    != *negated
            }
        }
    }
}

/// A compiled pattern of one component or argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Glob(Vec<Token>);

impl Glob {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, GlobError> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'*' => tokens.push(Token::Any),
                b'?' => tokens.push(Token::One),
                b'{' | b'}' => return Err(GlobError::Braces),
                b'[' => {
                    let (class, after) = parse_class(after)?;
                    tokens.push(class);
                    rest = after;
                }
                b'\\' => {
                    let (&literal, after) = after.split_first().ok_or(GlobError::Escape)?;
                    tokens.push(Token::Byte(literal));
                    rest = after;
                }
                _ => tokens.push(Token::Byte(byte)),
            }
        }
        Ok(Self(tokens))
    }

    /// The bytes, if it stands for exactly one text.
    pub(crate) fn literal(&self) -> Option<Vec<u8>> {
        let byte = |token: &Token| match token {
            Token::Byte(byte) => Some(*byte),
            _ => None,
        };
        self.0.iter().map(byte).collect()
    }

    /// Text that means these bytes; bytes that are not text become `?`.
    pub(crate) fn escaped(bytes: &[u8]) -> String {
        Self(bytes.iter().map(|&byte| Token::Byte(byte)).collect()).text()
    }

    /// Text that means the same; bytes that are not text become `?`.
    pub(crate) fn text(&self) -> String {
        let mut bytes = Vec::new();
        for token in &self.0 {
            match token {
                Token::Byte(byte) => {
                    if b"*?[]{}\\".contains(byte) {
                        bytes.push(b'\\');
                    }
                    bytes.push(*byte);
                }
                Token::One => bytes.push(b'?'),
                Token::Any => bytes.push(b'*'),
                Token::Class { negated, ranges } => {
                    bytes.extend_from_slice(if *negated { b"[!" } else { b"[" });
                    for (low, high) in ranges {
                        bytes.extend_from_slice(&[b'\\', *low, b'-', b'\\', *high]);
                    }
                    bytes.push(b']');
                }
            }
        }
        String::from_utf8_lossy(&bytes).replace('\u{fffd}', "?")
    }

    /// Whether two stars stand side by side.
    pub(crate) fn has_double_star(&self) -> bool {
        self.0
            .windows(2)
            .any(|pair| pair == [Token::Any, Token::Any])
    }

    /// Whether it is `*` alone.
    pub(crate) fn is_any(&self) -> bool {
        self.0 == [Token::Any]
    }

    /// Matches without allocation, in time bounded by the product of the lengths:
    /// only the last `*` is ever tried again.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let (mut tokens, mut text) = (self.0.as_slice(), text);
        let mut again: Option<(&[Token], &[u8])> = None;
        loop {
            match (tokens.split_first(), text.split_first()) {
                (Some((Token::Any, after)), _) => {
                    again = Some((after, text));
                    tokens = after;
                    continue;
                }
                (Some((token, after)), Some((&byte, rest))) if token.takes(byte) => {
                    (tokens, text) = (after, rest);
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            let Some((after_star, from)) = again else {
                return false;
            };
            let Some((_, from)) = from.split_first() else {
                return false;
            };
            again = Some((after_star, from));
            (tokens, text) = (after_star, from);
        }
    }
}

fn parse_class(text: &[u8]) -> Result<(Token, &[u8]), GlobError> {
    let (negated, mut rest) = match text {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut ranges = Vec::new();
    loop {
        // A `]` that comes first is a member, as in glob(7).
        let (low, after) = match rest {
            [b']', after @ ..] if !ranges.is_empty() => {
                return Ok((Token::Class { negated, ranges }, after));
            }
            [b'\\', byte, after @ ..] => (*byte, after),
            [byte, after @ ..] => (*byte, after),
            [] if ranges.is_empty() => return Err(GlobError::EmptyClass),
            [] => return Err(GlobError::OpenClass),
        };
        let (high, after) = match after {
            [b'-', b']', ..] => (low, after),
            [b'-', b'\\', high, after @ ..] => (*high, after),
            [b'-', high, after @ ..] => (*high, after),
            _ => (low, after),
        };
        if !low.is_ascii() || !high.is_ascii() {
            return Err(GlobError::ClassBytes);
        }
        if low > high {
            return Err(GlobError::Backwards(char::from(low), char::from(high)));
        }
        ranges.push((low, high));
        rest = after;
    }
}
