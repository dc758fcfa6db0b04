//! What is wrong or odd in a policy as a whole: unreachable and contradictory rules,
//! rules that reach too far, risky system calls without a reason, names whose parents
//! others can rename.

use crate::compile::{Finished, PathRule};
use crate::document::diagnostic::Place;
use crate::matcher::Kind;

/// Rules are compared pairwise up to this many; larger policies are machine-made.
const COMPARED: usize = 2000;

/// Directories that a rule with `**` should not take as a whole.
const WIDE: [&[u8]; 6] = [b"/", b"/usr", b"/etc", b"/home", b"/var", b"/root"];

/// Directories in which anybody may make and rename entries.
const SHARED: [&[u8]; 3] = [b"/tmp", b"/var/tmp", b"/dev/shm"];

/// System calls that open much of the kernel or of other processes.
const RISKY: [&str; 38] = [
    "acct",
    "add_key",
    "bpf",
    "clone3",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "mount",
    "move_mount",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "reboot",
    "request_key",
    "setns",
    "umount2",
    "unshare",
    "userfaultfd",
];

/// Adds its findings to those of the compiler.
pub(crate) fn look_over(finished: &mut Finished) {
    risky_calls(finished);
    let paths = finished.policy.compiled.paths.clone();
    for rule in &paths {
        too_wide(finished, rule);
        shared_parent(finished, rule);
    }
    if paths.len() <= COMPARED {
        let places = std::mem::take(&mut finished.places);
        pairs(finished, &paths, &places);
        finished.places = places;
    }
    network(finished);
}

fn place(finished: &Finished, rule: crate::RuleId) -> Option<Place> {
    place_in(&finished.places, rule).cloned()
}

fn place_in(places: &[Place], rule: crate::RuleId) -> Option<&Place> {
    places.get(usize::try_from(rule.0).ok()?)
}

fn risky_calls(finished: &mut Finished) {
    for (name, place) in std::mem::take(&mut finished.unreasoned) {
        if RISKY.contains(&name.as_str()) {
            let help = format!("write {{ name = \"{name}\", reason = \"…\" }}");
            let message = format!("`{name}` is risky and has no reason");
            finished.findings.error(&place, message, Some(help));
        }
    }
}

fn is_profile(place: &Place) -> bool {
    place.source.name.starts_with("builtin:")
}

fn too_wide(finished: &mut Finished, rule: &PathRule) {
    let prefix = rule.pattern.prefix();
    let Some(place) = place(finished, rule.rule).filter(|place| !is_profile(place)) else {
        return;
    };
    if rule.kind.allows() && rule.pattern.is_deep() && WIDE.contains(&prefix.as_bytes()) {
        let message = format!("this rule reaches everything below `{prefix}` that its globs match");
        let help = "name the directories that are needed".to_owned();
        finished.findings.warning(&place, message, Some(help));
    }
}

fn shared_parent(finished: &mut Finished, rule: &PathRule) {
    let prefix = rule.pattern.prefix();
    let shared = SHARED.iter().any(|directory| {
        let rest = prefix.as_bytes().strip_prefix(*directory);
        rest.is_some_and(|rest| rest.starts_with(b"/"))
    });
    let Some(place) = place(finished, rule.rule).filter(|place| !is_profile(place)) else {
        return;
    };
    if rule.kind.allows() && shared {
        let message = format!("anybody may make `{prefix}` or rename what lies above it");
        let help = "use a directory of your own, or fs.scratch".to_owned();
        finished.findings.warning(&place, message, Some(help));
    }
}

/// Every pair of rules is looked at whenever a policy is loaded, so nothing is made before
/// there is a finding.
fn pairs(finished: &mut Finished, paths: &[PathRule], places: &[Place]) {
    for (at, rule) in paths.iter().enumerate() {
        let Some(place_of_rule) = place_in(places, rule.rule) else {
            continue;
        };
        for (other_at, other) in paths.iter().enumerate() {
            let Some(place_of_other) = place_in(places, other.rule) else {
                continue;
            };
            // A document may well narrow what it includes.
            let together = std::sync::Arc::ptr_eq(&place_of_rule.source, &place_of_other.source);
            if at == other_at || !together {
                continue;
            }
            let line = || place_of_other.rule("", "").line;
            if rule.kind.allows() && !other.kind.allows() && other.pattern.includes(&rule.pattern) {
                let word = if other.kind == Kind::Deny {
                    "deny"
                } else {
                    "hide"
                };
                let line = line();
                let message = format!(
                    "contradictory: line {line} takes away all that this rule gives ({word})"
                );
                let help = "keep one of the two".to_owned();
                finished.findings.error(place_of_rule, message, Some(help));
                break;
            }
            if rule.kind == other.kind
                && rule.kind != Kind::Spawn
                && other.pattern.includes(&rule.pattern)
            {
                let twice = rule.pattern == other.pattern;
                let same_text = text(finished, rule) == text(finished, other);
                if twice && other_at < at && same_text {
                    let message = format!("unreachable: line {} says the same", line());
                    let help = "take it out".to_owned();
                    finished.findings.error(place_of_rule, message, Some(help));
                    break;
                }
                // A literal name may be meant for a mount that globs do not reach.
                if !twice && !rule.pattern.is_literal() {
                    let message = format!("line {} already covers this rule", line());
                    finished.findings.warning(place_of_rule, message, None);
                    break;
                }
            }
            if rule.kind == Kind::Spawn
                && other.kind == Kind::Execute
                && other.pattern.includes(&rule.pattern)
            {
                let line = line();
                let message =
                    format!("contradictory: line {line} lets the program start with any arguments");
                let help = "keep one of the two".to_owned();
                finished.findings.error(place_of_rule, message, Some(help));
                break;
            }
        }
        let deep =
            (!rule.kind.allows() && rule.pattern.is_literal()).then(|| rule.pattern.with_deep());
        if let Some(deep) = deep
            && paths
                .iter()
                .any(|other| other.kind.allows() && other.pattern.includes(&deep))
        {
            let message = "this names one entry, and rules reach what lies below it";
            let help = "write `/**` behind it if it is a directory".to_owned();
            if rule_is_directory_like(rule) {
                finished
                    .findings
                    .warning(place_of_rule, message, Some(help));
            }
        }
    }
}

/// A last component without a dot is often a directory; with one, rarely.
fn rule_is_directory_like(rule: &PathRule) -> bool {
    let prefix = rule.pattern.prefix();
    prefix.leaf().is_some_and(|leaf| {
        let name = leaf
            .as_bytes()
            .strip_prefix(b".")
            .unwrap_or(leaf.as_bytes());
        !name.contains(&b'.')
    })
}

fn text(finished: &Finished, rule: &PathRule) -> Option<String> {
    Some(finished.policy.rule(rule.rule)?.text.clone())
}

fn network(finished: &mut Finished) {
    for rule in finished.policy.compiled.tcp.clone() {
        let Some(place) = place(finished, rule.rule) else {
            continue;
        };
        let whole_network = rule
            .network()
            .is_some_and(|network| network.prefix_len() == 0);
        let all_ports = rule.ports.first == 1 && rule.ports.last == u16::MAX;
        if whole_network {
            let help = "write `*`, and a rule of its own for each special range".to_owned();
            let message = "this network reaches no special range, such as private addresses";
            finished.findings.warning(&place, message, Some(help));
        }
        if all_ports && (whole_network || rule.hosts == crate::network::Hosts::Any) {
            let message = "this rule reaches every port of every ordinary address";
            let help = "name the ports, such as `tcp:*:443`".to_owned();
            finished.findings.warning(&place, message, Some(help));
        }
    }
}
