//! Rules of `[net]`: what is written, and what it matches.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::RuleId;
use crate::address::{Unfolded, canonical_network};
use crate::matcher::Glob;

/// The hosts of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Hosts {
    /// `*`.
    Any,
    /// An address (a network of one) or a network.
    Network(IpNet),
    /// A name, or a pattern of names: kept, not brokered yet.
    Name(String),
}

/// First and last port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

/// A `net.connect` rule for TCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TcpRule {
    pub(crate) rule: RuleId,
    pub(crate) hosts: Hosts,
    pub(crate) ports: Ports,
}

/// A `net.unix` rule for abstract names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AbstractRule {
    pub(crate) rule: RuleId,
    pub(crate) name: Glob,
    pub(crate) datagram: bool,
}

impl TcpRule {
    /// Whether it covers the port.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        (self.ports.first..=self.ports.last).contains(&port)
    }

    /// Whether its hosts hold the address; for names never.
    pub(crate) fn has_address(&self, asked: IpAddr, unfolded: &Unfolded) -> bool {
        match &self.hosts {
            Hosts::Any => true,
            Hosts::Network(network) => {
                network.contains(&unfolded.canonical) || network.contains(&asked)
            }
            Hosts::Name(_) => false,
        }
    }

    /// Its network, if it names addresses.
    pub(crate) fn network(&self) -> Option<IpNet> {
        match self.hosts {
            Hosts::Network(network) => Some(network),
            _ => None,
        }
    }
}

/// What is wrong with an endpoint: the message and the help.
pub(crate) type Bad = (String, Option<String>);

fn bad<T>(message: &str, help: &str) -> Result<T, Bad> {
    Err((message.to_owned(), Some(help.to_owned())))
}

/// The transport in front of the first colon.
pub(crate) fn transport(text: &str) -> Result<(&str, &str), Bad> {
    match text.split_once(':') {
        Some(("tcp" | "udp", _)) => Ok(text.split_once(':').unwrap_or_default()),
        _ => Err((
            "the rule does not say the transport".to_owned(),
            Some(format!(
                "write `tcp:{}`",
                text.split_once("://").map_or(text, |(_, rest)| rest)
            )),
        )),
    }
}

/// `HOST:PORTS`, where IPv6 addresses stand in brackets.
pub(crate) fn endpoint(text: &str) -> Result<(Hosts, Ports), Bad> {
    let Some((host, port)) = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()) else {
        return bad(
            "the port is missing",
            "write `tcp:192.0.2.1:443`, `tcp:192.0.2.1:*` or `tcp:192.0.2.1:8000-8100`",
        );
    };
    if !host.starts_with('[') && host.contains(':') {
        return bad(
            "an IPv6 address stands in brackets",
            "write `tcp:[2001:db8::1]:443`",
        );
    }
    Ok((hosts(host)?, ports(port)?))
}

fn hosts(host: &str) -> Result<Hosts, Bad> {
    if host == "*" {
        return Ok(Hosts::Any);
    }
    // `[2001:db8::1]`, `[2001:db8::]/32` and `[2001:db8::/32]`.
    let bare = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inside, after)) if inside.contains(':') => format!("{inside}{after}"),
            _ => {
                return bad(
                    "the brackets do not hold an IPv6 address",
                    "write `tcp:[2001:db8::1]:443`",
                );
            }
        },
        None => host.to_owned(),
    };
    if bare.contains('%') {
        return bad(
            "an address with a scope is never reached",
            "leave out `%` and what follows",
        );
    }
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(Hosts::Network(canonical_network(IpNet::from(address))));
    }
    if bare.contains('/') {
        return match bare.parse::<IpNet>() {
            Ok(network) if network.trunc() == network => {
                Ok(Hosts::Network(canonical_network(network)))
            }
            Ok(network) => Err((
                "the network has bits behind its prefix".to_owned(),
                Some(format!("write `{}`", network.trunc())),
            )),
            Err(_) => bad(
                "this is not a network",
                "write `192.0.2.0/24` or `[2001:db8::]/32`",
            ),
        };
    }
    let last = bare.rsplit('.').next().unwrap_or_default();
    if host.starts_with('[') || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return bad(
            "this is not an address",
            "write all four numbers, such as `192.0.2.1`",
        );
    }
    name(&bare).map(Hosts::Name)
}

