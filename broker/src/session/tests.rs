//! Sessions driven with well-formed, ill-formed and random records.

use doorward_protocol::{
    Base, FileStat, Operation, Reply, Request,
    codec::TooLong,
    frame::{self, FrameError, LONGEST_REQUEST_FRAME},
    hello::{Hello, LaneFront, VERSION, Welcome},
    lane::LaneError,
    operation::TABLE,
    request::PathArgument,
};
use proptest::prelude::*;
use rustix::io::Errno;

use super::{Completed, Delivery, Effect, FIRST_HANDLE, Limits, Outgoing, Session, Violation};

const FEW: Limits = Limits {
    in_flight: 2,
    handles: 3,
};

fn hello(hello: &Hello) -> Vec<u8> {
    let mut frame = vec![0; 512];
    let length = frame::encode_hello(&mut frame, hello).unwrap();
    frame.truncate(length);
    frame
}

fn asks(id: u32, request: &Request<'_>) -> Vec<u8> {
    let mut frame = vec![0; LONGEST_REQUEST_FRAME];
    let length = frame::encode_request(&mut frame, id, request).unwrap();
    frame.truncate(length);
    frame
}

fn at(handle: i32) -> PathArgument<'static> {
    PathArgument {
        base: Base::Descriptor(handle),
        bytes: b"name",
    }
}

fn stat(handle: i32) -> Request<'static> {
    Request::Stat {
        path: at(handle),
        follow: true,
    }
}

fn open(handle: i32) -> Request<'static> {
    Request::Open {
        path: at(handle),
        flags: 0,
        mode: 0,
        resolve: 0,
    }
}

struct Client {
    session: Session<u32>,
    out: Outgoing,
}

impl Client {
    fn new() -> Self {
        Self {
            session: Session::new(FEW),
            out: Outgoing::new(),
        }
    }

    fn greeted() -> Self {
        let mut client = Self::new();
        let frame = hello(&Hello::new(LaneFront::Api));
        let effect = client.session.receive(&frame, 0, &mut client.out);
        assert_eq!(effect, Ok(Effect::Send));
        let welcome = frame::decode_welcome(client.out.frame(), 0).unwrap();
        assert_eq!(welcome, Welcome::new(LaneFront::Api, 2, 3));
        client
    }

    fn violates(&mut self, record: &[u8]) -> Violation {
        let violation = self.session.receive(record, 0, &mut self.out).unwrap_err();
        assert_eq!(self.session.handles(), 0);
        assert_eq!(self.session.in_flight(), 0);
        let good = asks(1, &stat(0));
        let after = self.session.receive(&good, 0, &mut self.out);
        assert_eq!(after, Err(Violation::Over));
        violation
    }

    /// Asks for a directory and completes it; the errno or the handle.
    fn directory(&mut self, id: u32, pin: u32) -> Result<i32, i32> {
        let frame = asks(id, &open(-1));
        self.session.receive(&frame, 0, &mut self.out).unwrap();
        let completed = Completed {
            reply: Reply::Descriptor { handle: None },
            directory: Some(pin),
        };
        let delivery = self.session.complete(id, completed, &mut self.out);
        let Delivery::Send { descriptor } = delivery else {
            panic!("nothing to send");
        };
        let count = usize::from(descriptor);
        match frame::decode_reply(self.out.frame(), count, Operation::Open, id).unwrap() {
            Reply::Descriptor { handle } => Ok(handle.unwrap()),
            Reply::Errno(errno) => Err(errno),
            other => panic!("{other:?}"),
        }
    }
}

/// I-22, I-23.
#[test]
fn the_hello_comes_first_and_once() {
    let mut early = Client::new();
    assert_eq!(early.violates(&asks(1, &stat(0))), Violation::BeforeHello);
    let mut twice = Client::greeted();
    assert_eq!(
        twice.violates(&hello(&Hello::new(LaneFront::Api))),
        Violation::SecondHello
    );
}

