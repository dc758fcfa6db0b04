//! The control of peers on lanes: a server as it is written at first, which each of them stalls,
//! ends or fills.

use std::{collections::BTreeSet, os::fd::OwnedFd, sync::Mutex, time::Duration};

use doorward_protocol::lane::{Lane, LaneError};
use doorward_tests::{Level, Tree, adversary::Peer, alone};

/// What it takes for one request.
const REQUEST: usize = 64;
/// How long it does what a request asks.
const WORK: Duration = Duration::from_micros(100);
/// How long the honest client waits.
const PATIENCE: Duration = Duration::from_millis(200);

/// What became of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// The honest client waited in vain.
    Stalled,
    /// It gave up.
    Ended,
    /// It holds descriptors that a peer sent.
    Filled,
    /// It served on.
    Served,
}

/// Serves its lanes by turns: each until a request of it is whole, and as long as it has more.
fn serve(lanes: &[Lane], kept: &Mutex<Vec<OwnedFd>>) {
    let mut buffer = vec![0; 8192];
    loop {
        for lane in lanes {
            let mut have = 0;
            loop {
                let Ok(received) = lane.receive(&mut buffer) else {
                    return;
                };
                kept.lock().unwrap().extend(received.descriptor);
                have += received.length;
                if have < REQUEST {
                    continue;
                }
                have = 0;
                std::thread::sleep(WORK);
                if lane.send(&[1; REQUEST]).is_err() {
                    return;
                }
                let more = rustix::io::ioctl_fionread(lane).unwrap_or(0);
                if more == 0 {
                    break;
                }
            }
        }
    }
}

/// A peer beside an honest client, and what becomes of the server between them.
fn fate(peer: Peer, tree: &Tree) -> Fate {
    let (ours, theirs) = Lane::pair().unwrap();
    let (honest, served) = Lane::pair().unwrap();
    let kept = Mutex::new(Vec::new());
    let directory = tree.work();
    std::thread::scope(|scope| {
        let lanes = [ours, served];
        let kept = &kept;
        let server = scope.spawn(move || {
            serve(&lanes, kept);
            lanes
        });
        let closing = [&theirs, &honest].map(|lane| rustix::io::dup(lane).unwrap());
        scope.spawn(|| peer.act(theirs.into_fd(), &directory));
        std::thread::sleep(Duration::from_millis(50));
        honest.set_patience(PATIENCE).unwrap();
        let mut reply = [0; REQUEST];
        let asked = (0..20).try_for_each(|_| {
            honest.send(&[2; REQUEST])?;
            honest.receive(&mut reply).map(drop)
        });
        let ended = server.is_finished();
        for end in closing {
            let _gone = rustix::net::shutdown(end, rustix::net::Shutdown::Both);
        }
        drop(server.join().unwrap());
        match asked {
            _ if ended => Fate::Ended,
            Err(LaneError::NotReady) => Fate::Stalled,
            Err(_) => Fate::Ended,
            Ok(()) if !kept.lock().unwrap().is_empty() => Fate::Filled,
            Ok(()) => Fate::Served,
        }
    })
}

#[test]
fn control_a_server_that_waits_for_its_peers_is_stalled() {
    let _alone = alone();
    let tree = Tree::new(Level::Root);
    let peers = [
        Peer::Silent,
        Peer::Stalled,
        Peer::Flooding,
        Peer::Unreading,
        Peer::HalfClosing,
        Peer::Dribbling,
        Peer::Sending,
    ];
    let mut seen = BTreeSet::new();
    for peer in peers {
        let fate = fate(peer, &tree);
        println!("| {peer:?} | a naive server is {fate:?} |");
        assert_ne!(fate, Fate::Served, "{peer:?}");
        seen.insert(fate);
    }
    assert!(
        seen.contains(&Fate::Stalled) && seen.contains(&Fate::Ended),
        "{seen:?}"
    );
}
