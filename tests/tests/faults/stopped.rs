//! Each process is stopped and continued all the time (Z-5, Z-11): what waits in the kernel is
//! interrupted, and nothing is lost or done twice.

use std::{process::Child, time::Duration};

use doorward_tests::{Ledger, Level, alone, below, control};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::host::{command, finish, place, start};

/// Appends to a file, and tells whether each line is there once.
const PROGRAM: &str = "n=0; while [ $n -lt 200 ]; do echo $n >> /tmp/file; n=$((n+1)); done; \
    n=0; while read -r line; do [ $line = $n ] || exit 3; n=$((n+1)); done < /tmp/file; \
    [ $n = 200 ] || exit 4";

/// Stops and continues all processes while the host runs; how many signals that were.
fn interrupt(host: &mut Child) -> u32 {
    let first = host.id().cast_signed();
    let mut sent = 0;
    while host.try_wait().unwrap().is_none() && sent < 200_000 {
        for pid in std::iter::once(first).chain(below(first)) {
            let _gone = kill(Pid::from_raw(pid), Signal::SIGSTOP);
            let _gone = kill(Pid::from_raw(pid), Signal::SIGCONT);
            sent += 2;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    sent
}

#[test]
fn interruptions_lose_and_repeat_nothing() {
    let _alone = alone();
    for level in Level::ALL {
        let tree = place(level);
        let before = Ledger::of(&tree);
        let mut host = start(&tree, &[], PROGRAM);
        let sent = interrupt(&mut host);
        let told = finish(host);
        assert_eq!(told.code, 0, "{level}: {told:?}");
        let settled = before.settles(&tree);
        assert!(settled.is_ok(), "{level}: {settled:?}");
        println!("| stopped and continued | {level} | {sent} signals | status 0 |");
    }
}

/// The control: where one call of the broker hands over descriptor and answer, a broker that is
/// stopped in it ends an open with 0.
#[test]
fn control_a_grant_with_the_answer_is_lost() {
    let _alone = alone();
    let doorward = control("chosen");
    let tree = place(Level::Root);
    let lost = (0..20).any(|_| {
        let mut command = command(doorward.clone(), &tree, &[], PROGRAM);
        let mut host = command
            .env("DOORWARD_WITHOUT", "added-first")
            .spawn()
            .unwrap();
        interrupt(&mut host);
        finish(host).code != 0
    });
    assert!(lost);
}
