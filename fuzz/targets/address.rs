//! Socket addresses: read as the kernel's structures are laid out, and decided on as
//! everything that they embed.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use doorward::fuzzing::{self, Address};
use doorward_fuzz::{
    Cost, bounded,
    documents::parsed,
    reference::{Hosts, Socket, reaches, socket},
};
use doorward_policy::policy::Destination;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

const COST: Cost = Cost {
    base: 64 << 10,
    each: 16,
};

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), COST, || {
        read(data);
        let _used_up = decide(&mut Unstructured::new(data));
    });
});

/// Given as bytes.
fn read(bytes: &[u8]) {
    let due = match socket(bytes) {
        Socket::Internet(IpAddr::V4(four), port, _) => {
            Some(Address::Internet(SocketAddr::new(four.into(), port)))
        }
        Socket::Internet(IpAddr::V6(six), port, scope) => Some(Address::Internet(SocketAddr::V6(
            SocketAddrV6::new(six, port, 0, scope),
        ))),
        Socket::Path(path) => Some(Address::Path(path)),
        Socket::Abstract(name) => Some(Address::Abstract(name)),
        Socket::Other(family) => Some(Address::Other(family)),
        Socket::Refused => None,
    };
    assert_eq!(fuzzing::address(bytes), due);
}

/// Decided on by a rule.
fn decide(from: &mut Unstructured<'_>) -> Result<()> {
    let rule = match from.int_in_range(0..=2)? {
        0 => Hosts::Any,
        1 => Hosts::One(address(from)?),
        _ => network(from)?,
    };
    let text = match rule {
        Hosts::Any => "*".to_owned(),
        Hosts::One(IpAddr::V4(four)) => four.to_string(),
        Hosts::One(IpAddr::V6(six)) => format!("[{six}]"),
        Hosts::Network(IpAddr::V4(four), length) => format!("{four}/{length}"),
        Hosts::Network(IpAddr::V6(six), length) => format!("[{six}]/{length}"),
    };
    let first = from.int_in_range(1..=3_u16)?;
    let text = format!("version = 1\n[net]\nconnect = [\"tcp:{text}:{first}-4\"]\n");
    let policy = parsed(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let own = [address(from)?, address(from)?];
    for _ in 0..4 {
        let (to, port) = (address(from)?, from.int_in_range(0..=5_u16)?);
        let asked = Destination::Tcp(SocketAddr::new(to, port));
        let due = (first..=4).contains(&port) && reaches(rule, to, &own);
        let verdict = policy.decide_connect(&asked, &own);
        assert_eq!(
            verdict.is_allow(),
            due,
            "{text}{to} {port} {own:?} {verdict:?}"
        );
        if let IpAddr::V6(six) = to {
            let scoped = SocketAddr::V6(SocketAddrV6::new(six, port, 0, 1));
            let verdict = policy.decide_connect(&Destination::Tcp(scoped), &own);
            assert!(!verdict.is_allow(), "{text}{scoped}");
        }
    }
    Ok(())
}

/// A network of some size, without bits behind its prefix.
fn network(from: &mut Unstructured<'_>) -> Result<Hosts> {
    Ok(match address(from)? {
        IpAddr::V4(four) => {
            let length = from.int_in_range(0..=31_u32)?;
            let kept = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            Hosts::Network(Ipv4Addr::from_bits(four.to_bits() & kept).into(), length)
        }
        // Longer ones may be another spelling of one of IPv4.
        IpAddr::V6(six) => {
            let length = from.int_in_range(0..=95_u32)?;
            let kept = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            Hosts::Network(Ipv6Addr::from_bits(six.to_bits() & kept).into(), length)
        }
    })
}

/// An address, often one that embeds another or lies in a special range.
fn address(from: &mut Unstructured<'_>) -> Result<IpAddr> {
    const FOUR: [[u8; 4]; 12] = [
        [127, 0, 0, 1],
        [0, 0, 0, 0],
        [10, 1, 2, 3],
        [172, 31, 0, 1],
        [192, 168, 0, 1],
        [169, 254, 169, 254],
        [8, 8, 8, 8],
        [93, 184, 216, 34],
        [224, 0, 0, 1],
        [255, 255, 255, 255],
        [100, 64, 0, 1],
        [192, 0, 0, 192],
    ];
    let four = match from.ratio(3, 4)? {
        true => *from.choose(&FOUR)?,
        false => from.arbitrary()?,
    };
    let [a, b, c, d] = four;
    let mut six: [u8; 16] = match from.ratio(1, 2)? {
        true => [0; 16],
        false => from.arbitrary()?,
    };
    let put = |six: &mut [u8; 16], at: usize, bytes: &[u8]| {
        six[at..at + bytes.len()].copy_from_slice(bytes);
    };
    match from.int_in_range(0..=11)? {
        0..=2 => return Ok(IpAddr::from(four)),
        3 => put(&mut six, 0, &[0; 12]),
        4 => put(&mut six, 0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        5 => put(&mut six, 0, &[0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0]),
        6 => put(&mut six, 0, &[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]),
        7 => {
            put(&mut six, 0, &[0, 0x64, 0xff, 0x9b, 0, 1]);
            put(&mut six, from.int_in_range(6..=12)?, &four);
        }
        8 => put(&mut six, 0, &[0x20, 0x02, a, b, c, d]),
        9 => {
            put(&mut six, 0, &[0x20, 0x01, 0, 0, a, b, c, d]);
            return Ok(IpAddr::from(six));
        }
        10 => put(&mut six, 8, &[from.int_in_range(0..=3)?, 0, 0x5e, 0xfe]),
        _ => return Ok(IpAddr::from(six)),
    }
    if six[..6] != [0, 0x64, 0xff, 0x9b, 0, 1] && six[..2] != [0x20, 0x02] {
        put(&mut six, 12, &four);
    }
    Ok(IpAddr::from(six))
}
