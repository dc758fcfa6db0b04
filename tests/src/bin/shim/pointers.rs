//! Pointers that lead nowhere: each call that traps says `EFAULT`, as the kernel does.

use std::ffi::CString;

use crate::{own::Own, sys};

/// An argument.
#[derive(Debug, Clone, Copy)]
enum Argument {
    Word(u64),
    /// The name of a file that is there.
    There,
    /// A name at which nothing is.
    Absent,
    /// So many bytes that are read, all zero but the first word.
    In(u64, u64),
    /// So many that are written.
    Out(u64),
}

use Argument::{Absent, In, Out, There, Word};

const HERE: Argument = Word(0xffff_ff9c);
const ZERO: Argument = Word(0);
const EIGHT: Argument = Word(8);

/// Every call with a pointer that traps.
const CALLS: &[(i64, &[Argument])] = &[
    (libc::SYS_open, &[There, ZERO]),
    (libc::SYS_openat, &[HERE, There, ZERO]),
    (libc::SYS_openat2, &[HERE, There, In(24, 0), Word(24)]),
    (libc::SYS_creat, &[Absent, Word(0o600)]),
    (libc::SYS_stat, &[There, Out(144)]),
    (libc::SYS_lstat, &[There, Out(144)]),
    (libc::SYS_newfstatat, &[HERE, There, Out(144), ZERO]),
    (libc::SYS_statx, &[HERE, There, ZERO, Word(0x7ff), Out(256)]),
    (libc::SYS_access, &[There, ZERO]),
    (libc::SYS_faccessat, &[HERE, There, ZERO]),
    (libc::SYS_faccessat2, &[HERE, There, ZERO, ZERO]),
    (libc::SYS_readlink, &[Absent, Out(1), Word(1)]),
    (libc::SYS_readlinkat, &[HERE, Absent, Out(1), Word(1)]),
    (libc::SYS_mkdir, &[There, Word(0o700)]),
    (libc::SYS_mkdirat, &[HERE, There, Word(0o700)]),
    (libc::SYS_rmdir, &[Absent]),
    (libc::SYS_unlink, &[Absent]),
    (libc::SYS_unlinkat, &[HERE, Absent, ZERO]),
    (libc::SYS_rename, &[Absent, Absent]),
    (libc::SYS_renameat, &[HERE, Absent, HERE, Absent]),
    (libc::SYS_renameat2, &[HERE, Absent, HERE, Absent, ZERO]),
    (libc::SYS_link, &[Absent, Absent]),
    (libc::SYS_linkat, &[HERE, Absent, HERE, Absent, ZERO]),
    (libc::SYS_symlink, &[There, There]),
    (libc::SYS_symlinkat, &[There, HERE, There]),
    (libc::SYS_chmod, &[Absent, Word(0o600)]),
    (libc::SYS_fchmodat, &[HERE, Absent, Word(0o600)]),
    (libc::SYS_chown, &[Absent, ZERO, ZERO]),
    (libc::SYS_lchown, &[Absent, ZERO, ZERO]),
    (libc::SYS_fchownat, &[HERE, Absent, ZERO, ZERO, ZERO]),
    (libc::SYS_utimensat, &[HERE, There, In(32, 1), ZERO]),
    (libc::SYS_utime, &[There, In(16, 1)]),
    (libc::SYS_utimes, &[There, In(32, 1)]),
    (libc::SYS_futimesat, &[HERE, There, In(32, 1)]),
    (libc::SYS_truncate, &[Absent, ZERO]),
    (libc::SYS_statfs, &[There, Out(120)]),
    (libc::SYS_chdir, &[Absent]),
    (libc::SYS_getcwd, &[Out(1), Word(4096)]),
    (libc::SYS_rt_sigprocmask, &[ZERO, In(8, 0), Out(8), EIGHT]),
    (
        libc::SYS_rt_sigaction,
        &[Word(10), In(32, 0), Out(32), EIGHT],
    ),
    (
        libc::SYS_rt_sigtimedwait,
        &[In(8, 0), ZERO, In(16, 0), EIGHT],
    ),
    (libc::SYS_ppoll, &[ZERO, ZERO, In(16, 0), In(8, 0), EIGHT]),
    (
        libc::SYS_pselect6,
        &[ZERO, ZERO, ZERO, ZERO, In(16, 0), In(16, 0)],
    ),
    (
        libc::SYS_signalfd4,
        &[Word(u64::MAX), In(8, 0), EIGHT, ZERO],
    ),
];

/// Where a pointer may be optional, so that none is no fault.
const OPTIONAL: &[(i64, usize)] = &[
    (libc::SYS_utimensat, 2),
    (libc::SYS_utimensat, 1),
    (libc::SYS_utime, 1),
    (libc::SYS_utimes, 1),
    (libc::SYS_futimesat, 2),
    (libc::SYS_futimesat, 1),
    (libc::SYS_statx, 1),
    (libc::SYS_rt_sigprocmask, 1),
    (libc::SYS_rt_sigprocmask, 2),
    (libc::SYS_rt_sigaction, 1),
    (libc::SYS_rt_sigaction, 2),
    (libc::SYS_rt_sigtimedwait, 2),
    (libc::SYS_ppoll, 2),
    (libc::SYS_ppoll, 3),
    (libc::SYS_pselect6, 4),
    (libc::SYS_pselect6, 5),
];

/// Memory whose next page cannot be touched, and a page that can only be read.
struct Edge {
    end: u64,
    only_read: u64,
    gone: u64,
}

