//! The api front against clients that do not keep to the protocol, and the client against
//! such a broker. The tests count descriptors of this process, so they take turns.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop at what they did not expect"
)]

mod support;

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use doorward_protocol::{
    Base, Operation, Reply, Request,
    frame::{
        LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME, encode_hello, encode_reply, encode_request,
        encode_welcome,
    },
    hello::{Hello, LaneFront, VERSION, Welcome},
    lane::{Lane, LaneError},
    request::PathArgument,
};
use doorward_sandboxee::{Broken, Client, ClientError, Errno, Links, Mode};
use support::{Bench, open_descriptors};

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hello() -> Vec<u8> {
    let mut frame = vec![0; 256];
    let length = encode_hello(&mut frame, &Hello::new(LaneFront::Api)).unwrap();
    frame.truncate(length);
    frame
}

fn asks(id: u32, request: &Request<'_>) -> Vec<u8> {
    let mut frame = vec![0; LONGEST_REQUEST_FRAME];
    let length = encode_request(&mut frame, id, request).unwrap();
    frame.truncate(length);
    frame
}

fn opens(id: u32, path: &str) -> Vec<u8> {
    asks(
        id,
        &Request::Open {
            path: PathArgument {
                base: Base::WorkingDirectory,
                bytes: path.as_bytes(),
            },
            flags: 0,
            mode: 0,
            resolve: 0,
        },
    )
}

/// A lane on which the hello is done.
fn greeted(lane: OwnedFd) -> Lane {
    let lane = Lane::from_fd(lane);
    lane.set_patience(Duration::from_secs(10)).unwrap();
    lane.send(&hello()).unwrap();
    lane.receive(&mut [0; 512]).unwrap();
    lane
}

/// Reads to the end of a lane.
fn drained(lane: &Lane) -> LaneError {
    let mut buffer = vec![0; LONGEST_REPLY_FRAME];
    loop {
        if let Err(error) = lane.receive(&mut buffer) {
            return error;
        }
    }
}

/// Each costs the lane, at once, and no other.
#[test]
fn a_violation_costs_the_lane_and_no_other() {
    let _turn = turn();
    let mut bench = Bench::new();
    let mut good = bench.client();
    let path = bench.at("in/file");
    let mut spoilt = opens(1, &path);
    spoilt[2] = 1;
    let mut claiming = opens(1, &path);
    claiming[1] = 1;
    let mut unknown = opens(1, &path);
    unknown[0] = 255;
    let records: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("before-hello", vec![opens(1, &path)]),
        ("second-hello", vec![hello(), hello()]),
        ("frame", vec![hello(), spoilt]),
        ("frame", vec![hello(), claiming]),
        ("frame", vec![hello(), unknown]),
        ("frame", vec![b"x".to_vec()]),
        ("record", vec![Vec::new()]),
        ("record", vec![hello(), vec![0; LONGEST_REQUEST_FRAME + 1]]),
        ("other-front", vec![hello(), asks(1, &Request::Getcwd)]),
    ];
    for (name, records) in &records {
        let before = open_descriptors();
        let lane = Lane::from_fd(raw_lane(&mut good));
        for record in records {
            lane.send(record).unwrap();
        }
        assert_eq!(drained(&lane), LaneError::Gone, "{name}");
        drop(lane);
        assert!(good.stat(&path, Links::Follow).is_ok(), "{name}");
        assert_eq!(open_descriptors(), before, "{name}");
    }
    let report = bench.stop();
    let total: u64 = report.violations.values().sum();
    assert_eq!(total, records.len() as u64, "{report:?}");
    for (name, _) in records {
        assert!(report.violations.contains_key(name), "{name}: {report:?}");
    }
}

/// A lane without its hello, as a hostile process would have it.
fn raw_lane(client: &mut Client) -> OwnedFd {
    client.another_lane().unwrap()
}

/// I-7, I-10: descriptors to the broker.
#[test]
fn descriptors_to_the_broker_are_refused_and_leave_nothing() {
    let _turn = turn();
    let mut bench = Bench::new();
    let mut good = bench.client();
    let path = bench.at("in/file");
    let lane = greeted(raw_lane(&mut good));
    let before = open_descriptors();
    let file = std::fs::File::open("/dev/null").unwrap();
    match lane.send_now(&opens(1, &path), Some(file.as_fd())) {
        // Linux 6.16: the kernel refuses.
        Err(LaneError::Failed(Errno::PERM)) => {
            lane.send(&opens(1, &path)).unwrap();
            let received = lane.receive(&mut vec![0; LONGEST_REPLY_FRAME]).unwrap();
            assert!(received.descriptor.is_some());
        }
        Ok(()) => assert_eq!(drained(&lane), LaneError::Gone),
        Err(error) => panic!("{error}"),
    }
    drop(file);
    assert!(good.stat(&path, Links::Follow).is_ok());
    assert_eq!(open_descriptors(), before);
}

