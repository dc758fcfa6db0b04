//! `doorward-calls PROFILE`: makes the system calls that standard input lists in one sandbox
//! under that profile, each in a process of its own. A line is number and six arguments, in
//! hexadecimal; of each it prints result and wait status.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a harness fails its test by panicking"
)]

use std::{io::Read, process::ExitCode, sync::Arc};

use doorward::{
    Entry, Sandboxee,
    host::{Ended, Program, Sandbox},
};
use doorward_policy::{Expansion, Policy};

const ENTRY: &str = "calls";
/// Says that the call gave no result: its process ended within.
const NONE: i64 = 1 << 20;

fn main() -> ExitCode {
    doorward::init(&[Entry {
        name: ENTRY,
        run: perform,
    }]);
    let profile = std::env::args().nth(1).expect("doorward-calls PROFILE");
    let expansion = Expansion {
        cwd: std::env::current_dir().ok(),
        home: None,
        uid: rustix::process::geteuid().as_raw(),
    };
    let policy = Policy::builtin(&profile, &expansion).unwrap().policy;
    let program = Program::Entry {
        name: ENTRY.to_owned(),
        arguments: Vec::new(),
    };
    let running = Sandbox::new(Arc::new(policy), program).start().unwrap();
    match running.wait().unwrap().ended {
        Ended::Program(status) if status.success() => ExitCode::SUCCESS,
        other => panic!("{other:?}"),
    }
}

/// In the sandbox.
fn perform(_sandboxee: Sandboxee) -> u8 {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let result = sys::shared();
    for line in text.lines() {
        let mut words = [0_u64; 7];
        for (word, text) in words.iter_mut().zip(line.split(' ')) {
            *word = u64::from_str_radix(text, 16).unwrap();
        }
        result.store(NONE, std::sync::atomic::Ordering::SeqCst);
        let status = sys::in_a_child(words, result);
        let result = result.load(std::sync::atomic::Ordering::SeqCst);
        println!("{result} {status}");
    }
    0
}

#[allow(unsafe_code, reason = "fork and raw system calls")]
mod sys {
    //! One call in one process.

    use std::sync::atomic::{AtomicI64, Ordering};

    /// A word that children write too.
    pub(crate) fn shared() -> &'static AtomicI64 {
        // SAFETY: a new mapping; nothing else is at its place.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED);
        // SAFETY: it is aligned, zeroed and never unmapped.
        unsafe { &*page.cast::<AtomicI64>() }
    }

    /// The wait status of a child that makes the call.
    pub(crate) fn in_a_child(words: [u64; 7], result: &AtomicI64) -> i32 {
        // SAFETY: this process has one thread.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "no process can be made");
        if child == 0 {
            soon();
            let got = call(words);
            // Where a process was made, the new one says nothing.
            if got != 0 || !makes_a_process(words[0]) {
                result.store(got, Ordering::SeqCst);
            }
            // SAFETY: it ends here.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: the status is this function's own.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child);
        status
    }

    fn makes_a_process(number: u64) -> bool {
        [libc::SYS_fork, libc::SYS_vfork, libc::SYS_clone]
            .map(i64::cast_unsigned)
            .contains(&number)
    }

    /// What waits is ended.
    fn soon() {
        let none = libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        };
        let value = libc::timeval {
            tv_sec: 0,
            tv_usec: 200_000,
        };
        let timer = libc::itimerval {
            it_interval: none,
            it_value: value,
        };
        // SAFETY: the timer is read and not kept.
        let set =
            unsafe { libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const timer, 0) };
        assert_eq!(set, 0);
    }

    #[cfg(target_arch = "x86_64")]
    fn call(words: [u64; 7]) -> i64 {
        let [number, a, b, c, d, e, f] = words;
        let result: i64;
        // SAFETY: this process is made to be ended by whatever comes of the call. No stack is
        // used, so that a child that shares it changes nothing.
        unsafe {
            std::arch::asm!(
                "syscall",
                inlateout("rax") number => result,
                in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
                lateout("rcx") _, lateout("r11") _,
            );
        }
        result
    }

    #[cfg(target_arch = "aarch64")]
    fn call(words: [u64; 7]) -> i64 {
        let [number, a, b, c, d, e, f] = words;
        let result: i64;
        // SAFETY: as above.
        unsafe {
            std::arch::asm!(
                "svc 0",
                in("x8") number, inlateout("x0") a => result,
                in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            );
        }
        result
    }
}