#[test]
fn another_version_is_told_ours_and_gets_no_session() {
    for version in [0, VERSION - 1, VERSION + 1, u16::MAX] {
        let mut client = Client::new();
        let old = Hello {
            version,
            ..Hello::new(LaneFront::Api)
        };
        let frame = hello(&old);
        let violation = client.session.receive(&frame, 0, &mut client.out);
        assert_eq!(violation, Err(Violation::Version(version)));
        let welcome = frame::decode_welcome(client.out.frame(), 0).unwrap();
        assert_eq!(welcome.version, VERSION);
        assert!(!client.session.is_ready());
    }
    let strange = Hello {
        magic: 7,
        ..Hello::new(LaneFront::Api)
    };
    assert_eq!(Client::new().violates(&hello(&strange)), Violation::Magic);
    let small = Hello {
        message_limit: 100,
        ..Hello::new(LaneFront::Api)
    };
    assert_eq!(Client::new().violates(&hello(&small)), Violation::Size(100));
}

#[test]
fn rows_of_the_other_front_end_the_session() {
    assert_eq!(
        Client::greeted().violates(&asks(1, &Request::Getcwd)),
        Violation::OtherFront("getcwd")
    );
    let mut unknown = asks(1, &stat(0));
    unknown[0] = 200;
    assert_eq!(
        Client::greeted().violates(&unknown),
        Violation::Frame(FrameError::UnknownCode(200))
    );
    let count = TABLE.iter().filter(|row| row.is_asked_by(LaneFront::Api));
    assert!(count.count() > 15);
}

#[test]
fn ids_in_flight_are_not_repeated_and_too_many_are_refused() {
    let mut client = Client::greeted();
    let (first, second) = (asks(1, &stat(0)), asks(2, &stat(0)));
    assert!(matches!(
        client.session.receive(&first, 0, &mut client.out),
        Ok(Effect::Perform { id: 1, .. })
    ));
    assert!(client.session.is_ready());
    assert!(client.session.receive(&second, 0, &mut client.out).is_ok());
    assert!(!client.session.is_ready());
    let done = Completed {
        reply: Reply::Stat(FileStat::default()),
        directory: None,
    };
    let sent = client.session.complete(1, done, &mut client.out);
    assert_eq!(sent, Delivery::Send { descriptor: false });
    assert!(client.session.receive(&first, 0, &mut client.out).is_ok());
    assert_eq!(
        client.session.receive(&second, 0, &mut client.out),
        Err(Violation::RepeatedId(2))
    );
    let mut client = Client::greeted();
    for id in 0..2 {
        let frame = asks(id, &stat(0));
        assert!(client.session.receive(&frame, 0, &mut client.out).is_ok());
    }
    assert_eq!(client.violates(&asks(2, &stat(0))), Violation::TooMany);
}

#[test]
fn handles_are_bounded_and_never_reused() {
    let mut client = Client::greeted();
    let handles: Vec<i32> = (0..3).map(|n| client.directory(n, n).unwrap()).collect();
    assert_eq!(handles, [FIRST_HANDLE, FIRST_HANDLE + 1, FIRST_HANDLE + 2]);
    let full = client.directory(9, 9);
    assert_eq!(full, Err(Errno::MFILE.raw_os_error()));
    for (reply, id) in [(Reply::Value(0), 4), (Reply::Errno(9), 5)] {
        let handle = FIRST_HANDLE + 1;
        let frame = asks(id, &Request::Forget { handle });
        let effect = client.session.receive(&frame, 0, &mut client.out);
        assert_eq!(effect, Ok(Effect::Send));
        assert_eq!(
            frame::decode_reply(client.out.frame(), 0, Operation::Forget, id).unwrap(),
            reply
        );
    }
    assert_eq!(client.directory(6, 6), Ok(FIRST_HANDLE + 3));
    let frame = asks(
        7,
        &Request::Rename {
            old: at(FIRST_HANDLE),
            new: at(FIRST_HANDLE + 1),
            flags: 0,
        },
    );
    let effect = client.session.receive(&frame, 0, &mut client.out).unwrap();
    let Effect::Perform { pins, .. } = effect else {
        panic!("{effect:?}");
    };
    assert_eq!(pins.get(FIRST_HANDLE), Some(&0));
    assert_eq!(pins.get(FIRST_HANDLE + 1), None);
    assert_eq!(pins.get(FIRST_HANDLE + 3), None);
}

