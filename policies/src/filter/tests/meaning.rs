//! What a call means, said once more: from the groups, the table and the policy, by the names
//! of the kernel's headers, call by call. It is slow and knows nothing of rules and programs.

use doorward_protocol::operation::TABLE;

use super::super::{Action, Arch, CallData, FilterRequest, Needs, broker};
use crate::{groups, policy::CodeMap};

const EPERM: Action = Action::Errno(1);
const EACCES: Action = Action::Errno(13);
const ENOTTY: Action = Action::Errno(25);
const ENOSYS: Action = Action::Errno(38);
const ENOPROTOOPT: Action = Action::Errno(92);
const EOPNOTSUPP: Action = Action::Errno(95);
const EAFNOSUPPORT: Action = Action::Errno(97);

const NEW_NAMESPACES: u64 = 0x7e02_0000;
const X32_BIT: u32 = 0x4000_0000;

/// What the filter of a sandboxee should say of this call.
pub(super) fn of_sandboxee(request: &FilterRequest<'_>, call: &CallData) -> Action {
    named(request.arch, call, ENOSYS, |name| {
        let own = &request.policy.system_calls;
        if let Some(errno) = own.errno.get(name) {
            return Action::Errno(u16::try_from(*errno).unwrap());
        }
        if own.allow.iter().any(|allowed| allowed == name) {
            return Action::Allow;
        }
        by_argument(request, name, call.arguments).unwrap_or_else(|| by_name(request, name))
    })
}

/// What the broker's own filter should say of this call.
pub(super) fn of_broker(arch: Arch, needs: Needs, call: &CallData) -> Action {
    named(arch, call, EPERM, |name| {
        let [first, second, third, ..] = call.arguments.map(|argument| argument & 0xffff_ffff);
        let allowed = match name {
            "clone3" => return ENOSYS,
            "clone" => first & NEW_NAMESPACES == 0,
            "prctl" => [15, 0x5356_4d41].contains(&first),
            "prlimit64" => first == 0,
            "socketpair" => first == 1 && is_unix(second),
            "socket" => match (first, second & 0xf) {
                (1, _) => needs.unix && is_unix(second),
                (2 | 10, 1) => needs.tcp && matches!(third, 0 | 6),
                (16, 3) => needs.tcp && third == 0,
                _ => false,
            },
            // SECCOMP_IOCTL_NOTIF_RECV, _SEND, _ID_VALID, _ADDFD, _SET_FLAGS; FIONREAD.
            "ioctl" => [
                0xc050_2100,
                0xc018_2101,
                0x4008_2102,
                0x4018_2103,
                0x4008_2104,
                0x541b,
            ]
            .contains(&second),
            _ => broker::SERVING.contains(&name) || needed(needs, name),
        };
        if allowed { Action::Allow } else { EPERM }
    })
}

/// Whether a row of the table that the policies can come to says that it makes this call.
fn needed(needs: Needs, name: &str) -> bool {
    TABLE.iter().any(|row| {
        let asked = match row.name {
            "socket" | "connect" | "bind" | "listen" => needs.tcp || needs.unix,
            "mkdir" | "rmdir" | "unlink" | "rename" | "link" | "symlink" | "truncate" | "chmod"
            | "chown" | "utimens" => needs.changes,
            _ => true,
        };
        asked && row.broker_calls.contains(&name)
    })
}