impl Edge {
    fn new() -> Self {
        let at = sys::pages(4);
        sys::protect(at + 2 * sys::PAGE, sys::PAGE, libc::PROT_NONE);
        sys::protect(at + 3 * sys::PAGE, sys::PAGE, libc::PROT_READ);
        let gone = sys::pages(1);
        sys::call(libc::SYS_munmap, [gone, sys::PAGE, 0, 0, 0, 0]).unwrap();
        Self {
            end: at + 2 * sys::PAGE,
            only_read: at + 3 * sys::PAGE,
            gone,
        }
    }
}

struct Good {
    there: CString,
    absent: CString,
    read: Vec<u64>,
    written: Vec<u64>,
}

impl Good {
    fn value(&mut self, argument: Argument) -> u64 {
        match argument {
            Word(word) => word,
            There => sys::address(self.there.to_bytes_with_nul()),
            Absent => sys::address(self.absent.to_bytes_with_nul()),
            In(_, first) => {
                self.read[0] = first;
                sys::address(self.read.as_slice())
            }
            Out(_) => sys::address_mut(self.written.as_mut_slice()),
        }
    }
}

/// Each pointer of each call leads nowhere in each way.
pub(crate) fn all(own: &Own) {
    let edge = Edge::new();
    let mut good = Good {
        there: own.file(0).clone(),
        absent: CString::new(format!("{}/nowhere/at/all", own.directory)).unwrap(),
        read: vec![0; 64],
        written: vec![0; 64],
    };
    let mut tried = 0;
    for (number, arguments) in CALLS {
        let mut values = [0; 6];
        for (value, argument) in values.iter_mut().zip(*arguments) {
            *value = good.value(*argument);
        }
        // The control: with pointers that lead somewhere it is no fault.
        let answer = sys::call(*number, values);
        assert_ne!(answer, Err(libc::EFAULT), "{number}");
        close_granted(*number, answer);
        for (place, argument) in arguments.iter().enumerate() {
            for (how, pointer) in wild(&edge, *argument, (*number, place)) {
                let mut values = values;
                values[place] = pointer;
                if matches!(argument, Out(_)) && reads_a_name(*number) {
                    // Without the name of a link nothing would be written.
                    values[place - 1] = good_link(own);
                }
                let answer = sys::call(*number, values);
                assert_eq!(answer, Err(libc::EFAULT), "{number} {place} {how}");
                tried += 1;
            }
        }
        own.ask_all(1);
    }
    up_to_the_edge(own, &edge);
    println!("{tried} wild pointers");
}

fn reads_a_name(number: i64) -> bool {
    number == libc::SYS_readlink || number == libc::SYS_readlinkat
}

fn good_link(own: &Own) -> u64 {
    static LINK: std::sync::OnceLock<CString> = std::sync::OnceLock::new();
    let link = LINK.get_or_init(|| CString::new(format!("{}/link0", own.directory)).unwrap());
    sys::address(link.to_bytes_with_nul())
}

fn close_granted(number: i64, answer: Result<u64, i32>) {
    let opens = [
        libc::SYS_open,
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_creat,
        libc::SYS_signalfd4,
    ];
    if let Ok(granted) = answer
        && opens.contains(&number)
    {
        sys::call(libc::SYS_close, [granted, 0, 0, 0, 0, 0]).unwrap();
    }
}

/// Pointers that lead nowhere for an argument.
fn wild(edge: &Edge, argument: Argument, at: (i64, usize)) -> Vec<(&'static str, u64)> {
    if matches!(argument, Word(_)) {
        return Vec::new();
    }
    let mut pointers = vec![
        ("low", 1),
        ("unmapped", edge.gone),
        ("untouchable", edge.end),
        ("no address", 1 << 63),
        ("the kernel's", 0xffff_8000_0000_0000),
        ("the last", u64::MAX - 1),
    ];
    if !OPTIONAL.contains(&at) {
        pointers.push(("none", 0));
    }
    match argument {
        There | Absent => {
            // It does not end before the mapping does.
            sys::put(edge.end - 64, &[b'/'; 64]);
            pointers.push(("without an end", edge.end - 64));
        }
        In(length, _) if length > 1 => pointers.push(("half", edge.end - length / 2)),
        Out(length) => {
            pointers.push(("to be read alone", edge.only_read));
            if length > 1 {
                pointers.push(("half", edge.end - length / 2));
            }
        }
        _ => {}
    }
    pointers
}

/// What ends where the mapping ends is whole.
fn up_to_the_edge(own: &Own, edge: &Edge) {
    let name = own.file(2).to_bytes_with_nul();
    let length = u64::try_from(name.len()).unwrap();
    sys::put(edge.end - length, name);
    let room = edge.end - 4096 - 144;
    let (path, calls) = (edge.end - length, libc::SYS_stat);
    assert_eq!(sys::call(calls, [path, room, 0, 0, 0, 0]), Ok(0));
    let first = sys::address(own.file(2).to_bytes_with_nul());
    let room = edge.end - 144;
    assert_eq!(sys::call(calls, [first, room, 0, 0, 0, 0]), Ok(0));
    // st_size.
    assert_eq!(sys::get(room + 48, 8), 3_u64.to_ne_bytes());
}

/// No call that traps touches errno, whether it fails or not.
pub(crate) fn errno_is_kept(own: &Own) {
    for turn in 0..100 {
        sys::set_errno(77);
        own.ask_all(turn % 8);
        assert_eq!(sys::errno(), 77);
    }
    sys::set_errno(77);
    // The control: the C library says so by errno.
    let stat = nix::sys::stat::stat(c"/nowhere");
    assert!(stat.is_err());
    assert_ne!(sys::errno(), 77);
}
