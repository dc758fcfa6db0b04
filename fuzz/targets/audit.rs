//! The audit log: whatever was asked and decided, each record is one line of JSON in which
//! nothing steers a terminal, and its bytes come back as they were.
#![no_main]

use std::{
    io::{Read, Seek},
    os::fd::OwnedFd,
    sync::{Arc, LazyLock},
    time::Duration,
};

use doorward::{
    audit::{Entry, Event, Log, Record, Start, Text},
    layers::Level,
    service::{Answer, Decision},
};
use doorward_fuzz::{Cost, bounded, documents::parsed};
use doorward_policy::{Denial, Policy, Reason, RuleId, Verdict};
use doorward_protocol::{Base, Request, request::PathArgument};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use rustix::{fs::MemfdFlags, io::Errno};

/// Bytes are in a record several times, escaped; a queue and a tally are made.
const COST: Cost = Cost {
    base: 256 << 10,
    each: 256,
};

static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let text = "version = 1\n[fs]\nread = [\"/a/**\"]\ndeny = [\"/a/\\u0001\\u202e\"]\n";
    Arc::new(parsed(text).unwrap_or_else(|errors| panic!("{errors}")))
});

fuzz_target!(|data: &[u8]| {
    LazyLock::force(&POLICY);
    bounded(data.len(), COST, || {
        let _used_up = run(&mut Unstructured::new(data));
    });
});

fn run(from: &mut Unstructured<'_>) -> Result<()> {
    let sink = rustix::fs::memfd_create("audit", MemfdFlags::CLOEXEC).unwrap();
    let copy = sink.try_clone().unwrap();
    let session = String::from_utf8_lossy(bytes(from)?).into_owned();
    let start = Start {
        policy: POLICY.name.clone(),
        front: "api".to_owned(),
        level: Level::Root,
        layers: Vec::new(),
        limits: Vec::new(),
        version: "0".to_owned(),
    };
    let log = Log::new(Arc::clone(&POLICY), &session, start, Some(copy));
    let mut asked = Vec::new();
    while let Ok(one) = record(from, &log) {
        asked.push(one);
        if from.is_empty() || asked.len() == 64 {
            break;
        }
    }
    log.finish();
    drop(log);
    hold(sink, &session, &asked);
    Ok(())
}

fn bytes<'a>(from: &mut Unstructured<'a>) -> Result<&'a [u8]> {
    let length = from.int_in_range(0..=64)?;
    from.bytes(length.min(from.len()))
}

/// What was recorded: name, other name, object, and whether it was denied.
type Asked<'a> = (&'a [u8], &'a [u8], &'a [u8], bool);

fn record<'a>(from: &mut Unstructured<'a>, log: &Log) -> Result<Asked<'a>> {
    let (path, other, object) = (bytes(from)?, bytes(from)?, bytes(from)?);
    let argument = PathArgument {
        base: Base::Descriptor(from.arbitrary()?),
        bytes: path,
    };
    let request = match from.int_in_range(0..=3)? {
        0 => Request::Symlink {
            target: other,
            path: argument,
        },
        1 => Request::Rename {
            old: argument,
            new: PathArgument {
                base: Base::WorkingDirectory,
                bytes: other,
            },
            flags: from.arbitrary()?,
        },
        2 => Request::Spawn {
            path: argument,
            arguments: vec![other, object],
        },
        _ => Request::Open {
            path: argument,
            flags: from.arbitrary()?,
            mode: from.arbitrary()?,
            resolve: 0,
        },
    };
    let denied = from.ratio(3, 4)?;
    let reasons = [
        Reason::NoRule,
        Reason::Denied,
        Reason::Special,
        Reason::Link,
        Reason::Access,
    ];
    let verdict = match denied {
        true => Verdict::Deny(Denial {
            rule: from.arbitrary::<bool>()?.then_some(RuleId(1)),
            reason: *from.choose(&reasons)?,
            errno: from.arbitrary()?,
        }),
        false => Verdict::Allow(RuleId(from.int_in_range(0..=2)?)),
    };
    log.record(&Entry {
        front: "api",
        process: from.arbitrary()?,
        request: &request,
        decision: &Decision {
            answer: Answer::Errno(Errno::ACCESS),
            verdict,
            object: object.to_vec(),
        },
        latency: Duration::from_micros(from.arbitrary()?),
    });
    let other = match request {
        Request::Symlink { .. } | Request::Rename { .. } => other,
        _ => b"",
    };
    Ok((path, other, object, denied))
}

fn hold(sink: OwnedFd, session: &str, asked: &[Asked<'_>]) {
    let mut file = std::fs::File::from(sink);
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert!(text.ends_with('\n'));
    let mut denied = asked.iter().filter(|(.., denied)| *denied);
    for line in text.split_terminator('\n') {
        assert!(!line.chars().any(steers), "{line:?}");
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!(record.session, session);
        let Event::Denied(record) = record.event else {
            continue;
        };
        let (path, other, object, _) = denied.next().unwrap();
        assert_eq!(plain(record.arguments.path.as_ref().unwrap()), *path);
        if !other.is_empty() {
            assert_eq!(plain(record.arguments.other.as_ref().unwrap()), *other);
        }
        assert_eq!(plain(&record.object), *object);
    }
    assert!(denied.next().is_none(), "a denial without a record");
}

/// Control characters, and those that reorder or hide what is read.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character),
            0x200b..=0x200f | 0x2028..=0x202e | 0x2066..=0x2069 | 0xfeff | 0xe0000..=0xe007f)
}

/// The bytes that a text stands for, by RFC 4648.
fn plain(text: &Text) -> Vec<u8> {
    let base64 = match text {
        Text::Plain(text) => return text.clone().into_bytes(),
        Text::Encoded { base64 } => base64,
    };
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in base64.bytes().filter(|&letter| letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("{base64}"),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    assert_eq!(base64.len() % 4, 0);
    assert!(
        std::str::from_utf8(&bytes).is_err(),
        "text that need not be encoded"
    );
    bytes
}