/// Foreign architectures die, x32 is no call; what has no name gets `unknown`.
fn named(
    arch: Arch,
    call: &CallData,
    unknown: Action,
    meaning: impl FnOnce(&'static str) -> Action,
) -> Action {
    if call.arch != arch.audit() {
        return Action::Kill;
    }
    if call.number >= X32_BIT {
        return ENOSYS;
    }
    arch.name(call.number).map_or(unknown, meaning)
}

fn by_name(request: &FilterRequest<'_>, name: &str) -> Action {
    let tabled = TABLE
        .iter()
        .any(|row| row.calls.iter().any(|call| call.name == name));
    let allowed = groups::ALLOWED
        .iter()
        .any(|(_, names)| names.contains(&name));
    match () {
        () if tabled && request.notify => Action::Notify,
        () if tabled => EACCES,
        () if allowed => Action::Allow,
        () if groups::DEADLY.contains(&name) => Action::Kill,
        () if groups::UNSUPPORTED.contains(&name) => EOPNOTSUPP,
        () if groups::UNREACHABLE.contains(&name) => EACCES,
        () if groups::FORBIDDEN.contains(&name) => EPERM,
        () => ENOSYS,
    }
}

/// Calls whose arguments count, none for the others.
fn by_argument(request: &FilterRequest<'_>, name: &str, full: [u64; 6]) -> Option<Action> {
    let [first, second, third, fourth, ..] = full.map(|argument| argument & 0xffff_ffff);
    let or = |allowed: bool, refused| Some(if allowed { Action::Allow } else { refused });
    let outside = !request.network_namespace && groups::OUTSIDE.contains(&name);
    let never = request.policy.code == CodeMap::Never;
    let jit = request.policy.code == CodeMap::Jit;
    match name {
        _ if outside && name.starts_with("sched_") => or(first == 0, EPERM),
        "setpriority" if outside => or(first == 0 && second == 0, EPERM),
        // Where neither is the segment the sandboxee's own, nor may it be executable.
        "shmat" if !jit => or(!outside && third & SHM_EXEC == 0, EACCES),
        _ if outside => Some(EPERM),
        "mmap" | "mprotect" | "pkey_mprotect" if never => or(third & PROT_EXEC == 0, EACCES),
        "fork" | "vfork" if !request.processes => Some(EPERM),
        "clone" if !request.processes && first & CLONE_THREAD == 0 => Some(EPERM),
        "clone" => or(first & (NEW_NAMESPACES | CLONE_PARENT) == 0, EPERM),
        "prlimit64" => or(first == 0, EPERM),
        "personality" => or(first == 0 || first == 0xffff_ffff, EPERM),
        "memfd_create" => or(second & MFD_NOEXEC_SEAL != 0, EACCES),
        "prctl" if first == 4 => Some(Action::Errno(0)),
        "prctl" => or(PRCTL.contains(&first), EPERM),
        "ioctl" => or(IOCTL.contains(&second), ENOTTY),
        "fcntl" if request.notify && LOCKS.contains(&second) => Some(Action::Notify),
        "fcntl" => or(FCNTL.contains(&second), EPERM),
        "socketpair" => or(first == 1 && is_unix(second), EAFNOSUPPORT),
        "socket" => Some(socket(request, first, second, third)),
        // The address is a pointer: all of its bits count.
        "sendto" => {
            let anywhere = request.network_namespace && !is_brokered(request);
            or(
                fourth & MSG_FASTOPEN == 0 && (anywhere || full[4] == 0),
                EPERM,
            )
        }
        "sendmsg" => or(third & MSG_FASTOPEN == 0, EPERM),
        "sendmmsg" => or(fourth & MSG_FASTOPEN == 0, EPERM),
        "setsockopt" => or(is_harmless(second, third), ENOPROTOOPT),
        "getsockopt" => or(
            is_harmless(second, third) || is_told(second, third),
            ENOPROTOOPT,
        ),
        _ => None,
    }
}

fn is_brokered(request: &FilterRequest<'_>) -> bool {
    request.notify && request.policy.has_tcp()
}

/// Streams and records; the upper bits are flags.
const fn is_unix(kind: u64) -> bool {
    matches!(kind & 0xf, 1 | 5)
}

fn socket(request: &FilterRequest<'_>, family: u64, kind: u64, protocol: u64) -> Action {
    let stream = kind & 0xf == 1 && matches!(protocol, 0 | 6);
    match family {
        1 if !is_unix(kind) || !request.notify => EAFNOSUPPORT,
        1 if request.policy.has_unix() => Action::Notify,
        1 => Action::Allow,
        2 | 10 if is_brokered(request) && stream => Action::Notify,
        2 | 10 if request.network_namespace => Action::Allow,
        16 if request.network_namespace && protocol == 0 => Action::Allow,
        _ => EAFNOSUPPORT,
    }
}

const PROT_EXEC: u64 = 4;
const SHM_EXEC: u64 = 0o100_000;
const CLONE_PARENT: u64 = 0x8000;
const CLONE_THREAD: u64 = 0x1_0000;
const MFD_NOEXEC_SEAL: u64 = 8;
const MSG_FASTOPEN: u64 = 0x2000_0000;

/// `PR_*`, but the wish not to be dumpable.
const PRCTL: [u64; 23] = [
    1,           // SET_PDEATHSIG
    2,           // GET_PDEATHSIG
    3,           // GET_DUMPABLE
    7,           // GET_KEEPCAPS
    8,           // SET_KEEPCAPS
    15,          // SET_NAME
    16,          // GET_NAME
    21,          // GET_SECCOMP
    23,          // CAPBSET_READ
    27,          // GET_SECUREBITS
    29,          // SET_TIMERSLACK
    30,          // GET_TIMERSLACK
    36,          // SET_CHILD_SUBREAPER
    37,          // GET_CHILD_SUBREAPER
    38,          // SET_NO_NEW_PRIVS
    39,          // GET_NO_NEW_PRIVS
    40,          // GET_TID_ADDRESS
    41,          // SET_THP_DISABLE
    42,          // GET_THP_DISABLE
    52,          // GET_SPECULATION_CTRL
    65,          // SET_MDWE
    66,          // GET_MDWE
    0x5356_4d41, // SET_VMA
];

pub(super) const IOCTL: [u64; 27] = [
    0x5401,      // TCGETS
    0x5402,      // TCSETS
    0x5403,      // TCSETSW
    0x5404,      // TCSETSF
    0x5409,      // TCSBRK
    0x540a,      // TCXONC
    0x540b,      // TCFLSH
    0x540c,      // TIOCEXCL
    0x540d,      // TIOCNXCL
    0x540e,      // TIOCSCTTY
    0x540f,      // TIOCGPGRP
    0x5410,      // TIOCSPGRP
    0x5411,      // TIOCOUTQ
    0x5413,      // TIOCGWINSZ
    0x5414,      // TIOCSWINSZ
    0x541b,      // FIONREAD
    0x5421,      // FIONBIO
    0x5422,      // TIOCNOTTY
    0x5429,      // TIOCGSID
    0x5450,      // FIONCLEX
    0x5451,      // FIOCLEX
    0x5460,      // FIOQSIZE
    0x802c_542a, // TCGETS2
    0x402c_542b, // TCSETS2
    0x402c_542c, // TCSETSW2
    0x402c_542d, // TCSETSF2
    0x8004_5430, // TIOCGPTN
];

/// `F_SETLK`, `F_SETLKW`, `F_OFD_SETLK`, `F_OFD_SETLKW`.
const LOCKS: [u64; 4] = [6, 7, 37, 38];

const FCNTL: [u64; 15] = [
    0,    // DUPFD
    1,    // GETFD
    2,    // SETFD
    3,    // GETFL
    4,    // SETFL
    5,    // GETLK
    9,    // GETOWN
    11,   // GETSIG
    36,   // OFD_GETLK
    1027, // DUPFD_QUERY
    1030, // DUPFD_CLOEXEC
    1031, // SETPIPE_SZ
    1032, // GETPIPE_SZ
    1033, // ADD_SEALS
    1034, // GET_SEALS
];

/// Options that are set and read.
const fn is_harmless(level: u64, option: u64) -> bool {
    match level {
        // SOL_SOCKET: REUSEADDR, BROADCAST, SNDBUF, RCVBUF, KEEPALIVE, OOBINLINE, LINGER,
        // PASSCRED, RCVLOWAT, RCVTIMEO, SNDTIMEO in both widths.
        1 => matches!(option, 2 | 6..=10 | 13 | 16 | 18 | 20 | 21 | 66 | 67),
        // IPPROTO_TCP: NODELAY, MAXSEG, CORK, KEEPIDLE, KEEPINTVL, KEEPCNT, SYNCNT, LINGER2,
        // QUICKACK, CONGESTION, USER_TIMEOUT.
        6 => matches!(option, 1..=8 | 12 | 13 | 18),
        // IPPROTO_IP: TOS, MTU_DISCOVER, RECVERR.
        0 => matches!(option, 1 | 10 | 11),
        // IPPROTO_IPV6: V6ONLY, TCLASS.
        41 => matches!(option, 26 | 67),
        _ => false,
    }
}

/// Options that are only read.
const fn is_told(level: u64, option: u64) -> bool {
    match level {
        // TYPE, ERROR, PEERCRED, ACCEPTCONN, PROTOCOL, DOMAIN, COOKIE.
        1 => matches!(option, 3 | 4 | 17 | 30 | 38 | 39 | 57),
        // INFO.
        6 => option == 11,
        _ => false,
    }
}
