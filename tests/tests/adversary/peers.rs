//! Peers that stall, flood, do not read, close one direction, dribble, send descriptors, or are
//! stopped, killed and frozen with threads that wait in the broker: each beside an honest process
//! of the same sandbox and one of another.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use doorward_tests::{Ledger, Level, Tree, adversary::Peer, alone, below, called, control_of};
use nix::{sys::stat::Mode, unistd::mkfifo};

use crate::{GROWTH, attack::Attack, seconds};

/// What may wait in the lanes of one broker, in bytes: for each of the peers' and the honest
/// one's what the kernel holds to either side.
const UNREAD: u64 = 2 << 20;
/// How long each does it for each second of an attack, and for how many of them.
const TURN: Duration = Duration::from_millis(75);
const LONGEST: u32 = 600;
/// How long one question may take at most.
const SLOWEST: Duration = Duration::from_secs(1);

/// What each is in the catalogue.
fn id(peer: Peer) -> &'static str {
    match peer {
        Peer::Silent | Peer::Stalled | Peer::Frozen => "I-33",
        Peer::Flooding => "I-15",
        Peer::Unreading => "I-16",
        Peer::HalfClosing => "I-17",
        Peer::Dribbling => "I-6",
        Peer::Sending => "I-10",
        Peer::Stopped => "U-10",
        Peer::Killed => "U-6",
        Peer::Crowding => "U-17",
    }
}

fn plant(level: Level) -> (Tree, PathBuf) {
    let tree = Tree::new(level);
    tree.file("in/file", "fine");
    tree.directory("rw");
    tree.directory("../temporary");
    let fifo = tree.name("rw/fifo");
    mkfifo(&fifo, Mode::from_bits_truncate(0o666)).unwrap();
    fs::set_permissions(&fifo, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let policy = tree.file("../peers.toml", include_bytes!("peers.toml"));
    (tree, policy)
}

/// Each kind does it for its part of an attack, which is one of so many seconds at most.
fn attack(peers: &[Peer], quiet: u64) -> Attack {
    Attack {
        who: peers.iter().map(|peer| format!("{peer:?}")).collect(),
        seed: 1,
        quiet: Duration::from_millis(quiet),
        time: TURN.saturating_mul(seconds().min(LONGEST)),
    }
}

/// Freezes the peers below a process for a quarter of a second.
fn freeze(process: u32) {
    let (root, file, on, off) = if Path::new("/sys/fs/cgroup/freezer").is_dir() {
        let root = "/sys/fs/cgroup/freezer";
        (root, "freezer.state", "FROZEN", "THAWED")
    } else {
        ("/sys/fs/cgroup", "cgroup.freeze", "1", "0")
    };
    let group = Path::new(root).join(format!("doorward-frozen-{process}"));
    fs::create_dir(&group).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let peers: Vec<i32> = below(process.cast_signed())
        .into_iter()
        .filter(|one| called(parent(parent(*one))) == "doorward-init")
        .collect();
    for peer in &peers {
        let _gone = fs::write(group.join("cgroup.procs"), peer.to_string());
    }
    fs::write(group.join(file), on).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let before = turns(&peers);
    std::thread::sleep(Duration::from_millis(200));
    let after = turns(&peers);
    fs::write(group.join(file), off).unwrap();
    let frozen = before.iter().filter(|one| after.contains(one)).count();
    assert!(frozen > 0, "no peer was frozen: {peers:?}");
    let end = Instant::now() + Duration::from_secs(20);
    while fs::remove_dir(&group).is_err() {
        assert!(Instant::now() < end, "a peer did not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn parent(process: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ')
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Those that there still are, with what they have had of a processor.
fn turns(processes: &[i32]) -> Vec<(i32, String)> {
    let time = |process| fs::read_to_string(format!("/proc/{process}/schedstat")).ok();
    let had = processes.iter();
    had.filter_map(|process| Some((*process, time(process)?)))
        .collect()
}

#[test]
fn peers_of_every_kind_delay_nobody_and_leave_nothing() {
    let _alone = alone();
    let (tree, policy) = plant(Level::Root);
    let before = Ledger::of(&tree);
    let attack = attack(&Peer::ALL, 250);
    let held = attack.run(attack.command(&tree, &policy), |who, process| {
        if Peer::named(who) == Some(Peer::Frozen) {
            freeze(process);
        }
    });
    let seen = &held.seen;
    println!(
        "| case | peer | beside it, p99: busy, attacked | neighbour, p99 | most memory, unread |"
    );
    for peer in Peer::ALL {
        let who = format!("{peer:?}");
        let beside = ["busy", &who].map(|phase| seen.beside(phase));
        let neighbour = ["busy", &who].map(|phase| seen.neighbour(phase));
        let (memory, unread) = held.most[&who];
        println!(
            "| {} | {who} | {beside:?} | {neighbour:?} | {memory} KiB, {unread} B |",
            id(peer)
        );
    }
    for peer in Peer::ALL {
        let who = format!("{peer:?}");
        held.is_as_before(&who, &who, GROWTH);
        let unread = held.most[&who].1;
        assert!(unread <= UNREAD, "{who}: {unread} B unread");
        let slowest = seen.slowest(&who);
        assert!(slowest < SLOWEST, "{who}: an answer after {slowest:?}");
    }
    let settled = before.settles(&tree);
    assert!(settled.is_ok(), "{settled:?}");
}

/// The control: a broker that notices late that who asked is gone.
#[test]
fn control_a_broker_that_waits_for_the_dead_fills_with_threads() {
    let _alone = alone();
    let program = control_of("chosen", "doorward-tests", "doorward-adversary");
    for (without, grown) in [("nothing", 0), ("given-up", 1)] {
        let (tree, policy) = plant(Level::Root);
        let attack = attack(&[Peer::Killed], 100);
        let mut command = attack.command_of(&program, &tree, &policy);
        command.env("DOORWARD_WITHOUT", without);
        let held = attack.run(command, |_, _| {});
        println!(
            "| Killed | without {without}: {:?} |",
            held.brokers["Killed"]
        );
        assert_eq!(held.grown("Killed"), grown, "{without}");
    }
}

/// The control: a broker that waits for each request in its turn serves nobody while a peer
/// waits for a FIFO, by the lane or by notification.
#[test]
fn control_a_broker_that_waits_in_its_turn_is_stalled() {
    let _alone = alone();
    let program = control_of("chosen", "doorward-tests", "doorward-adversary");
    for (peer, without, served) in [
        (Peer::Stopped, "nothing", true),
        (Peer::Stopped, "waits-elsewhere", false),
        (Peer::Stalled, "waits-elsewhere", false),
        (Peer::Frozen, "waits-elsewhere", false),
    ] {
        let (tree, policy) = plant(Level::Root);
        let attack = attack(&[peer], 100);
        let mut command = attack.command_of(&program, &tree, &policy);
        command.env("DOORWARD_WITHOUT", without);
        let held = attack.run_within(command, Duration::from_secs(1), |_, _| {});
        assert_eq!(held.is_some(), served, "{peer:?}: {held:?}");
    }
}