/// I-16: a client that never reads is dropped, and holds up nobody.
#[test]
fn a_client_that_never_reads_is_dropped() {
    let _turn = turn();
    let mut bench = Bench::new();
    let mut good = bench.client();
    let path = bench.at("in/file");
    let before = open_descriptors();
    let lane = greeted(raw_lane(&mut good));
    let record = opens(1, &path);
    let mut sent = 0;
    while lane.send(&record).is_ok() {
        sent += 1;
        assert!(sent < 100_000, "it is never dropped");
    }
    let started = Instant::now();
    assert!(good.stat(&path, Links::Follow).is_ok());
    assert!(started.elapsed() < Duration::from_secs(1));
    // What was delivered is the client's; what was not is closed.
    assert_eq!(drained(&lane), LaneError::Gone);
    drop(lane);
    assert_eq!(open_descriptors(), before);
    let report = bench.stop();
    assert_eq!(report.violations.get("not-reading"), Some(&1), "{report:?}");
}

/// I-17: closing with requests and replies under way.
#[test]
fn closing_midway_leaves_nothing() {
    let _turn = turn();
    let mut bench = Bench::new();
    let fifo = bench.at("out/fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fifo.as_str(),
        rustix::fs::FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    let mut good = bench.client();
    let path = bench.at("in/file");
    let before = open_descriptors();
    for round in 0..100 {
        let lane = greeted(raw_lane(&mut good));
        lane.send(&opens(1, &path)).unwrap();
        lane.send(&opens(2, &fifo)).unwrap();
        if round % 2 == 0 {
            let _half = rustix::net::shutdown(&lane, rustix::net::Shutdown::Read);
        }
        drop(lane);
    }
    let until = Instant::now() + Duration::from_secs(10);
    while open_descriptors() != before {
        assert!(Instant::now() < until, "{} left", open_descriptors());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(good.stat(&path, Links::Follow).is_ok());
    assert!(bench.stop().violations.is_empty());
}

/// I-15: one floods, the other is served.
#[test]
fn a_flood_delays_others_little() {
    let _turn = turn();
    let mut bench = Bench::new();
    let mut good = bench.client();
    let path = bench.at("in/file");
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let lane = greeted(raw_lane(&mut good));
            let record = opens(1, &path);
            std::thread::spawn(move || {
                let mut buffer = vec![0; LONGEST_REPLY_FRAME];
                let until = Instant::now() + Duration::from_secs(1);
                while Instant::now() < until {
                    for _ in 0..4 {
                        lane.send(&record).unwrap();
                    }
                    for _ in 0..4 {
                        lane.receive(&mut buffer).unwrap();
                    }
                }
            })
        })
        .collect();
    let mut latencies: Vec<_> = (0..200)
        .map(|_| {
            let started = Instant::now();
            good.stat(&path, Links::Follow).unwrap();
            started.elapsed()
        })
        .collect();
    for flood in floods {
        flood.join().unwrap();
    }
    latencies.sort();
    assert!(latencies[180] < Duration::from_millis(50), "{latencies:?}");
}

/// The only lane is read without asking which lanes have records, and yet serving ends.
#[test]
fn a_flood_on_the_only_lane_does_not_keep_serving_from_ending() {
    let _turn = turn();
    let mut bench = Bench::new();
    let lane = greeted(bench.lane());
    let record = opens(1, &bench.at("in/file"));
    let (flooding, floods) = std::sync::mpsc::channel();
    let flood = std::thread::spawn(move || {
        let mut buffer = vec![0; LONGEST_REPLY_FRAME];
        let until = Instant::now() + Duration::from_secs(10);
        let mut served = 0u32;
        let mut flood = || {
            lane.send(&record)?;
            while Instant::now() < until {
                lane.send(&record)?;
                lane.receive(&mut buffer)?;
                served += 1;
                if served == 1000 {
                    let _told = flooding.send(());
                }
            }
            Ok(())
        };
        let result: Result<(), LaneError> = flood();
        result
    });
    floods.recv().unwrap();
    let started = Instant::now();
    let report = bench.stop();
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(report.served >= 1000, "{report:?}");
    assert_eq!(flood.join().unwrap(), Err(LaneError::Gone));
}

#[test]
fn a_client_of_another_version_is_told_and_ended() {
    let _turn = turn();
    let mut bench = Bench::new();
    let first = bench.lane();
    // Version 2 of the protocol: told, and ended.
    let lane = Lane::from_fd(first);
    let mut frame = vec![0; 256];
    let other = Hello {
        version: VERSION + 1,
        ..Hello::new(LaneFront::Api)
    };
    let length = encode_hello(&mut frame, &other).unwrap();
    lane.send(&frame[..length]).unwrap();
    let mut buffer = vec![0; 512];
    let received = lane.receive(&mut buffer).unwrap();
    let welcome = doorward_protocol::frame::decode_welcome(&buffer[..received.length], 0).unwrap();
    assert_eq!(welcome.version, VERSION);
    assert_eq!(drained(&lane), LaneError::Gone);
    assert_eq!(bench.ended().violations.get("version"), Some(&1));
}

