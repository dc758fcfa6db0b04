//! The parser of tar archives, in the worker. It reads what others wrote.

use serde::{Deserialize, Serialize};

const BLOCK: usize = 512;
/// Longest name that is taken, as the GNU extension has it.
const LONGEST: usize = 4096;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Its name, as the archive has it.
    pub(crate) name: Vec<u8>,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its kind, as the archive has it.
    pub(crate) kind: u8,
}

/// What an archive holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) members: Vec<Member>,
    /// There are more than was asked for.
    pub(crate) more: bool,
}

/// Why an archive is refused, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it ends in the middle of an entry at byte {0}")]
    Truncated(u64),
    #[error("the checksum at byte {0} is wrong")]
    Checksum(u64),
    #[error("a number at byte {0} is none")]
    Number(u64),
    #[error("a name at byte {0} is too long")]
    Name(u64),
}

/// Lists at most so many entries.
pub(crate) fn list(archive: &[u8], most: usize) -> Result<Listing, Refused> {
    let mut listing = Listing::default();
    let mut place = 0_usize;
    let mut long_name = None;
    while let Some(rest) = archive.get(place..).filter(|rest| !rest.is_empty()) {
        let at = u64::try_from(place).unwrap_or(u64::MAX);
        let Some(header) = rest.first_chunk::<BLOCK>() else {
            return Err(Refused::Truncated(at));
        };
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        check(header).ok_or(Refused::Checksum(at))?;
        let size = number(field(header, 124, 12)).ok_or(Refused::Number(at))?;
        let kind = header.get(156).copied().unwrap_or(0);
        let length = usize::try_from(size).map_err(|_| Refused::Number(at))?;
        let begin = place.checked_add(BLOCK).ok_or(Refused::Number(at))?;
        let end = begin.checked_add(length).ok_or(Refused::Number(at))?;
        let data = archive.get(begin..end).ok_or(Refused::Truncated(at))?;
        place = end
            .checked_next_multiple_of(BLOCK)
            .ok_or(Refused::Number(at))?;
        match kind {
            b'L' if length > LONGEST => return Err(Refused::Name(at)),
            b'L' => long_name = Some(text(data).to_vec()),
            // What says more of the next entry, or of all.
            b'x' | b'g' | b'K' => {}
            _ if listing.members.len() >= most => {
                listing.more = true;
                break;
            }
            _ => listing.members.push(Member {
                name: long_name.take().unwrap_or_else(|| name(header)),
                size,
                kind,
            }),
        }
    }
    Ok(listing)
}

fn field(header: &[u8; BLOCK], from: usize, length: usize) -> &[u8] {
    let end = from.saturating_add(length);
    header.get(from..end).unwrap_or_default()
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits, or with the first bit set a big-endian number.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        let begin = u64::from(first & 0x7f);
        let more = |sum: u64, byte: &u8| sum.checked_mul(256)?.checked_add(u64::from(*byte));
        return rest.iter().try_fold(begin, more);
    }
    let digits = text(field).trim_ascii();
    let more = |sum: u64, byte: &u8| match byte {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u64::from(byte & 7)),
        _ => None,
    };
    digits.iter().try_fold(0, more)
}

/// Whether the header is what its checksum says.
fn check(header: &[u8; BLOCK]) -> Option<()> {
    let said = number(field(header, 148, 8))?;
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        })
        .sum();
    (said == sum).then_some(())
}

fn name(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(field(header, 0, 100));
    let prefix = match field(header, 257, 6) {
        b"ustar\0" => text(field(header, 345, 155)),
        _ => &[],
    };
    match prefix {
        [] => name.to_vec(),
        _ => [prefix, b"/", name].concat(),
    }
}
