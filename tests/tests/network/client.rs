//! Connects by address: reached, refused by the peer, denied by the policy.

use super::*;

const SCRIPT: &str = include_str!("scripts/client.py");

/// The lines that the script prints for one destination.
fn told(host: &str, port: &str, result: &str) -> String {
    ["blocking", "nonblocking", "explicit"]
        .map(|way| format!("{way} {host} {port} {result}\n"))
        .concat()
}

#[test]
fn allowed_addresses_are_reached_at_every_level() {
    for level in Level::ALL {
        for (bind, host) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
            let server = Echo::on(bind);
            let net = format!("connect = [\"tcp:{}\"]", server.address);
            let client = Client::new(level, SCRIPT, &net);
            let port = server.port();
            let ended = client.sandboxed(&[host, &port]).succeeded();
            assert_eq!(ended.text(), told(host, &port, "reached"), "{level}");
            assert_eq!(server.came(), 3, "{level}");
        }
    }
}

#[test]
fn nobody_listening_is_told_as_natively() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let net = format!("connect = [\"tcp:{address}\"]");
    let client = Client::new(Level::Root, SCRIPT, &net);
    let port = address.port().to_string();
    let text = client.same(&["127.0.0.1", &port]);
    assert_eq!(text, told("127.0.0.1", &port, "ECONNREFUSED"));
}

#[test]
fn what_no_rule_names_sees_no_connection_at_any_level() {
    for level in Level::ALL {
        let allowed = Echo::on("127.0.0.1:0");
        // Every spelling of this machine leads to it.
        let canary = Echo::on("[::]:0");
        let net = format!("connect = [\"tcp:{}\"]", allowed.address);
        let client = Client::new(level, SCRIPT, &net);
        let (port, other) = (allowed.port(), canary.port());
        let spellings = ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::", "::1"];
        let spellings = spellings.into_iter().chain(["::ffff:127.0.0.1"]);
        let mut arguments = vec!["127.0.0.1", &port];
        let mut expected = told("127.0.0.1", &port, "reached");
        for host in spellings {
            arguments.extend([host, &other]);
            expected += &told(host, &other, "EACCES");
        }
        let ended = client.sandboxed(&arguments).succeeded();
        assert_eq!(ended.text(), expected, "{level}");
        assert_eq!((allowed.came(), canary.came()), (3, 0), "{level}");
        // The control: without the sandbox each of them leads to the canary.
        let ended = client.run(&arguments).native().succeeded();
        assert_eq!(ended.text(), expected.replace("EACCES", "reached"));
        assert_eq!(canary.came(), 18, "{level}");
    }
}

#[test]
fn a_wildcard_does_not_reach_this_machine() {
    let canary = Echo::on("[::]:0");
    let port = canary.port();
    let client = Client::new(
        Level::Root,
        SCRIPT,
        &format!("connect = [\"tcp:*:{port}\"]"),
    );
    for host in ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"] {
        let ended = client.sandboxed(&[host, &port]).succeeded();
        assert_eq!(ended.text(), told(host, &port, "EACCES"));
    }
    assert_eq!(canary.came(), 0);
}

#[test]
fn without_network_rules_nothing_is_reached() {
    for level in Level::ALL {
        let canary = Echo::on("127.0.0.1:0");
        let client = Client::new(level, SCRIPT, "");
        let port = canary.port();
        let ended = client.sandboxed(&["127.0.0.1", &port]).succeeded();
        // With a network namespace a socket exists and leads nowhere; else there is none.
        let result = if Level::WITH_VIEW.contains(&level) {
            "EACCES"
        } else {
            "EAFNOSUPPORT"
        };
        assert_eq!(ended.text(), told("127.0.0.1", &port, result), "{level}");
        assert_eq!(canary.came(), 0, "{level}");
    }
}
