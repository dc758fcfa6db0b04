//! What a broker that was taken over is told to do. Orders are written as
//! `broker/src/service/taken_over.rs` reads them.

use std::os::unix::fs::PermissionsExt;

use doorward_tests::Level;
use libc::{
    SYS_bpf, SYS_connect, SYS_execve, SYS_fchmodat, SYS_getdents64, SYS_io_uring_setup, SYS_kill,
    SYS_mount, SYS_openat, SYS_pidfd_getfd, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_pread64,
    SYS_prlimit64, SYS_process_vm_readv, SYS_ptrace, SYS_sendto, SYS_socket, SYS_unlinkat,
    SYS_unshare, SYS_write,
};

use crate::session::{CANARY, Session, environment, proc};

/// What holds an attempt.
pub(crate) enum Holds {
    /// These layers, with commas between them; at these levels it succeeds without them.
    By(&'static str, &'static [Level]),
    /// The policy gives it, or nothing holds it (docs/THREATS.md).
    Nothing,
}

/// One thing to be told.
pub(crate) struct Attempt {
    pub(crate) name: &'static str,
    pub(crate) holds: Holds,
    pub(crate) policy: &'static str,
    pub(crate) order: fn(&Session) -> String,
    /// Whether it was reached, judged from outside or by bytes that lie there alone.
    pub(crate) reached: fn(&mut Session, &str) -> bool,
}

const READS: &str = "[fs]\nread = [\"${CWD}/in/**\"]\n";
const WRITES: &str = "[fs]\nread = [\"${CWD}/in/**\"]\nwrite = [\"${CWD}/rw/**\"]\n";
const TCP: &str = "[net]\nconnect = [\"tcp:127.0.0.1:PORT\"]\n";
const UNIX: &str = "[net]\nunix = [\"/run/none\"]\n";

const ALL: &[Level] = &Level::ALL;
/// Where the broker has the capabilities to be left with.
const ROOT: &[Level] = &[Level::Root];
/// Nothing outside of doorward refuses ptrace(2).
const TRACE: &[Level] = &[Level::Root, Level::User, Level::UserNoNs];
/// The init has no more capabilities than the broker.
const MEMORY: &[Level] = &[Level::Root, Level::User, Level::UserNoNs];

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(name: impl AsRef<std::path::Path>) -> String {
    let name = name.as_ref().as_os_str().as_encoded_bytes();
    format!("'{}", hexadecimal(name))
}

fn opens(name: impl AsRef<std::path::Path>, flags: i32) -> String {
    format!("{SYS_openat},-100,{},{flags}", text(name))
}

fn reads(name: impl AsRef<std::path::Path>) -> String {
    format!("{};{SYS_pread64},%0,+18,18,0", opens(name, 0))
}

fn holds(answer: &str, bytes: &str) -> bool {
    answer.contains(&hexadecimal(bytes.as_bytes()))
}

fn tells_canary(_: &mut Session, answer: &str) -> bool {
    holds(answer, CANARY)
}

/// The last call succeeded.
fn succeeds(_: &mut Session, answer: &str) -> bool {
    let last = answer.rsplit(';').next().unwrap_or_default();
    let number = last.split(':').next().unwrap_or_default();
    number.parse::<i64>().is_ok_and(|number| number >= 0)
}

fn victim_ends(session: &mut Session, _: &str) -> bool {
    session.soon(|one| {
        let status = proc(one.victim, "stat");
        status.is_empty() || status.rsplit(')').next().unwrap().starts_with(" Z")
    })
}

fn connects(family: i32, kind: i32, address: &[u8]) -> String {
    let (length, address) = (address.len(), hexadecimal(address));
    format!("{SYS_socket},{family},{kind},0;{SYS_connect},%0,'{address},{length}")
}

fn internet(port: u16) -> Vec<u8> {
    let family = 2u16.to_ne_bytes();
    [&family[..], &port.to_be_bytes(), &[127, 0, 0, 1], &[0; 8]].concat()
}

fn local(name: &[u8]) -> Vec<u8> {
    [&1u16.to_ne_bytes()[..], name].concat()
}

