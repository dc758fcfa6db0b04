//! Connects that wait: for a signal, for the socket's own time limit, for a peer at last.

use super::*;

const SCRIPT: &str = include_str!("scripts/waiting.py");

fn client(level: Level, full: &Full) -> Client {
    let net = format!("connect = [\"tcp:{}\"]", full.address());
    Client::new(level, SCRIPT, &net)
}

#[test]
fn a_signal_interrupts_a_connect_in_time() {
    for level in Level::ALL {
        let full = Full::new();
        let client = client(level, &full);
        let port = full.address().port().to_string();
        let text = client.same(&["interrupted", &port]);
        assert_eq!(text, "stopped 1 in time\n", "{level}");
    }
}

#[test]
fn the_socket_s_own_time_limit_holds() {
    let full = Full::new();
    let client = client(Level::Root, &full);
    let text = client.same(&["timeout", &full.address().port().to_string()]);
    assert_eq!(text, "EINPROGRESS 0 in time\n");
}

#[test]
fn a_restarted_connect_goes_on_waiting_for_the_same_peer() {
    let run = |sandboxed: bool| {
        let full = Full::new();
        let client = client(Level::Root, &full);
        let port = full.address().port().to_string();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(1200));
                full.drain(Duration::from_secs(8));
            });
            let run = client.run(&["restarted", &port]);
            if sandboxed {
                run.under_file(&client.policy)
            } else {
                run.native()
            }
        })
        .succeeded()
        .text()
    };
    assert_eq!(run(false), "reached 1 later\n");
    assert_eq!(run(true), "reached 1 later\n");
}

#[test]
fn a_waiting_program_can_be_killed() {
    let full = Full::new();
    let client = client(Level::Root, &full);
    let policy = std::fs::read_to_string(&client.policy).unwrap();
    let limited = format!("{policy}\n[limits]\nwall = \"1s\"\n");
    let limited = client.tree.file("../policies/limited.toml", limited);
    let port = full.address().port().to_string();
    let ended = client.run(&["forever", &port]).under_file(&limited);
    assert_eq!(ended.code(), 124, "{}", ended.error());
    assert!(ended.time < Duration::from_secs(4), "{:?}", ended.time);
}

#[test]
fn sockets_flipped_under_the_broker_delay_nobody_else() {
    let full = Full::new();
    let net = format!("connect = [\"tcp:{}\"]", full.address());
    let client = Client::new(Level::Root, include_str!("scripts/flipping.py"), &net);
    let port = full.address().port().to_string();
    let ended = client.sandboxed(&[&port]).succeeded();
    assert_eq!(ended.text(), "in time\n");
    assert!(ended.time < Duration::from_secs(10), "{:?}", ended.time);
}
