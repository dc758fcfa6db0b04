//! Patterns of names and arguments, matched by trying everything.

/// One thing that a pattern of one component takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// This byte.
    Byte(u8),
    /// Any one byte.
    One,
    /// Any bytes, none too.
    Many,
    /// A byte of these, or with `true` none of these.
    Class(bool, Vec<u8>),
}

/// Reads a pattern of one component or argument; none if it is none.
pub fn parse_glob(text: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'{' | b'}' => return None,
            b'*' => tokens.push(Token::Many),
            b'?' => tokens.push(Token::One),
            b'\\' => {
                at += 1;
                tokens.push(Token::Byte(*text.get(at)?));
            }
            b'[' => {
                let (class, end) = parse_class(text, at + 1)?;
                tokens.push(class);
                at = end;
            }
            byte => tokens.push(Token::Byte(byte)),
        }
        at += 1;
    }
    Some(tokens)
}

/// Reads a class from behind its bracket; also where its closing bracket stands.
fn parse_class(text: &[u8], from: usize) -> Option<(Token, usize)> {
    let mut at = from;
    let negated = matches!(text.get(at)?, b'!' | b'^');
    if negated {
        at += 1;
    }
    let mut members = Vec::new();
    let mut first = true;
    loop {
        // A bracket that comes first is a member.
        if text.get(at)? == &b']' && !first {
            return Some((Token::Class(negated, members), at));
        }
        let member = |at: &mut usize| {
            if text.get(*at)? == &b'\\' && text.get(*at + 1).is_some() {
                *at += 1;
            }
            let byte = *text.get(*at)?;
            *at += 1;
            byte.is_ascii().then_some(byte)
        };
        let low = member(&mut at)?;
        let mut high = low;
        if text.get(at) == Some(&b'-') && text.get(at + 1).is_some_and(|&next| next != b']') {
            at += 1;
            high = member(&mut at)?;
        }
        if low > high {
            return None;
        }
        members.extend(low..=high);
        first = false;
    }
}

fn takes(tokens: &[Token], text: &[u8]) -> bool {
    let Some((token, after)) = tokens.split_first() else {
        return text.is_empty();
    };
    match (token, text.split_first()) {
        (Token::Many, None) => takes(after, text),
        (Token::Many, Some((_, rest))) => takes(after, text) || takes(tokens, rest),
        (_, None) => false,
        (Token::Byte(byte), Some((one, rest))) => byte == one && takes(after, rest),
        (Token::One, Some((_, rest))) => takes(after, rest),
        (Token::Class(negated, members), Some((one, rest))) => {
            members.contains(one) != *negated && takes(after, rest)
        }
    }
}

/// Whether a pattern takes a whole argument.
pub fn argument_matches(pattern: &[u8], argument: &[u8]) -> bool {
    takes(&parse_glob(pattern).unwrap(), argument)
}

/// The components of a pattern: `None` stands for `**`.
pub type Parts = Vec<Option<Vec<Token>>>;

/// Reads a pattern of names; none if it is none. Rules that deny may begin with `**/`.
pub fn parse_pattern(text: &[u8], denies: bool) -> Option<Parts> {
    let open = denies && text.starts_with(b"**/");
    if !(text.starts_with(b"/") || open) || text.contains(&0) {
        return None;
    }
    let mut parts = Parts::new();
    for part in text.split(|&byte| byte == b'/') {
        match part {
            b"" => {}
            b"**" => parts.push(None),
            b"." | b".." => return None,
            _ => {
                let tokens = parse_glob(part)?;
                if tokens
                    .windows(2)
                    .any(|pair| pair == [Token::Many, Token::Many])
                {
                    return None;
                }
                if [&b"."[..], b".."]
                    .iter()
                    .any(|dots| is_literally(&tokens, dots))
                {
                    return None;
                }
                parts.push(Some(tokens));
            }
        }
    }
    Some(parts)
}

fn is_literally(tokens: &[Token], text: &[u8]) -> bool {
    let literal = text.iter().map(|&byte| Token::Byte(byte));
    tokens.iter().cloned().eq(literal)
}

fn components(name: &[u8]) -> Vec<&[u8]> {
    let parts = name.split(|&byte| byte == b'/');
    parts.filter(|part| !part.is_empty()).collect()
}

fn all_match(parts: &[Option<Vec<Token>>], rest: &[&[u8]]) -> bool {
    match (parts.split_first(), rest.split_first()) {
        (None, _) => rest.is_empty(),
        (Some((None, after)), _) => (0..=rest.len()).any(|from| all_match(after, &rest[from..])),
        (Some((Some(_), _)), None) => false,
        (Some((Some(tokens), after)), Some((component, others))) => {
            takes(tokens, component) && all_match(after, others)
        }
    }
}

/// Whether a pattern takes an absolute name.
pub fn name_matches(parts: &Parts, name: &[u8]) -> bool {
    all_match(parts, &components(name))
}

/// Whether something below an absolute name could be taken by a pattern.
pub fn is_above(parts: &Parts, name: &[u8]) -> bool {
    let mut parts = parts.as_slice();
    for component in components(name) {
        match parts.split_first() {
            None => return false,
            Some((None, _)) => return true,
            Some((Some(tokens), _)) if !takes(tokens, component) => return false,
            Some((Some(_), after)) => parts = after,
        }
    }
    !parts.is_empty()
}
