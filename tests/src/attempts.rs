//! How often races are tried: as `$DOORWARD_RACE_ATTEMPTS` says in the long tier.

use std::time::Duration;

fn asked() -> Option<u32> {
    let text = std::env::var("DOORWARD_RACE_ATTEMPTS").ok()?;
    Some(text.parse().expect("DOORWARD_RACE_ATTEMPTS is a number"))
}

/// How often to try, as an argument; `usual` if nothing is asked for.
#[must_use]
pub fn attempts(usual: u32) -> String {
    asked().unwrap_or(usual).to_string()
}

/// The longest that as many attempts may take: a millisecond each.
#[must_use]
pub fn longest() -> Duration {
    Duration::from_millis(asked().unwrap_or_default().into())
}