/// Checks a host name or a pattern of names: `*` only as the whole first label.
pub(crate) fn name(text: &str) -> Result<String, Bad> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let labels = name.strip_prefix("*.").unwrap_or(name);
    if labels.contains('*') {
        return bad(
            "`*` stands only as the first label of a name",
            "write `*.example.org`",
        );
    }
    let label_is_good = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() <= 253 && labels.split('.').all(label_is_good) {
        Ok(name.to_ascii_lowercase())
    } else {
        bad(
            "this is not a host name",
            "write it in ASCII letters, such as `www.example.org`",
        )
    }
}

fn ports(text: &str) -> Result<Ports, Bad> {
    let number = |text: &str| {
        Some(text)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse::<u16>().ok())
            .filter(|&port| port != 0)
    };
    let ports = match text.split_once('-') {
        _ if text == "*" => Some((1, u16::MAX)),
        Some((first, last)) => number(first).zip(number(last)),
        None => number(text).map(|port| (port, port)),
    };
    match ports {
        Some((first, last)) if first <= last => Ok(Ports { first, last }),
        Some((first, last)) => Err((
            "the ports run backwards".to_owned(),
            Some(format!("write `{last}-{first}`")),
        )),
        None => bad(
            "this is not a port",
            "write a number from 1 to 65535, `A-B` or `*`",
        ),
    }
}

/// An address and port without patterns, as `[[test]]` and `explain` ask.
pub(crate) fn destination(text: &str) -> Result<SocketAddr, Bad> {
    let text = text.strip_prefix("tcp:").unwrap_or(text);
    text.parse().or_else(|_| {
        bad(
            "this is not an address and port",
            "write `tcp:192.0.2.1:443` or `tcp:[2001:db8::1]:443`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Hosts {
        Hosts::Network(text.parse().unwrap())
    }

    #[test]
    fn endpoints() {
        let all = Ports {
            first: 1,
            last: 65535,
        };
        let https = Ports {
            first: 443,
            last: 443,
        };
        assert_eq!(
            endpoint("192.0.2.1:443"),
            Ok((network("192.0.2.1/32"), https))
        );
        assert_eq!(
            endpoint("192.0.2.0/24:*"),
            Ok((network("192.0.2.0/24"), all))
        );
        assert_eq!(
            endpoint("[2001:db8::]/32:443"),
            Ok((network("2001:db8::/32"), https))
        );
        assert_eq!(
            endpoint("[2001:db8::/32]:443"),
            Ok((network("2001:db8::/32"), https))
        );
        assert_eq!(endpoint("[::1]:443"), Ok((network("::1/128"), https)));
        assert_eq!(endpoint("*:443"), Ok((Hosts::Any, https)));
        assert_eq!(
            endpoint("[::ffff:10.0.0.0/104]:443"),
            Ok((network("10.0.0.0/8"), https))
        );
        assert_eq!(
            endpoint("h:20-30"),
            Ok((
                Hosts::Name("h".to_owned()),
                Ports {
                    first: 20,
                    last: 30
                }
            ))
        );
        assert_eq!(
            endpoint("*.Example.org:443"),
            Ok((Hosts::Name("*.example.org".to_owned()), https))
        );
        for wrong in [
            "192.0.2.1",
            "2001:db8::1:443",
            "192.0.2:443",
            "192.0.2.1/24:443",
            "a.*.b:1",
            "[::1%1]:1",
            "x:0",
            "x:70000",
            "x:9-8",
            "x:+5",
            "-x:1",
            ":443",
            "[x]:1",
            "[::1:1",
            "300.1.1.1:1",
            "[1.2.3.4]:5",
        ] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_transport_is_said() {
        assert_eq!(transport("tcp:x:1"), Ok(("tcp", "x:1")));
        assert_eq!(
            transport("x:1").unwrap_err().1.as_deref(),
            Some("write `tcp:x:1`")
        );
    }
}
