//! The filter compiler: whatever the rules, the program answers each call as the first rule
//! that takes it; and whatever the policy, what it says of a call is what is answered.
#![no_main]

use doorward_fuzz::{Cost, bounded, documents::parsed};
use doorward_policy::filter::{
    Action, Arch, CallData, Filter, FilterError, FilterRequest,
    fuzzing::{Condition, filter},
};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

/// Rules and instructions of seccompiler, several times while they are chained.
const COST: Cost = Cost {
    base: 1 << 20,
    each: 4 << 10,
};
const CALLS: [&str; 8] = [
    "read",
    "fcntl",
    "ioctl",
    "openat",
    "prctl",
    "sendto",
    "prlimit64",
    "mbind",
];
/// Of which some are compared with each other often.
const VALUES: [u64; 9] = [
    0,
    1,
    7,
    8,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0007,
    u64::MAX,
];

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), COST, || {
        let mut from = Unstructured::new(data);
        let _used_up = match from.arbitrary() {
            Ok(true) => rules(&mut from),
            _ => policy(&mut from),
        };
    });
});

fn value(from: &mut Unstructured<'_>) -> Result<u64> {
    match from.ratio(3, 4)? {
        true => Ok(*from.choose(&VALUES)?),
        false => from.arbitrary(),
    }
}

fn arch(from: &mut Unstructured<'_>) -> Result<Arch> {
    Ok(*from.choose(&[Arch::X86_64, Arch::Aarch64])?)
}

type Rule = (Action, &'static str, Vec<Condition>);

fn rule(from: &mut Unstructured<'_>) -> Result<Rule> {
    let action = match from.int_in_range(0..=3)? {
        0 => Action::Allow,
        1 => Action::Notify,
        2 => Action::Errno(from.int_in_range(0..=2)?),
        _ => Action::Kill,
    };
    let mut conditions = Vec::new();
    for _ in 0..from.int_in_range(0..=3)? {
        let mask = match from.ratio(1, 2)? {
            true => 0xffff_ffff,
            false => value(from)?,
        };
        conditions.push(Condition {
            argument: from.int_in_range(0..=5)?,
            mask,
            value: value(from)? & mask,
        });
    }
    Ok((action, *from.choose(&CALLS)?, conditions))
}

fn is_met(condition: &Condition, arguments: [u64; 6]) -> bool {
    arguments[usize::from(condition.argument)] & condition.mask == condition.value
}

/// What the rules mean. Those of one action in a row may be asked in any order.
fn meaning(arch: Arch, rules: &[Rule], call: &CallData, errno: u16) -> Action {
    if call.arch != arch.audit() {
        return Action::Kill;
    }
    if call.number >= 0x4000_0000 {
        return Action::Errno(38);
    }
    let taken = rules.iter().find(|(_, name, conditions)| {
        arch.number(name) == Some(call.number)
            && conditions.iter().all(|one| is_met(one, call.arguments))
    });
    taken.map_or(Action::Errno(errno), |(action, ..)| *action)
}

fn call(from: &mut Unstructured<'_>, arch: Arch, numbers: &[u32]) -> Result<CallData> {
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = value(from)?;
    }
    let number = match from.ratio(7, 8)? {
        true => *from.choose(numbers)?,
        false => from.arbitrary()?,
    };
    Ok(CallData {
        number,
        arch: match from.ratio(7, 8)? {
            true => arch.audit(),
            false => from.arbitrary()?,
        },
        pointer: from.arbitrary()?,
        arguments,
    })
}

fn rules(from: &mut Unstructured<'_>) -> Result<()> {
    let arch = arch(from)?;
    let mut rules = Vec::new();
    for _ in 0..from.int_in_range(0..=12)? {
        rules.push(rule(from)?);
    }
    let errno = from.int_in_range(0..=40)?;
    let program = match filter(arch, &rules, errno.into()) {
        Ok(program) => program,
        Err(error) => panic!("{error}: {rules:#?}"),
    };
    let numbers: Vec<u32> = CALLS.iter().filter_map(|name| arch.number(name)).collect();
    while !from.is_empty() {
        let call = call(from, arch, &numbers)?;
        let due = meaning(arch, &rules, &call, errno);
        assert_eq!(program.evaluate(&call), due, "{call:x?} {rules:#?}");
    }
    Ok(())
}

