//! One system call fails for want of something (Z-6 to Z-9, Z-30), and the next ones do
//! not: each step of each process of doorward, with each error the kernel has for that call.

use std::fmt::Write as _;

use doorward_tests::{Ledger, Level, alone};
use nix::{errno::Errno, libc};

use crate::{
    host::{PROGRAM, finish, place, start},
    kill::{steps, stride, with},
    steps::Deed,
};

/// What a call may fail with on a machine that has too little of something. EINTR is not among
/// it: only the broker's workers have a handler, by which a request is called off, and what a stop
/// and a continuation interrupt is in `stopped`.
fn errors(call: u64) -> &'static [Errno] {
    use Errno::{EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC, ETOOMANYREFS};
    match libc::c_long::try_from(call).unwrap() {
        libc::SYS_openat2 => &[ENFILE, EMFILE, ENOMEM],
        libc::SYS_openat => &[ENFILE, EMFILE, ENOMEM],
        libc::SYS_socket
        | libc::SYS_socketpair
        | libc::SYS_pipe2
        | libc::SYS_memfd_create
        | libc::SYS_epoll_create1
        | libc::SYS_eventfd2
        | libc::SYS_timerfd_create
        | libc::SYS_signalfd4
        | libc::SYS_pidfd_open
        | libc::SYS_landlock_create_ruleset
        | libc::SYS_open_tree
        | libc::SYS_fsopen
        | libc::SYS_fsmount
        | libc::SYS_seccomp => &[ENFILE, EMFILE, ENOMEM],
        libc::SYS_fcntl | libc::SYS_dup | libc::SYS_pidfd_getfd => &[EMFILE],
        libc::SYS_clone | libc::SYS_clone3 | libc::SYS_fork | libc::SYS_vfork => &[EAGAIN, ENOMEM],
        libc::SYS_unshare | libc::SYS_setns | libc::SYS_mount | libc::SYS_mkdirat => {
            &[ENOSPC, ENOMEM]
        }
        libc::SYS_mmap
        | libc::SYS_move_mount
        | libc::SYS_landlock_add_rule
        | libc::SYS_execve
        | libc::SYS_execveat => &[ENOMEM],
        libc::SYS_sendmsg => &[ENOBUFS, ETOOMANYREFS, ENOMEM],
        libc::SYS_recvmsg => &[ENOMEM],
        _ => &[],
    }
}

/// The first step that is doorward's own: before it come what the test starts it with, the
/// loader and the beginning of Rust's runtime, which ends with a stack for signals.
fn beginning(calls: &[u64]) -> usize {
    let is = |call: &u64, which: libc::c_long| libc::c_long::try_from(*call) == Ok(which);
    let executed = calls.iter().rposition(|call| is(call, libc::SYS_execve));
    let executed = executed.unwrap_or(0);
    let rest = calls.iter().skip(executed);
    let ready = rest.take_while(|call| !is(call, libc::SYS_sigaltstack));
    executed + ready.count() + 1
}

fn sweep(level: Level) -> Vec<String> {
    let mut wrong = Vec::new();
    let tree = place(level);
    let all = steps(&tree);
    let before = Ledger::of(&tree);
    let mut text = format!("{level}: each {}. failing call\n", stride());
    text.push_str("| fails | calls | failed | went well | one sentence |\n");
    let mut trials = 0;
    for (place, watched) in all.iter().filter(|(_, one)| one.name != "dash") {
        let (mut failed, mut well, mut told, mut calls) = (0, 0, 0, 0);
        let own = match place.is_empty() {
            true => beginning(&watched.calls),
            false => 0,
        };
        for (step, call) in watched.calls.iter().enumerate().skip(own) {
            for error in errors(*call) {
                trials += 1;
                calls += 1;
                if trials % stride() != 0 {
                    continue;
                }
                let what = format!("{level}: {} step {step} call {call} {error}", watched.name);
                let course = with(&tree, (place, step), &Deed::Refuse(*error));
                failed += u32::from(course.met);
                // The program may be refused something and fail for itself, but 125 is ours. Where
                // a thread has no memory to begin with, Rust's runtime says so too.
                if course.told.code == 125 && course.told.sentences() != 1 {
                    wrong.push(format!("{what}: {:?}", course.told));
                }
                match course.told.code {
                    0 => well += 1,
                    _ => told += 1,
                }
                if before.settles(&tree).is_err() {
                    assert_eq!(finish(start(&tree, &[], PROGRAM)).code, 0, "{what}");
                }
                let settled = before.settles(&tree);
                assert!(settled.is_ok(), "{what}: {settled:?}");
            }
        }
        writeln!(
            text,
            "| {} | {calls} | {failed} | {well} | {told} |",
            watched.name
        )
        .unwrap();
    }
    println!("{text}");
    wrong
}

#[test]
fn any_call_that_fails_is_survived_or_told() {
    let _alone = alone();
    let wrong: Vec<String> = Level::ALL.into_iter().flat_map(sweep).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
