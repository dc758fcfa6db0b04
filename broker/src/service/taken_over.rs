//! A broker that was taken over: it does whatever a sandboxee says, without asking a policy.
//! Only the build with `--cfg doorward_control="taken-over"` has it.
//!
//! The order is the name that a readlink(2) asks for, the answer is what it reads: after
//! [`MARK`] system calls with `;` between them, each a number and its arguments with `,`
//! between them.
//!
//! | argument | passed |
//! |---|---|
//! | `-7` | the number |
//! | `%2` | what call 2 of this order returned, counted from 0 |
//! | `'6162` | the address of these bytes and a NUL |
//! | `+64` | the address of so many zeros, which are answered as they are afterwards |
//! | `=4096:64` | the address of an `iovec`: 64 bytes at 4096 |
//! | `<64` | the address of an `iovec` of so many zeros of its own, answered likewise |

use doorward_protocol::{Request, request::PathArgument};

use crate::sys::taken_over::call;

/// What an order begins with.
const MARK: &str = "/taken-over/";

/// What a test looks for in a binary.
#[used]
static OBEDIENT: &str = "this doorward's broker does what a sandboxee says";

/// Does what a request orders, if it is an order.
pub(super) fn obey(request: &Request<'_>) -> Option<Vec<u8>> {
    let Request::Readlink {
        path: PathArgument { bytes, .. },
    } = request
    else {
        return None;
    };
    let order = std::str::from_utf8(bytes).ok()?.strip_prefix(MARK)?;
    let mut returned = Vec::new();
    let mut told = Vec::new();
    for one in order.split(';') {
        let (result, shown) = perform(one, &returned);
        returned.push(result);
        told.push(format!("{result}{shown}"));
    }
    Some(told.join(";").into_bytes())
}

/// One call: what it returned, and its buffers in hexadecimal.
fn perform(order: &str, returned: &[i64]) -> (i64, String) {
    let mut kept: Vec<(Vec<u8>, bool)> = Vec::new();
    let mut words = order.split(',');
    let number = words.next().and_then(|word| word.parse().ok());
    let mut arguments = [0; 6];
    for (place, word) in arguments.iter_mut().zip(words) {
        *place = argument(word, returned, &mut kept).unwrap_or_default();
    }
    let result = call(number.unwrap_or(-1), arguments);
    let shown = kept.iter().filter(|(_, answered)| *answered);
    let shown = shown.map(|(bytes, _)| format!(":{}", hexadecimal(bytes)));
    (result, shown.collect())
}

fn argument(word: &str, returned: &[i64], kept: &mut Vec<(Vec<u8>, bool)>) -> Option<i64> {
    let mut keep = |bytes: Vec<u8>, answered| {
        let address = i64::try_from(bytes.as_ptr().addr()).ok();
        kept.push((bytes, answered));
        address
    };
    let vector = |address: i64, length: i64| [address.to_ne_bytes(), length.to_ne_bytes()].concat();
    if let Some(word) = word.strip_prefix('%') {
        returned.get(word.parse::<usize>().ok()?).copied()
    } else if let Some(word) = word.strip_prefix('\'') {
        let mut bytes = read(word)?;
        bytes.push(0);
        keep(bytes, false)
    } else if let Some(word) = word.strip_prefix('+') {
        keep(vec![0; word.parse().ok()?], true)
    } else if let Some(word) = word.strip_prefix('=') {
        let (address, length) = word.split_once(':')?;
        let (address, length) = (address.parse().ok()?, length.parse().ok()?);
        keep(vector(address, length), false)
    } else if let Some(word) = word.strip_prefix('<') {
        let length: i64 = word.parse().ok()?;
        let address = keep(vec![0; usize::try_from(length).ok()?], true)?;
        keep(vector(address, length), false)
    } else {
        word.parse().ok()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
        .collect()
}
