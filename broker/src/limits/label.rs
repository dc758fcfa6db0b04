//! Names that say which process made something, so that what a dead one left behind can
//! be told from what a live one uses.

use rustix::io::Errno;

const PREFIX: &str = "doorward";

/// A process: the pid namespace it is in, its number and when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    namespace: u64,
    process: u32,
    started: u64,
}

/// A new name, told apart by 64 random bits.
pub(crate) fn new() -> Result<String, Errno> {
    let mut random = [0_u8; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let own = Owner::of(std::process::id()).ok_or(Errno::SRCH)?;
    Ok(format!(
        "{PREFIX}-{}-{}-{}-{:016x}",
        own.namespace,
        own.process,
        own.started,
        u64::from_ne_bytes(random)
    ))
}

/// Whether the name is one of ours and its maker is known to be dead: it was in this
/// process's pid namespace, and no process has its number now, or a younger one has.
pub(crate) fn is_stale(name: &str) -> bool {
    let Some(owner) = parse(name) else {
        return false;
    };
    if namespace() != Some(owner.namespace) {
        return false;
    }
    match Owner::of(owner.process) {
        Some(now) => now.started > owner.started,
        // Not to be read is not the same as not there.
        None => !std::fs::exists(format!("/proc/{}", owner.process)).unwrap_or(true),
    }
}

fn parse(name: &str) -> Option<Owner> {
    let mut parts = name.strip_prefix(PREFIX)?.strip_prefix('-')?.split('-');
    let owner = Owner {
        namespace: parts.next()?.parse().ok()?,
        process: parts.next()?.parse().ok()?,
        started: parts.next()?.parse().ok()?,
    };
    let random = parts.next()?;
    (random.len() == 16 && parts.next().is_none()).then_some(owner)
}

fn namespace() -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/ns/pid")
        .ok()
        .map(|status| status.ino())
}

impl Owner {
    fn of(process: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The second field may hold anything; it ends with the last parenthesis.
        let (_, rest) = text.rsplit_once(')')?;
        Some(Self {
            namespace: namespace()?,
            process,
            started: rest.split_whitespace().nth(19)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_are_left_alone() {
        let name = new().unwrap();
        assert_eq!(parse(&name), Owner::of(std::process::id()));
        assert!(!is_stale(&name));
    }

    #[test]
    fn the_dead_are_known_by_number_and_start() {
        let own = Owner::of(std::process::id()).unwrap();
        let named = |owner: Owner| {
            format!(
                "{PREFIX}-{}-{}-{}-0123456789abcdef",
                owner.namespace, owner.process, owner.started
            )
        };
        assert!(!is_stale(&named(own)));
        let earlier = Owner {
            started: own.started - 1,
            ..own
        };
        assert!(is_stale(&named(earlier)));
        let nobody = Owner {
            process: 4_000_000_000,
            ..own
        };
        assert!(is_stale(&named(nobody)));
        let elsewhere = Owner {
            namespace: 1,
            ..nobody
        };
        assert!(!is_stale(&named(elsewhere)));
    }

    #[test]
    fn names_of_others_are_none_of_ours() {
        for name in [
            "",
            "doorward",
            "doorward-",
            "doorward-1-2-3",
            "doorward-1-2-3-short",
            "doorward-1-2-3-0123456789abcdef-",
            "other-1-2-3-0123456789abcdef",
            "doorward-x-2-3-0123456789abcdef",
        ] {
            assert!(parse(name).is_none() && !is_stale(name), "{name}");
        }
    }
}
