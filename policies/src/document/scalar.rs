//! Sizes, times and shares as they are written: `64MiB`, `30s`, `50%`.

use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A value written as text, or as a plain number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar(pub(crate) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Scalar;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a text such as \"64MiB\", \"30s\" or \"50%\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// What is wrong with a value, and what would be right.
pub(crate) type Bad = (&'static str, &'static str);

/// A whole number and its unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, Bad> {
    let bad = (
        "this is not a size",
        "write a whole number and a unit, such as \"64MiB\"",
    );
    let (number, unit) = split(text).ok_or(bad)?;
    let factor = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "TiB" | "T" => 1 << 40,
        _ => return Err(bad),
    };
    let size = number
        .checked_mul(factor)
        .filter(|&size| size <= i64::MAX as u64);
    match size {
        Some(0) => Err((
            "a limit of nothing stops every program",
            "leave the key out for no limit",
        )),
        Some(size) => Ok(size),
        None => Err(("this size is too large", "leave the key out for no limit")),
    }
}

/// Time.
pub(crate) fn time(text: &str) -> Result<Duration, Bad> {
    let bad = (
        "this is not a time",
        "write a whole number and a unit, such as \"500ms\", \"30s\", \"5m\" or \"1h\"",
    );
    let (number, unit) = split(text).ok_or(bad)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad),
    };
    match number.checked_mul(milliseconds) {
        Some(0) => Err((
            "a limit of nothing stops every program",
            "leave the key out for no limit",
        )),
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        None => Err(("this time is too long", "leave the key out for no limit")),
    }
}

/// Percent of one processor.
pub(crate) fn percent(text: &str) -> Result<u32, Bad> {
    let bad = (
        "this is not a share",
        "write percent of one processor, such as \"50%\"",
    );
    match split(text).ok_or(bad)? {
        (0, "%") => Err((
            "a limit of nothing stops every program",
            "leave the key out for no limit",
        )),
        (number, "%") => u32::try_from(number).map_err(|_| bad),
        _ => Err(bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_their_units() {
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("100"), Ok(100));
        assert_eq!(bytes("2 kB"), Ok(2000));
        assert!(bytes("64 mib").is_err());
        assert!(bytes("-1").is_err());
        assert!(bytes("0").is_err());
        assert!(bytes("9999999999999 TiB").is_err());
        assert_eq!(time("1m"), Ok(Duration::from_secs(60)));
        assert!(time("30").is_err());
        assert_eq!(percent("150%"), Ok(150));
        assert!(percent("50").is_err());
    }
}
