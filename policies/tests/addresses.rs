//! The words of `[net]`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod support;

use std::net::{IpAddr, SocketAddr};

use doorward_policy::policy::Destination;
use doorward_policy::{Access, Policy, Reason, Verdict};
use support::{allowed, denial, name, parse};

fn tcp(text: &str) -> Destination {
    Destination::Tcp(text.parse::<SocketAddr>().unwrap())
}

fn tcp_reason(policy: &Policy, text: &str) -> Option<Reason> {
    let own: [IpAddr; 1] = ["198.51.100.7".parse().unwrap()];
    match policy.decide_connect(&tcp(text), &own) {
        Verdict::Allow(_) => None,
        Verdict::Deny(denial) => Some(denial.reason),
    }
}

#[test]
fn connect_by_address_network_and_port() {
    let policy = parse(
        r#"[net]
connect = ["tcp:192.0.2.0/24:443", "tcp:[2001:db8::]/32:8000-8010", "tcp:*:80", "tcp:127.0.0.1:5432", "tcp:*.example.org:993"]"#,
    );
    assert!(policy.has_tcp());
    for to in [
        "192.0.2.9:443",
        "[::ffff:192.0.2.9]:443",
        "[2001:db8::1]:8005",
        "93.184.216.34:80",
        "127.0.0.1:5432",
        "[::ffff:127.0.0.1]:5432",
        "0.0.0.0:5432",
    ] {
        assert_eq!(tcp_reason(&policy, to), None, "{to}");
    }
    for (to, reason) in [
        ("192.0.2.9:444", Reason::NoRule),
        ("192.0.3.9:443", Reason::NoRule),
        ("[2001:db8::1]:7999", Reason::NoRule),
        ("127.0.0.1:80", Reason::AddressClass),
        ("10.0.0.1:80", Reason::AddressClass),
        ("198.51.100.7:80", Reason::AddressClass),
        ("169.254.169.254:80", Reason::AddressClass),
        ("[2002:7f00:1::]:80", Reason::AddressClass),
        ("127.0.0.2:5432", Reason::NoRule),
        ("93.184.216.34:993", Reason::NotYet),
    ] {
        assert_eq!(tcp_reason(&policy, to), Some(reason), "{to}");
    }
    let scoped = Destination::Tcp(SocketAddr::V6(std::net::SocketAddrV6::new(
        "2606:2800::1".parse().unwrap(),
        80,
        0,
        3,
    )));
    assert_eq!(
        denial(policy.decide_connect(&scoped, &[])).reason,
        Reason::AddressClass
    );
    assert!(!parse("").has_tcp());
}

#[test]
fn resolve_listen_and_udp_are_kept_as_rules() {
    let policy = parse(
        "[net]\nresolve = [\"*.example.org\"]\nlisten = [\"tcp:127.0.0.1:8080\"]\nconnect = [\"udp:192.0.2.1:53\"]",
    );
    let keys: Vec<_> = policy.rules.iter().map(|rule| rule.key.as_str()).collect();
    assert_eq!(keys, ["net.connect", "net.resolve", "net.listen"]);
    assert_eq!(tcp_reason(&policy, "192.0.2.1:53"), Some(Reason::NoRule));
    assert!(!policy.has_tcp());
}

#[test]
fn unix_sockets_by_path_and_abstract_name() {
    let policy = parse(
        r#"[net]
unix = ["/run/mysqld/*.sock", "@bus-?", "dgram:/dev/log", "dgram:@notify"]
[fs]
read = ["/run/other.sock"]
deny = ["/run/mysqld/admin.sock"]"#,
    );
    let path = |text: &str| policy.decide_connect(&Destination::UnixPath(name(text)), &[]);
    let abstracted = |text: &str| {
        policy.decide_connect(&Destination::UnixAbstract(text.as_bytes().to_vec()), &[])
    };
    assert!(path("/run/mysqld/mysqld.sock").is_allow());
    assert_eq!(
        denial(path("/run/mysqld/admin.sock")).reason,
        Reason::Denied
    );
    assert_eq!(denial(path("/run/other.sock")).reason, Reason::Access);
    assert_eq!(denial(path("/run/none.sock")).reason, Reason::NoRule);
    assert_eq!(denial(path("/dev/log")).reason, Reason::NotYet);
    assert!(abstracted("bus-1").is_allow());
    assert_eq!(denial(abstracted("bus-10")).reason, Reason::NoRule);
    assert_eq!(denial(abstracted("notify")).reason, Reason::NotYet);
    // It may be looked at, but not opened.
    assert_eq!(allowed(&policy, "/run/mysqld/mysqld.sock"), [Access::Stat]);
}

/// What other parsers take for 127.0.0.1 is here an address of a form that is refused, or a name.
#[test]
fn odd_spellings_of_addresses_are_no_addresses() {
    for host in [
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "127.0.0.1.",
        "127.0.0.1%lo",
        "[::1%lo]",
        "%31%32%37.0.0.1",
        "1\u{ff12}7.0.0.1",
    ] {
        let text = format!("version = 1\n[net]\nconnect = [\"tcp:{host}:80\"]\n");
        let expansion = support::expansion();
        let loaded = Policy::parse(&text, "p.toml", std::path::Path::new("/"), &expansion);
        let reached = |policy: &Policy| {
            ["127.0.0.1:80", "[::1]:80"]
                .iter()
                .any(|to| tcp_reason(policy, to).is_none())
        };
        assert!(
            !loaded.is_ok_and(|loaded| reached(&loaded.policy)),
            "{host}"
        );
    }
    let plain = parse("[net]\nconnect = [\"tcp:127.0.0.1:80\"]");
    assert_eq!(tcp_reason(&plain, "127.0.0.1:80"), None);
}
