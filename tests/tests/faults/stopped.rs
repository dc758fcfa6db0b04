//! Each process but the broker is stopped and continued all the time (Z-5, Z-11): what waits
//! in the kernel is interrupted, and nothing is lost or done twice. For the broker the kernel
//! does not hold that (docs/THREATS.md).

use std::time::Duration;

use doorward_tests::Level;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    alone,
    host::{finish, place, start},
    ledger::{Ledger, below, name},
};

/// Appends to a file, and tells whether each line is there once.
const PROGRAM: &str = "n=0; while [ $n -lt 200 ]; do echo $n >> /tmp/file; n=$((n+1)); done; \
    n=0; while read -r line; do [ $line = $n ] || exit 3; n=$((n+1)); done < /tmp/file; \
    [ $n = 200 ] || exit 4";

#[test]
fn interruptions_lose_and_repeat_nothing() {
    let _alone = alone();
    for level in Level::ALL {
        let tree = place(level);
        let before = Ledger::of(&tree);
        let mut host = start(&tree, &[], PROGRAM);
        let first = host.id().cast_signed();
        let mut sent = 0;
        while host.try_wait().unwrap().is_none() && sent < 200_000 {
            let all = std::iter::once(first).chain(below(first));
            for pid in all.filter(|pid| name(*pid) != "doorward-broker") {
                let _gone = kill(Pid::from_raw(pid), Signal::SIGSTOP);
                let _gone = kill(Pid::from_raw(pid), Signal::SIGCONT);
                sent += 2;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        let told = finish(host);
        assert_eq!(told.code, 0, "{level}: {told:?}");
        let settled = before.settles(&tree);
        assert!(settled.is_ok(), "{level}: {settled:?}");
        println!("| stopped and continued | {level} | {sent} signals | status 0 |");
    }
}