/// What a lying broker answers to one stat.
fn lied_to(answer: impl Fn(&Lane, u32) + Send + 'static) -> (ClientError, ClientError) {
    let (ours, theirs) = Lane::pair().unwrap();
    let liar = std::thread::spawn(move || {
        let mut buffer = vec![0; LONGEST_REQUEST_FRAME];
        ours.receive(&mut buffer).unwrap();
        let length = encode_welcome(&mut buffer, &Welcome::new(LaneFront::Api, 4, 256)).unwrap();
        ours.send(&buffer[..length]).unwrap();
        ours.receive(&mut buffer).unwrap();
        answer(&ours, 0);
    });
    let mut client = Client::from_fd(theirs.into_fd()).unwrap();
    let first = client.stat("/x", Links::Follow).unwrap_err();
    let second = client.stat("/x", Links::Follow).unwrap_err();
    liar.join().unwrap();
    (first, second)
}

fn says(operation: Operation, id: u32, reply: &Reply<'_>) -> Vec<u8> {
    let mut frame = vec![0; LONGEST_REPLY_FRAME];
    let length = encode_reply(&mut frame, operation, id, reply).unwrap();
    frame.truncate(length);
    frame
}

#[test]
fn a_broker_that_lies_gives_an_error_and_leaves_nothing() {
    let _turn = turn();
    let before = open_descriptors();
    let file = || std::fs::File::open("/dev/null").unwrap();
    type Lie = Box<dyn Fn(&Lane, u32) + Send>;
    const EMPTY: usize = 4;
    let lies: Vec<Lie> = vec![
        Box::new(|lane, id| {
            lane.send(&says(Operation::Stat, id + 1, &Reply::Errno(2)))
                .unwrap()
        }),
        Box::new(|lane, id| {
            lane.send(&says(Operation::Open, id, &Reply::Errno(2)))
                .unwrap()
        }),
        Box::new(|lane, id| {
            lane.send(&says(Operation::Stat, id, &Reply::Value(0)))
                .unwrap()
        }),
        Box::new(|lane, id| {
            lane.send(&says(Operation::Stat, id, &Reply::Errno(-1)))
                .unwrap()
        }),
        Box::new(|lane, _| lane.send(b"").unwrap()),
        Box::new(|lane, _| lane.send(b"garbage").unwrap()),
        Box::new(|lane, _| lane.send(&[0; 100_000]).unwrap()),
        Box::new(move |lane, id| {
            let record = says(Operation::Stat, id, &Reply::Errno(2));
            lane.send_now(&record, Some(file().as_fd())).unwrap();
        }),
        Box::new(|lane, id| {
            let record = says(Operation::Stat, id, &Reply::Descriptor { handle: None });
            lane.send(&record).unwrap();
        }),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let (first, second) = lied_to(lie);
        // An empty record and the hang-up right behind it look alike to who reads late.
        let hung_up = number == EMPTY && first == ClientError::Gone;
        assert!(
            hung_up || matches!(first, ClientError::Protocol(_)),
            "{number}: {first:?}"
        );
        assert_eq!(second, ClientError::Gone, "{number}");
        assert_eq!(open_descriptors(), before, "{number}");
    }
    let (first, _) = lied_to(|_, _| {});
    assert_eq!(first, ClientError::Gone);
    // The control: an honest answer is none of these.
    let honest = lied_to(|lane, id| {
        lane.send(&says(Operation::Stat, id, &Reply::Errno(2)))
            .unwrap();
    });
    assert_eq!(
        honest,
        (ClientError::Errno(Errno::NOENT), ClientError::Gone)
    );
    assert_eq!(open_descriptors(), before);
}

#[test]
fn a_broker_of_another_version_is_told_apart() {
    let _turn = turn();
    let (ours, theirs) = Lane::pair().unwrap();
    let mut buffer = vec![0; 512];
    let newer = Welcome {
        version: VERSION + 1,
        ..Welcome::new(LaneFront::Api, 4, 256)
    };
    let length = encode_welcome(&mut buffer, &newer).unwrap();
    ours.send(&buffer[..length]).unwrap();
    let error = Client::from_fd(theirs.into_fd()).unwrap_err();
    let broken = Broken::Version {
        ours: VERSION,
        theirs: VERSION + 1,
    };
    assert_eq!(error, ClientError::Protocol(broken));
    let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    assert!(Client::from_fd(file).is_err());
}
