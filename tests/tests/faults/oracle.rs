//! The ledger sees each thing that may be left behind: each is left behind on purpose.

use std::{
    fs,
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    time::Duration,
};

use doorward_tests::{Ledger, Level, Tree, alone};
use nix::mount::{MsFlags, mount, umount};

use crate::host::place;

/// Whether the ledger tells before and after apart, and is content when all is taken back.
fn sees(what: &str, tree: &Tree, leave: impl FnOnce() -> Box<dyn FnOnce()>) {
    let before = Ledger::of(tree);
    let take_back = leave();
    let seen = before.settles_within(Duration::from_millis(20), tree);
    take_back();
    assert!(seen.is_err(), "{what} was left and not seen");
    let settled = before.settles(tree);
    assert!(settled.is_ok(), "{what}: {settled:?}");
    println!("| {what} | seen |");
}

#[test]
fn control_the_ledger_sees_what_is_left() {
    let _alone = alone();
    let tree = place(Level::Root);
    let left = tree.name("../temporary/left");
    sees("a process without a parent", &tree, || {
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", "sleep 300 & echo $!"])
            .stdin(Stdio::null());
        let mut shell = shell.stdout(Stdio::piped()).spawn().unwrap();
        // The process holds the pipe, so the pipe's end is not waited for.
        let mut line = String::new();
        let mut read = std::io::BufReader::new(shell.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut read, &mut line).unwrap();
        drop(read);
        shell.wait().unwrap();
        let process = nix::unistd::Pid::from_raw(line.trim().parse().unwrap());
        Box::new(move || {
            nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL).unwrap();
        })
    });
    sees("a file", &tree, || {
        fs::write(&left, "").unwrap();
        let left = left.clone();
        Box::new(move || fs::remove_file(left).unwrap())
    });
    sees("a mount", &tree, || {
        let place = tree.name("../temporary");
        let flags = MsFlags::MS_BIND;
        mount(Some(&place), &place, None::<&str>, flags, None::<&str>).unwrap();
        Box::new(move || umount(&place).unwrap())
    });
    sees("a control group", &tree, || {
        let known = [
            "/sys/fs/cgroup/doorward-left",
            "/sys/fs/cgroup/pids/doorward-left",
        ];
        let made = known
            .into_iter()
            .find(|group| fs::create_dir(group).is_ok());
        let made = made.expect("a control group can be made");
        Box::new(move || fs::remove_dir(made).unwrap())
    });
    sees("a descriptor", &tree, || {
        let file = fs::File::open("/dev/null").unwrap();
        Box::new(move || drop(file))
    });
    sees("a socket", &tree, || {
        let pair = UnixStream::pair().unwrap();
        Box::new(move || drop(pair))
    });
    sees("a System V object", &tree, || {
        let mut make = Command::new("ipcmk");
        assert!(make.args(["-M", "4096"]).output().unwrap().status.success());
        let mut remove = Command::new("ipcrm");
        remove.arg("--all=shm");
        Box::new(move || assert!(remove.status().unwrap().success()))
    });
}
