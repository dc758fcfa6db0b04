//! Which sockets there are, and what may be done with one (docs/NETWORK.md).

use super::*;

const HIGH: u64 = 0xdead_beef_0000_0000;
const FAST_OPEN: u64 = 0x2000_0000;

/// What a sandboxee may reach, and whether it has a network namespace of its own.
#[derive(Debug, Clone, Copy)]
struct Place {
    tcp: bool,
    unix: bool,
    namespace: bool,
}

impl Place {
    fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|bits| Self {
            tcp: bits & 1 != 0,
            unix: bits & 2 != 0,
            namespace: bits & 4 != 0,
        })
    }

    fn filter(self, arch: Arch) -> Filter {
        let connect = if self.tcp {
            "connect = [\"tcp:192.0.2.1:80\"]\n"
        } else {
            ""
        };
        let unix = if self.unix {
            "unix = [\"/run/service\", \"dgram:@log\"]\n"
        } else {
            "unix = [\"dgram:/dev/log\", \"dgram:@log\"]\n"
        };
        let text = format!("version = 1\nname = \"filter\"\n[net]\n{connect}{unix}");
        let expansion = crate::Expansion {
            cwd: None,
            home: None,
            uid: 0,
        };
        let policy = Policy::parse(&text, "filter", std::path::Path::new("/"), &expansion)
            .unwrap_or_else(|errors| panic!("{errors}"))
            .policy;
        Filter::assemble(&FilterRequest {
            policy: &policy,
            arch,
            notify: true,
            trap: false,
            network_namespace: self.namespace,
            processes: true,
            zygote: false,
        })
        .unwrap()
    }

    /// What socket(2) should come to.
    fn socket(self, family: u64, kind: u64, protocol: u64) -> Action {
        let stream_or_record = kind == 1 || kind == 5;
        match family {
            1 if stream_or_record && self.unix => Action::Notify,
            1 if stream_or_record => Action::Allow,
            2 | 10 if self.tcp && kind == 1 && (protocol == 0 || protocol == 6) => Action::Notify,
            2 | 10 if self.namespace => Action::Allow,
            16 if self.namespace && protocol == 0 => Action::Allow,
            _ => Action::Errno(97),
        }
    }
}

fn places() -> impl Iterator<Item = (Place, Filter)> {
    Place::all()
        .flat_map(|place| [Arch::X86_64, Arch::Aarch64].map(|arch| (place, place.filter(arch))))
}

#[test]
fn sockets_by_family_kind_and_protocol() {
    for (place, filter) in places() {
        for family in (0..48).chain([0xffff_ffff]) {
            for kind in (0..16).flat_map(|kind| [kind, kind | 0x80000, kind | 0x80800]) {
                for protocol in [0, 1, 6, 15, 17, 132, 255, 262, 0xffff_ffff] {
                    let expected = place.socket(family, kind & 0xf, protocol);
                    let clean = ask(&filter, "socket", [family, kind, protocol, 0, 0, 0]);
                    assert_eq!(clean, expected, "{place:?} {family} {kind} {protocol}");
                    let junk = [family | HIGH, kind | HIGH, protocol | HIGH, 0, 0, 0];
                    assert_eq!(ask(&filter, "socket", junk), expected, "{junk:x?}");
                }
                let pair = match (family, kind & 0xf) {
                    (1, 1 | 5) => Action::Allow,
                    _ => Action::Errno(97),
                };
                assert_eq!(ask(&filter, "socketpair", [family, kind, 0, 0, 0, 0]), pair);
            }
        }
    }
}