/// Calls that a policy names, with what becomes of them.
fn policy(from: &mut Unstructured<'_>) -> Result<()> {
    const NAMED: [&str; 20] = [
        "mbind",
        "prlimit64",
        "ioctl",
        "fcntl",
        "prctl",
        "personality",
        "clone",
        "getsockopt",
        "mmap",
        "mprotect",
        "read",
        "getrandom",
        "sched_setaffinity",
        "setpriority",
        "memfd_create",
        "kill",
        "openat",
        "socket",
        "ptrace",
        "unshare",
    ];
    const ERRNO: [(&str, u16); 3] = [("EPERM", 1), ("EACCES", 13), ("ENOSYS", 38)];
    let (mut allowed, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..from.int_in_range(0..=4)? {
        allowed.push(*from.choose(&NAMED)?);
    }
    for _ in 0..from.int_in_range(0..=2)? {
        let name = *from.choose(&NAMED)?;
        if refused.iter().all(|(other, _)| *other != name) {
            refused.push((name, *from.choose(&ERRNO)?));
        }
    }
    let map = *from.choose(&["never", "files", "jit"])?;
    let network = *from.choose(&[
        "",
        "connect = [\"tcp:192.0.2.1:80\"]",
        "unix = [\"/run/x\"]",
        "unix = [\"dgram:@x\"]",
    ])?;
    let list: Vec<_> = allowed
        .iter()
        .map(|name| format!("{{ name = \"{name}\", reason = \"x\" }}"))
        .collect();
    let mut table: Vec<_> = refused
        .iter()
        .map(|(name, (errno, _))| format!("{name} = \"{errno}\""))
        .collect();
    table.sort();
    let text = format!(
        "version = 1\n[code]\nmap = \"{map}\"\n[net]\n{network}\n[syscalls]\nallow = [{}]\nerrno = {{ {} }}\n",
        list.join(", "),
        table.join(", ")
    );
    let Ok(policy) = parsed(&text) else {
        return Ok(());
    };
    let arch = arch(from)?;
    let request = FilterRequest {
        policy: &policy,
        arch,
        notify: from.arbitrary()?,
        trap: false,
        network_namespace: from.arbitrary()?,
        processes: from.arbitrary()?,
        zygote: false,
    };
    let program = match Filter::assemble(&request) {
        Ok(program) => program,
        Err(FilterError::Forbidden(name)) => {
            assert!(allowed.contains(&name.as_str()));
            return Ok(());
        }
        Err(error) => panic!("{error}\n{text}"),
    };
    let numbers: Vec<u32> = NAMED.iter().filter_map(|name| arch.number(name)).collect();
    while !from.is_empty() {
        let call = call(from, arch, &numbers)?;
        let action = program.evaluate(&call);
        if call.arch != arch.audit() {
            assert_eq!(action, Action::Kill);
            continue;
        }
        assert!(
            !matches!(action, Action::Other(_)),
            "{call:x?} {action:?}\n{text}"
        );
        let name = arch.name(call.number).unwrap_or_default();
        if call.number >= 0x4000_0000 {
            assert_eq!(action, Action::Errno(38));
        } else if let Some((_, (_, errno))) = refused.iter().find(|(other, _)| *other == name) {
            assert_eq!(action, Action::Errno(*errno), "{call:x?}\n{text}");
        } else if allowed.contains(&name) {
            assert_eq!(action, Action::Allow, "{name} {call:x?}\n{text}");
        } else if ["ptrace", "unshare"].contains(&name) {
            assert_eq!(action, Action::Errno(1), "{name}");
        } else if name == "openat" {
            let due = if request.notify {
                Action::Notify
            } else {
                Action::Errno(13)
            };
            assert_eq!(action, due);
        }
    }
    Ok(())
}