macro_rules! attempt {
    ($name:literal, $holds:expr, $policy:expr, $order:expr, $reached:expr) => {
        Attempt {
            name: $name,
            holds: $holds,
            policy: $policy,
            order: $order,
            reached: $reached,
        }
    };
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    attempt!(
        "read a granted file",
        Holds::Nothing,
        READS,
        |s| reads(s.name("in/file")),
        |_, answer| holds(answer, "granted")
    ),
    attempt!(
        "read a file",
        Holds::By("landlock", ALL),
        READS,
        |s| reads(s.name("secret/file")),
        tells_canary
    ),
    attempt!(
        "read a file through /proc/PID/root",
        Holds::By("landlock,broker capabilities", TRACE),
        READS,
        |s| reads(format!(
            "/proc/{}/root{}",
            s.victim,
            s.name("secret/file").display()
        )),
        tells_canary
    ),
    attempt!(
        "read an open file of another process",
        Holds::By("landlock,broker capabilities", TRACE),
        READS,
        |s| reads(format!("/proc/{}/fd/0", s.victim)),
        tells_canary
    ),
    attempt!(
        "list a directory",
        Holds::By("landlock", ALL),
        READS,
        |s| format!(
            "{};{SYS_getdents64},%0,+512,512",
            opens(s.name("secret"), libc::O_DIRECTORY)
        ),
        |_, answer| holds(answer, "mark")
    ),
    attempt!(
        "empty a file",
        Holds::By("landlock", ALL),
        WRITES,
        |s| opens(s.name("secret/file"), libc::O_WRONLY | libc::O_TRUNC),
        |s, _| std::fs::read_to_string(s.name("secret/file")).unwrap() != CANARY
    ),
    attempt!(
        "empty a granted file",
        Holds::Nothing,
        WRITES,
        |s| format!(
            "{};{SYS_write},%0,'61,1",
            opens(s.name("rw/new"), libc::O_WRONLY | libc::O_CREAT)
        ),
        |s, _| std::fs::read_to_string(s.name("rw/new")).is_ok_and(|text| text == "a")
    ),
    attempt!(
        "remove a file",
        Holds::By("landlock", ALL),
        WRITES,
        |s| format!("{SYS_unlinkat},-100,{},0", text(s.name("secret/file"))),
        |s, _| !s.name("secret/file").exists()
    ),
    attempt!(
        "change a mode, nothing is writable",
        Holds::By("broker filter", ALL),
        READS,
        chmod,
        mode_changed
    ),
    attempt!(
        "change a mode, something is writable",
        Holds::Nothing,
        WRITES,
        chmod,
        mode_changed
    ),
    attempt!(
        "write below /proc",
        Holds::By("landlock", &[Level::Root, Level::User, Level::Nested]),
        READS,
        |s| format!(
            "{};{SYS_write},%0,'363636,3",
            opens(format!("/proc/{}/oom_score_adj", s.victim), libc::O_WRONLY)
        ),
        |s, _| proc(s.victim, "oom_score_adj").trim() == "666"
    ),
    attempt!(
        "read another's arguments",
        Holds::Nothing,
        READS,
        |s| reads(format!("/proc/{}/cmdline", s.victim)),
        |_, answer| holds(answer, "sleep")
    ),
    attempt!(
        "read another's environment",
        Holds::By("landlock,broker capabilities", TRACE),
        READS,
        |s| format!(
            "{};{SYS_pread64},%0,+512,512,0",
            opens(format!("/proc/{}/environ", s.victim), 0)
        ),
        tells_canary
    ),
    attempt!(
        "read another's memory",
        Holds::By("landlock,broker capabilities", TRACE),
        READS,
        |s| format!(
            "{SYS_process_vm_readv},{},<512,1,={}:512,1,0",
            s.victim,
            environment(s.victim)
        ),
        tells_canary
    ),
    attempt!(
        "read the memory of its init",
        Holds::By("hidden launcher", MEMORY),
        READS,
        |s| {
            let init = s.process("doorward-init");
            format!(
                "{SYS_process_vm_readv},{init},<8,1,={}:8,1,0",
                environment(init)
            )
        },
        succeeds
    ),
    attempt!(
        "take another's descriptor",
        Holds::By("landlock,broker capabilities", TRACE),
        READS,
        |s| format!(
            "{SYS_pidfd_open},{},0;{SYS_pidfd_getfd},%0,0,0;{SYS_pread64},%1,+18,18,0",
            s.victim
        ),
        tells_canary
    ),
    attempt!(
        "trace another",
        Holds::By("broker filter,landlock,broker capabilities", TRACE),
        READS,
        |s| format!("{SYS_ptrace},16902,{},0,0", s.victim),
        |s, _| !proc(s.victim, "status").contains("TracerPid:\t0\n")
    ),
    attempt!(
        "kill another",
        Holds::By("landlock", ALL),
        READS,
        |s| format!("{SYS_kill},{},9", s.victim),
        victim_ends
    ),
    attempt!(
        "kill another by pidfd",
        Holds::By("landlock", ALL),
        READS,
        |s| format!(
            "{SYS_pidfd_open},{},0;{SYS_pidfd_send_signal},%0,9,0,0",
            s.victim
        ),
        victim_ends
    ),
    attempt!(
        "set another's limits",
        Holds::By("broker filter", ALL),
        READS,
        |s| format!("{SYS_prlimit64},{},{},+16,0", s.victim, libc::RLIMIT_CORE),
        |s, _| proc(s.victim, "limits").lines().any(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            line.starts_with("Max core") && words[4..6] == ["0", "0"]
        })
    ),
    attempt!(
        "start a program",
        Holds::By("broker filter,landlock", ALL),
        READS,
        |s| format!("{SYS_execve},{},0,0", text(s.name("secret/mark"))),
        |s, _| s.soon(|one| one.name("secret/marked").exists())
    ),
    attempt!(
        "connect by TCP",
        Holds::By("broker filter,landlock", ALL),
        READS,
        |s| tcp(&s.outside.denied),
        |s, _| s.soon(|one| one.outside.denied.accept().is_ok())
    ),
    attempt!(
        "connect by TCP to a port of a rule",
        Holds::Nothing,
        TCP,
        |s| tcp(&s.outside.allowed),
        |s, _| s.soon(|one| one.outside.allowed.accept().is_ok())
    ),
    attempt!(
        "connect by TCP to another port",
        Holds::By("landlock", ALL),
        TCP,
        |s| tcp(&s.outside.denied),
        |s, _| s.soon(|one| one.outside.denied.accept().is_ok())
    ),
    attempt!(
        "send a UDP datagram",
        Holds::By("broker filter", ALL),
        TCP,
        |s| {
            let port = s.outside.datagrams.local_addr().unwrap().port();
            let address = hexadecimal(&internet(port));
            format!("{SYS_socket},2,2,0;{SYS_sendto},%0,'61,1,0,'{address},16")
        },
        |s, _| s.soon(|one| one.outside.datagrams.recv(&mut [0; 8]).is_ok())
    ),
    attempt!(
        "connect to a UNIX socket, only TCP has rules",
        Holds::By("broker filter", ALL),
        TCP,
        unix,
        |s, _| s.soon(|one| one.outside.unix.accept().is_ok())
    ),
    attempt!(
        "connect to a UNIX socket, another has a rule",
        Holds::Nothing,
        UNIX,
        unix,
        |s, _| s.soon(|one| one.outside.unix.accept().is_ok())
    ),
    attempt!(
        "connect to an abstract name, a path has a rule",
        Holds::By("landlock", ALL),
        UNIX,
        |s| connects(
            1,
            1,
            &local(&[b"\0", s.outside.abstract_name.as_bytes()].concat())
        ),
        |s, _| s.soon(|one| one.outside.abstracts.accept().is_ok())
    ),
    attempt!(
        "mount",
        Holds::By("broker filter,landlock,broker capabilities", ROOT),
        READS,
        |s| format!(
            "{SYS_mount},{},{},{},0,0",
            text("none"),
            text(s.name("in/mounted")),
            text("tmpfs")
        ),
        |s, _| nix::mount::umount(&s.name("in/mounted")).is_ok()
    ),
    attempt!(
        "make a namespace",
        Holds::By("broker filter,broker capabilities", ROOT),
        READS,
        |_| format!("{SYS_unshare},{}", libc::CLONE_NEWUTS),
        succeeds
    ),
    attempt!(
        "make a BPF map",
        Holds::By("broker filter,broker capabilities", ROOT),
        READS,
        |_| format!("{SYS_bpf},0,'02000000040000000400000001000000,16"),
        succeeds
    ),
    attempt!(
        "make a ring of io_uring",
        Holds::By("broker filter", ALL),
        READS,
        |_| format!("{SYS_io_uring_setup},8,+120"),
        succeeds
    ),
];

fn chmod(session: &Session) -> String {
    format!(
        "{SYS_fchmodat},-100,{},{}",
        text(session.name("secret/file")),
        0o600
    )
}

fn mode_changed(session: &mut Session, _: &str) -> bool {
    let status = std::fs::metadata(session.name("secret/file")).unwrap();
    status.permissions().mode() & 0o777 == 0o600
}

fn tcp(listener: &std::net::TcpListener) -> String {
    connects(2, 1, &internet(listener.local_addr().unwrap().port()))
}

fn unix(session: &Session) -> String {
    let name = session.name("secret/socket");
    connects(1, 1, &local(name.as_os_str().as_encoded_bytes()))
}