#[test]
fn what_completes_after_the_end_is_not_delivered() {
    let mut client = Client::greeted();
    let frame = asks(1, &open(-1));
    client.session.receive(&frame, 0, &mut client.out).unwrap();
    client.session.end();
    let completed = Completed {
        reply: Reply::Descriptor { handle: None },
        directory: Some(1),
    };
    let delivery = client.session.complete(1, completed, &mut client.out);
    assert_eq!(delivery, Delivery::Nothing);
    assert!(client.out.frame().is_empty());
    assert_eq!(client.session.handles(), 0);
}

/// A descriptor that cannot be sent leaves no handle behind, and is taken back once.
#[test]
fn a_grant_that_cannot_be_sent_is_taken_back() {
    let mut client = Client::greeted();
    assert!(client.session.is_ready() && !client.session.is_fresh());
    assert_eq!(client.directory(1, 7), Ok(FIRST_HANDLE));
    assert_eq!(client.session.handles(), 1);
    let errno = Errno::NFILE;
    client.session.take_back(errno, &mut client.out);
    assert_eq!(client.session.handles(), 0);
    assert_eq!(
        frame::decode_reply(client.out.frame(), 0, Operation::Open, 1).unwrap(),
        Reply::Errno(errno.raw_os_error())
    );
    client.session.take_back(errno, &mut client.out);
    assert!(client.out.frame().is_empty());
    // What was asked for without a handle has none to forget.
    assert_eq!(client.directory(2, 8), Ok(FIRST_HANDLE + 1));
    let frame = asks(3, &open(-1));
    client.session.receive(&frame, 0, &mut client.out).unwrap();
    let file = Completed {
        reply: Reply::Descriptor { handle: None },
        directory: None,
    };
    let delivery = client.session.complete(3, file, &mut client.out);
    assert_eq!(delivery, Delivery::Send { descriptor: true });
    client.session.take_back(errno, &mut client.out);
    assert_eq!(client.session.handles(), 1);
    assert_eq!(
        frame::decode_reply(client.out.frame(), 0, Operation::Open, 3).unwrap(),
        Reply::Errno(errno.raw_os_error())
    );
}

/// A session that nobody greeted awaits the hello, and takes nothing once it is over.
#[test]
fn a_session_is_fresh_until_the_hello_and_not_ready_after_its_end() {
    let mut client = Client::new();
    assert!(client.session.is_fresh() && client.session.is_ready());
    client.session.end();
    assert!(!client.session.is_fresh() && !client.session.is_ready());
}

/// Counts and records tell violations apart by these names.
#[test]
fn violations_are_told_apart_by_their_names() {
    let all = [
        Violation::Frame(FrameError::UnknownCode(1)),
        Violation::Record(LaneError::Gone),
        Violation::BeforeHello,
        Violation::SecondHello,
        Violation::Magic,
        Violation::Version(2),
        Violation::Size(1),
        Violation::Reply(TooLong { limit: 1 }),
        Violation::OtherFront("getcwd"),
        Violation::RepeatedId(1),
        Violation::TooMany,
        Violation::NotReading,
        Violation::Over,
    ];
    let names: std::collections::BTreeSet<&str> = all.iter().map(Violation::name).collect();
    assert_eq!(names.len(), all.len());
    for violation in &all {
        let name = violation.name();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        assert!(name.bytes().all(plain), "{name}");
        assert!(!violation.to_string().is_empty());
    }
}

