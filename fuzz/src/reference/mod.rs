//! Slow statements of what rules mean, written from docs/POLICY.md and docs/NETWORK.md
//! without a look at the code that decides.

mod address;
mod names;
mod policy;

pub use address::{Hosts, Socket, reaches, socket};
pub use names::{argument_matches, is_above, name_matches, parse_glob, parse_pattern};
pub use policy::{Access, Decision, Kind, Rules};
