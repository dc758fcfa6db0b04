//! Classes of addresses, and the IPv4 addresses that IPv6 addresses embed.
//!
//! A wildcard or name never reaches the special ranges: each needs a rule whose
//! network lies wholly inside that range. The table follows the IANA special-purpose
//! registries and the metadata services of the large providers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What is special about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// This machine.
    Loopback,
    /// Private networks, carriers' shared space and unique local addresses.
    Private,
    /// One link.
    LinkLocal,
    /// Multicast and broadcast.
    Multicast,
    /// A provider's metadata service.
    Metadata,
    /// Not for hosts: benchmarks, protocol assignments, discard, future use.
    Reserved,
    /// One of the machine's own addresses.
    Own,
}

const fn v4(class: AddressClass, octets: [u8; 4], length: u8) -> (AddressClass, IpAddr, u8) {
    let [a, b, c, d] = octets;
    (class, IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length)
}

const fn v6(class: AddressClass, words: [u16; 8], length: u8) -> (AddressClass, IpAddr, u8) {
    let [a, b, c, d, e, f, g, h] = words;
    (
        class,
        IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)),
        length,
    )
}

/// Class, network and prefix length.
const TABLE: [(AddressClass, IpAddr, u8); 32] = {
    use AddressClass::*;
    [
        v4(Loopback, [127, 0, 0, 0], 8),
        v4(Loopback, [0, 0, 0, 0], 8),
        v4(Private, [10, 0, 0, 0], 8),
        v4(Private, [172, 16, 0, 0], 12),
        v4(Private, [192, 168, 0, 0], 16),
        v4(Private, [100, 64, 0, 0], 10),
        v4(LinkLocal, [169, 254, 0, 0], 16),
        v4(Multicast, [224, 0, 0, 0], 4),
        v4(Multicast, [255, 255, 255, 255], 32),
        v4(Metadata, [169, 254, 169, 254], 32),
        v4(Metadata, [169, 254, 170, 2], 32),
        v4(Metadata, [100, 100, 100, 200], 32),
        v4(Metadata, [168, 63, 129, 16], 32),
        v4(Metadata, [192, 0, 0, 192], 32),
        v4(Reserved, [192, 0, 0, 0], 24),
        v4(Reserved, [192, 88, 99, 0], 24),
        v4(Reserved, [198, 18, 0, 0], 15),
        v4(Reserved, [240, 0, 0, 0], 4),
        v6(Loopback, [0, 0, 0, 0, 0, 0, 0, 1], 128),
        v6(Loopback, [0, 0, 0, 0, 0, 0, 0, 0], 128),
        v6(Private, [0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
        v6(Private, [0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
        v6(LinkLocal, [0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        v6(Multicast, [0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
        v6(Metadata, [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
        v6(Metadata, [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
        v6(Reserved, [0x100, 0, 0, 0, 0, 0, 0, 0], 64),
        v6(Reserved, [0x2001, 2, 0, 0, 0, 0, 0, 0], 48),
        v6(Reserved, [0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28),
        v6(Reserved, [0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28),
        v6(Reserved, [0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
        v6(Reserved, [0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    ]
};

/// An address and everything it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfolded {
    /// The address that is reached: the embedded one where nothing else is in it
    /// (mapped, compatible, translated, well-known NAT64), and loopback for the unspecified.
    pub(crate) canonical: IpAddr,
    /// Other IPv4 addresses embedded in it.
    embedded: [Option<Ipv4Addr>; 5],
}

fn ipv4(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

/// The four bytes of `octets` at these places.
fn picked(octets: &[u8; 16], places: [usize; 4]) -> Ipv4Addr {
    let [a, b, c, d] = places.map(|at| octets.get(at).copied().unwrap_or_default());
    Ipv4Addr::new(a, b, c, d)
}

impl Unfolded {
    pub(crate) fn new(address: IpAddr) -> Self {
        let mut embedded = [None; 5];
        let canonical = match address {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let octets = address.octets();
                match address.segments() {
                    [0, 0, 0, 0, 0, 0, 0, 0 | 1] => IpAddr::V6(address),
                    // Compatible, mapped, translated (RFC 2765), NAT64.
                    [0, 0, 0, 0, 0, 0, high, low]
                    | [0, 0, 0, 0, 0, 0xffff, high, low]
                    | [0, 0, 0, 0, 0xffff, 0, high, low]
                    | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => IpAddr::V4(ipv4(high, low)),
                    // Local-use NAT64: the layouts of RFC 6052 for /48, /56, /64 and /96.
                    [0x64, 0xff9b, 1, ..] => {
                        embedded = [
                            Some(picked(&octets, [6, 7, 9, 10])),
                            Some(picked(&octets, [7, 9, 10, 11])),
                            Some(picked(&octets, [9, 10, 11, 12])),
                            Some(picked(&octets, [12, 13, 14, 15])),
                            isatap(&address),
                        ];
                        IpAddr::V6(address)
                    }
                    // 6to4.
                    [0x2002, high, low, ..] => {
                        embedded = [Some(ipv4(high, low)), isatap(&address), None, None, None];
                        IpAddr::V6(address)
                    }
                    // Teredo: the server, and the client with all bits turned.
                    [0x2001, 0, high, low, _, _, client_high, client_low] => {
                        let client = ipv4(!client_high, !client_low);
                        let server = ipv4(high, low);
                        embedded = [Some(server), Some(client), isatap(&address), None, None];
                        IpAddr::V6(address)
                    }
                    _ => {
                        embedded = [isatap(&address), None, None, None, None];
                        IpAddr::V6(address)
                    }
                }
            }
        };
        let canonical = match canonical {
            IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            address => address,
        };
        Self {
            canonical,
            embedded,
        }
    }

    /// Every address it stands for.
    pub(crate) fn all(&self) -> impl Iterator<Item = IpAddr> {
        let embedded = self.embedded.into_iter().flatten().map(|address| {
            // What an embedding leads to may be unspecified too.
            IpAddr::V4(if address.is_unspecified() {
                Ipv4Addr::LOCALHOST
            } else {
                address
            })
        });
        std::iter::once(self.canonical).chain(embedded)
    }
}

/// An ISATAP identifier may lie behind any prefix.
fn isatap(address: &Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [_, _, _, _, 0 | 0x200 | 0x100 | 0x300, 0x5efe, high, low] => Some(ipv4(high, low)),
        _ => None,
    }
}

/// A network as rules mean it: one of mapped addresses is one of IPv4.
pub(crate) fn canonical_network(network: IpNet) -> IpNet {
    if let IpNet::V6(six) = network
        && six.prefix_len() >= 96
        && let IpAddr::V4(four) = Unfolded::new(IpAddr::V6(six.network())).canonical
        && !six.network().is_unspecified()
        && let Some(length) = six.prefix_len().checked_sub(96)
        && let Ok(unfolded) = ipnet::Ipv4Net::new(four, length)
        // `::ffff:0.0.0.0/96` begins at the unspecified address, which stands for loopback.
        && let Ok(whole) = ipnet::Ipv4Net::new(low_half(six.network()), length)
    {
        return IpNet::V4(if length == 32 { unfolded } else { whole }.trunc());
    }
    if network.prefix_len() == network.max_prefix_len() {
        return IpNet::from(Unfolded::new(network.addr()).canonical);
    }
    network.trunc()
}

fn low_half(address: Ipv6Addr) -> Ipv4Addr {
    picked(&address.octets(), [12, 13, 14, 15])
}

/// The first class of the address that `network`, a rule's, does not open.
///
/// `None` as network is a wildcard or name: it opens nothing.
pub(crate) fn closed_class(
    address: &Unfolded,
    network: Option<IpNet>,
    own: &[IpAddr],
) -> Option<AddressClass> {
    // A rule that names this very address opens everything it stands for.
    if network.is_some_and(|network| {
        network.prefix_len() == network.max_prefix_len() && network.addr() == address.canonical
    }) {
        return None;
    }
    for form in address.all() {
        for (class, base, length) in TABLE {
            let Ok(range) = IpNet::new(base, length) else {
                return Some(class);
            };
            if range.contains(&form) && !network.is_some_and(|network| range.contains(&network)) {
                return Some(class);
            }
        }
        let loopback = form.is_loopback();
        if !loopback && own.iter().any(|own| Unfolded::new(*own).canonical == form) {
            return Some(AddressClass::Own);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(address: &str, rule: Option<&str>) -> Option<AddressClass> {
        let network = rule.map(|rule| canonical_network(rule.parse().unwrap()));
        let own = ["203.0.113.9".parse().unwrap()];
        closed_class(&Unfolded::new(address.parse().unwrap()), network, &own)
    }

    #[test]
    fn a_wildcard_reaches_only_ordinary_addresses() {
        assert_eq!(closed("93.184.216.34", None), None);
        assert_eq!(closed("2606:2800:220:1::1", None), None);
        for (address, class) in [
            ("127.9.9.9", AddressClass::Loopback),
            ("0.0.0.0", AddressClass::Loopback),
            ("0.1.2.3", AddressClass::Loopback),
            ("::", AddressClass::Loopback),
            ("::1", AddressClass::Loopback),
            ("10.1.2.3", AddressClass::Private),
            ("172.31.255.255", AddressClass::Private),
            ("192.168.1.1", AddressClass::Private),
            ("100.64.0.1", AddressClass::Private),
            ("fd12::1", AddressClass::Private),
            ("fec0::1", AddressClass::Private),
            ("169.254.1.1", AddressClass::LinkLocal),
            ("fe80::1", AddressClass::LinkLocal),
            ("239.1.1.1", AddressClass::Multicast),
            ("255.255.255.255", AddressClass::Multicast),
            ("ff02::1", AddressClass::Multicast),
            ("168.63.129.16", AddressClass::Metadata),
            ("198.18.0.1", AddressClass::Reserved),
            ("240.0.0.1", AddressClass::Reserved),
            ("203.0.113.9", AddressClass::Own),
            ("::ffff:203.0.113.9", AddressClass::Own),
        ] {
            assert_eq!(closed(address, None), Some(class), "{address}");
        }
        for metadata in [
            "169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
            "192.0.0.192",
        ] {
            assert!(closed(metadata, None).is_some(), "{metadata}");
        }
    }

    #[test]
    fn every_embedding_counts_as_what_it_embeds() {
        for address in [
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::127.0.0.1",
            "64:ff9b:1:7f00:0:100::",
            "64:ff9b:1:7f:0:1::",
            "64:ff9b:1:0:7f:0:100:0",
            "2002:7f00:1::1",
            "2001:0:7f00:1::",
            "2001:0:808:808::80ff:fffe",
            "2606:2800::5efe:7f00:1",
            "2606:2800::200:5efe:7f00:1",
            "2002:808:808::5efe:7f00:1",
            "2001:0:808:808:0:5efe:7f00:1",
            "::ffff:0.0.0.0",
        ] {
            // The local-use NAT64 range is reserved as such, so look at the embedded forms.
            let unfolded = Unfolded::new(address.parse().unwrap());
            assert!(unfolded.all().any(|form| form.is_loopback()), "{address}");
            assert!(closed(address, None).is_some(), "{address}");
        }
        assert_eq!(closed("::ffff:8.8.8.8", None), None);
        assert_eq!(closed("2002:808:808::1", None), None);
        assert_eq!(closed("2001:0:808:808::f7f7:f7f7", None), None);
    }

    #[test]
    fn a_rule_inside_a_range_opens_it() {
        assert_eq!(closed("127.0.0.1", Some("127.0.0.1/32")), None);
        assert_eq!(closed("127.0.0.1", Some("127.0.0.0/8")), None);
        assert_eq!(closed("::ffff:127.0.0.1", Some("127.0.0.1/32")), None);
        assert_eq!(closed("127.0.0.1", Some("::ffff:127.0.0.1/128")), None);
        assert_eq!(closed("10.1.1.1", Some("::ffff:10.0.0.0/104")), None);
        assert_eq!(closed("::1", Some("::1/128")), None);
        assert_eq!(closed("::", Some("::1/128")), None);
        assert_eq!(
            closed("10.1.1.1", Some("0.0.0.0/0")),
            Some(AddressClass::Private)
        );
        assert_eq!(
            closed("10.1.1.1", Some("::ffff:0:0/96")),
            Some(AddressClass::Private)
        );
        assert_eq!(
            closed("192.168.0.1", Some("192.0.0.0/8")),
            Some(AddressClass::Private)
        );
        assert_eq!(
            closed("169.254.169.254", Some("169.254.0.0/16")),
            Some(AddressClass::Metadata)
        );
        assert_eq!(closed("169.254.169.254", Some("169.254.169.254/32")), None);
        assert_eq!(
            closed("203.0.113.9", Some("203.0.113.0/24")),
            Some(AddressClass::Own)
        );
        assert_eq!(closed("203.0.113.9", Some("203.0.113.9/32")), None);
        assert_eq!(
            closed("2002:7f00:1::1", Some("2002::/16")),
            Some(AddressClass::Loopback)
        );
    }
}