/// I-30: what a service answers is held to its row before a client sees it.
#[test]
fn a_reply_of_another_kind_is_no_reply() {
    for reply in [Reply::Descriptor { handle: None }, Reply::Bytes(b"x")] {
        let mut client = Client::greeted();
        let frame = asks(1, &stat(0));
        client.session.receive(&frame, 0, &mut client.out).unwrap();
        let completed = Completed {
            reply,
            directory: None,
        };
        let delivery = client.session.complete(1, completed, &mut client.out);
        assert_eq!(delivery, Delivery::Send { descriptor: false });
        assert_eq!(
            frame::decode_reply(client.out.frame(), 0, Operation::Stat, 1).unwrap(),
            Reply::Errno(Errno::PROTO.raw_os_error())
        );
    }
}

/// What a client may do next.
#[derive(Debug, Clone)]
enum Move {
    Hello,
    Stat(u32, i32),
    Open(u32),
    Forget(u32, i32),
    Lane(u32),
    Complete(u32),
    Garbage(Vec<u8>),
    Spoilt(u32, usize, u8),
}

fn moves() -> impl Strategy<Value = Move> {
    let id = 0..4u32;
    let handle = FIRST_HANDLE - 1..FIRST_HANDLE + 5;
    prop_oneof![
        1 => Just(Move::Hello),
        4 => (id.clone(), handle.clone()).prop_map(|(id, handle)| Move::Stat(id, handle)),
        8 => id.clone().prop_map(Move::Open),
        3 => (id.clone(), handle).prop_map(|(id, handle)| Move::Forget(id, handle)),
        2 => id.clone().prop_map(Move::Lane),
        12 => id.clone().prop_map(Move::Complete),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Move::Garbage),
        1 => (id, 0..60usize, any::<u8>()).prop_map(|(id, place, byte)| Move::Spoilt(id, place, byte)),
    ]
}

fn record(step: &Move) -> Option<Vec<u8>> {
    Some(match step {
        Move::Hello => hello(&Hello::new(LaneFront::Api)),
        Move::Stat(id, handle) => asks(*id, &stat(*handle)),
        Move::Open(id) => asks(*id, &open(-1)),
        Move::Forget(id, handle) => asks(*id, &Request::Forget { handle: *handle }),
        Move::Lane(id) => asks(*id, &Request::Lane),
        Move::Garbage(bytes) => bytes.clone(),
        Move::Spoilt(id, place, byte) => {
            let mut frame = asks(*id, &stat(0));
            let place = place % frame.len();
            frame[place] ^= byte;
            frame
        }
        Move::Complete(_) => return None,
    })
}

proptest! {
    /// Whatever is sent in whatever order: the bounds hold, a violation is final and leaves
    /// nothing, and only what was asked and is in flight is ever delivered.
    #[test]
    fn sequences(steps in prop::collection::vec(moves(), 0..60)) {
        let mut client = Client::greeted();
        let mut asked = std::collections::BTreeSet::new();
        let mut over = false;
        for step in steps {
            let Client { session, out } = &mut client;
            let Some(record) = record(&step) else {
                let Move::Complete(id) = step else { unreachable!() };
                let completed = Completed {
                    reply: Reply::Descriptor { handle: None },
                    directory: Some(id),
                };
                let delivery = session.complete(id, completed, out);
                prop_assert_eq!(delivery != Delivery::Nothing, !over && asked.remove(&id));
                prop_assert_eq!(out.frame().is_empty(), delivery == Delivery::Nothing);
                continue;
            };
            let ready = session.is_ready();
            let effect = session.receive(&record, 0, out);
            over |= effect.is_err();
            match effect {
                Ok(Effect::Perform { id, .. } | Effect::Another { id }) => {
                    prop_assert!(ready && asked.insert(id));
                }
                Ok(Effect::Send) => prop_assert!(!out.frame().is_empty()),
                Err(_) => {
                    prop_assert_eq!((session.handles(), session.in_flight()), (0, 0));
                    asked.clear();
                }
            }
            prop_assert!(session.handles() <= FEW.handles);
            prop_assert_eq!(session.in_flight(), asked.len());
            prop_assert!(asked.len() <= FEW.in_flight);
            prop_assert!(!over || !session.is_ready());
        }
    }
}