#[test]
fn nothing_sent_opens_a_connection() {
    for (place, filter) in places() {
        for (call, flags_at) in [("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)] {
            let flags = [
                0,
                0x40,
                0x4000,
                0x8000,
                0x0400_0000,
                0x4000_0040,
                0xdfff_ffff,
            ];
            for flags in flags {
                let mut arguments = [7, 1, 1, 0, 0, 0];
                arguments[flags_at] = flags;
                let action = ask(&filter, call, arguments);
                assert_eq!(action, Action::Allow, "{place:?} {call} {flags:x}");
                for fast in [flags | FAST_OPEN, flags | FAST_OPEN | HIGH] {
                    arguments[flags_at] = fast;
                    let action = ask(&filter, call, arguments);
                    assert_eq!(action, Action::Errno(1), "{place:?} {call} {fast:x}");
                }
            }
        }
        // An address is a pointer: all of its bits count.
        for address in [1, 1 << 32, 0x7fff_1234_5678] {
            let expected = if place.namespace && !place.tcp {
                Action::Allow
            } else {
                Action::Errno(1)
            };
            let action = ask(&filter, "sendto", [7, 1, 1, 0, address, 16]);
            assert_eq!(action, expected, "{place:?} {address:x}");
        }
    }
}

#[test]
fn addressing_and_listening_go_to_the_broker_or_nowhere() {
    let mut sent = 0;
    for (place, filter) in places() {
        for call in ["connect", "bind", "listen"] {
            assert_eq!(
                ask(&filter, call, [7; 6]),
                Action::Notify,
                "{place:?} {call}"
            );
            sent += 1;
        }
    }
    assert_eq!(sent, 48);
    let silent = filter(&plain(), Arch::X86_64, false);
    for call in ["connect", "bind", "listen"] {
        assert_eq!(ask(&silent, call, [7; 6]), Action::Errno(13), "{call}");
    }
}

#[test]
fn options_neither_widen_a_socket_nor_tell_of_the_host() {
    // SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_IPV6 and a few foreign levels.
    let refused = [
        // DEBUG, DONTROUTE, PRIORITY, REUSEPORT, PASSSEC, BINDTODEVICE, ATTACH_FILTER.
        (1, &[1, 5, 12, 15, 34, 25, 26][..]),
        // PEERNAME, SNDBUFFORCE, RCVBUFFORCE, MARK, RXQ_OVFL, BUSY_POLL, ATTACH_BPF.
        (1, &[28, 32, 33, 36, 40, 46, 50]),
        // ATTACH_REUSEPORT_*, ZEROCOPY, TXTIME, BINDTOIFINDEX, NETNS_COOKIE, PASSRIGHTS.
        (1, &[51, 52, 60, 61, 62, 71, 83]),
        // OPTIONS, HDRINCL, FREEBIND, TRANSPARENT, BIND_ADDRESS_NO_PORT, UNICAST_IF.
        (0, &[4, 3, 15, 19, 24, 50]),
        // Multicast: interface, membership, sources.
        (0, &[32, 35, 36, 39, 42, 46]),
        // REPAIR, MD5SIG, FASTOPEN, FASTOPEN_CONNECT, FASTOPEN_KEY, ULP, ZEROCOPY_RECEIVE.
        (6, &[19, 14, 23, 30, 33, 31, 35]),
        // ADDRFORM, UNICAST_IF, ADD_MEMBERSHIP, HDRINCL, FREEBIND, TRANSPARENT, PKTINFO.
        (41, &[1, 76, 20, 36, 78, 75, 50]),
        (255, &[0, 1]),
        (270, &[1, 2]),
        (282, &[1]),
    ];
    for (place, filter) in places() {
        for call in ["setsockopt", "getsockopt"] {
            for (level, options) in refused {
                for &option in options {
                    for high in [0, HIGH] {
                        let arguments = [7, level | high, option | high, 1, 1, 0];
                        let action = ask(&filter, call, arguments);
                        assert_eq!(
                            action,
                            Action::Errno(92),
                            "{place:?} {call} {level} {option}"
                        );
                    }
                }
            }
            // What clients set, and what each needs to know.
            for (level, option) in [(1, 9), (1, 21), (6, 1), (6, 4), (0, 1), (41, 26)] {
                let arguments = [7, level | HIGH, option | HIGH, 1, 1, 0];
                assert_eq!(ask(&filter, call, arguments), Action::Allow);
            }
        }
        let error = ask(&filter, "getsockopt", [7, 1, 4, 1, 1, 0]);
        assert_eq!(error, Action::Allow);
    }
}

#[test]
fn no_control_call_tells_of_interfaces_or_sends_signals() {
    for (place, filter) in places() {
        // SIOCSPGRP, FIOSETOWN, SIOCGIFNAME, SIOCGIFCONF, SIOCGIFADDR, SIOCGIFHWADDR,
        // SIOCGIFINDEX, SIOCETHTOOL, SIOCGSKNS, SIOCOUTQNSD, FIOASYNC.
        for command in [
            0x8902, 0x8901, 0x8910, 0x8912, 0x8915, 0x8927, 0x8933, 0x8946, 0x894c, 0x894b, 0x5452,
        ] {
            for command in [command, command | HIGH] {
                let action = ask(&filter, "ioctl", [7, command, 0, 0, 0, 0]);
                assert_eq!(action, Action::Errno(25), "{place:?} {command:x}");
            }
        }
        // FIONREAD, FIONBIO, SIOCOUTQ.
        for command in [0x541b, 0x5421, 0x5411] {
            let action = ask(&filter, "ioctl", [7, command | HIGH, 0, 0, 0, 0]);
            assert_eq!(action, Action::Allow, "{command:x}");
        }
        // F_SETOWN, F_SETSIG, F_SETOWN_EX.
        for command in [8, 10, 15] {
            let action = ask(&filter, "fcntl", [7, command, 0, 0, 0, 0]);
            assert_eq!(action, Action::Errno(1), "{command}");
        }
    }
}
