//! What holds in a sandbox that is about to be served: cheap facts, for its first audit
//! record. `doctor` finds more, by trying.

use doorward_policy::{Policy, policy::CodeMap};

use super::{Layer, Level};
use crate::{
    audit::Start,
    limits::{self, Facts},
    sys::landlock,
    tenant::Tenant,
};

/// The first record of a sandbox whose launcher has locked itself down: seccomp and
/// Landlock held, or it would not have started.
pub(crate) fn start(policy: &Policy, front: &str, facts: Facts, tenant: Option<Tenant>) -> Start {
    let namespaces = facts.namespaces;
    let separate = namespaces.available;
    let within = if namespaces.user {
        "within a user namespace"
    } else {
        "as root"
    };
    let layer = |name: &str, held: bool, found: Option<String>| Layer {
        name: name.to_owned(),
        held,
        found,
        needs: None,
        lost: None,
    };
    let abi = landlock::abi().ok();
    let user = tenant.map(|tenant| format!("user and group {}", tenant.number()));
    let refuses_code = policy.code != CodeMap::Jit;
    Start {
        policy: policy.name.clone(),
        front: front.to_owned(),
        level: Level::of(namespaces),
        layers: vec![
            layer("seccomp", true, None),
            layer("landlock", true, abi.map(|abi| format!("ABI {abi}"))),
            layer("namespaces", separate, separate.then(|| within.to_owned())),
            layer("view", separate, None),
            layer("network", separate, None),
            layer("mdwe", refuses_code, None),
            layer("cgroup", facts.group, None),
            layer("identity", tenant.is_some(), user),
        ],
        limits: limits::of(policy, facts),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
