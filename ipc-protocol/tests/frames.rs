//! Frames: every truncation, every change of a byte, every length and count.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "tests stop at what they did not expect"
)]

mod samples;

use doorward_protocol::{
    Operation, Reply, Request,
    codec::{CodecError, TooLong},
    frame::{
        FrameError, HEADER, Incoming, LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME, decode_reply,
        decode_request, decode_welcome, encode_hello, encode_reply, encode_request, encode_welcome,
    },
    hello::{Hello, LaneFront, Welcome},
};
use samples::{operations, reply, request};

fn request_frame(id: u32, request: &Request<'_>) -> Vec<u8> {
    let mut frame = vec![0; LONGEST_REQUEST_FRAME];
    let length = encode_request(&mut frame, id, request).unwrap();
    frame.truncate(length);
    frame
}

fn reply_frame(operation: Operation, id: u32, reply: &Reply<'_>) -> Vec<u8> {
    let mut frame = vec![0; LONGEST_REPLY_FRAME];
    let length = encode_reply(&mut frame, operation, id, reply).unwrap();
    frame.truncate(length);
    frame
}

/// Every frame that differs from `frame` in one byte, or is a part of it, or longer.
fn near(frame: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cut = (0..frame.len()).map(move |length| frame[..length].to_vec());
    let changed = (0..frame.len()).flat_map(move |place| {
        (0..=u8::MAX)
            .filter(move |&byte| byte != frame[place])
            .map(move |byte| {
                let mut frame = frame.to_vec();
                frame[place] = byte;
                frame
            })
    });
    let longer = [[frame, &[0]].concat()];
    cut.chain(changed).chain(longer)
}

#[test]
fn what_is_encoded_is_decoded() {
    for operation in operations() {
        let asked = request(operation);
        assert_eq!(asked.operation(), operation);
        let frame = request_frame(9, &asked);
        let incoming = decode_request(&frame, 0).unwrap();
        assert_eq!(
            incoming,
            Incoming::Request {
                id: 9,
                request: asked
            }
        );
        for answer in [reply(operation), Reply::Errno(13)] {
            let frame = reply_frame(operation, 9, &answer);
            let count = usize::from(answer.descriptors());
            assert_eq!(decode_reply(&frame, count, operation, 9).unwrap(), answer);
        }
    }
}

/// I-2: a frame near a valid one is refused, or is itself the frame of another value: what
/// it decodes to encodes to the very same bytes.
#[test]
fn every_truncation_and_every_changed_byte_of_a_request() {
    let mut accepted = 0;
    for operation in operations() {
        let frame = request_frame(9, &request(operation));
        for other in near(&frame) {
            match decode_request(&other, 0) {
                Ok(Incoming::Request { id, request }) => {
                    assert_eq!(request_frame(id, &request), other, "{operation:?}");
                    assert_eq!(other.len(), frame.len(), "{operation:?}");
                    accepted += 1;
                }
                Ok(Incoming::Hello(hello)) => panic!("{operation:?} became {hello:?}"),
                Err(_) => {}
            }
        }
    }
    // Paths, flags and ids may be anything: the test would be empty if all were refused.
    assert!(accepted > 10_000, "{accepted}");
}

#[test]
fn every_truncation_and_every_changed_byte_of_a_reply() {
    for operation in operations() {
        for answer in [reply(operation), Reply::Errno(13)] {
            let frame = reply_frame(operation, 9, &answer);
            let count = usize::from(answer.descriptors());
            for other in near(&frame) {
                if let Ok(answer) = decode_reply(&other, count, operation, 9) {
                    assert_eq!(reply_frame(operation, 9, &answer), other, "{operation:?}");
                }
            }
        }
    }
}

#[test]
fn every_truncation_and_every_changed_byte_of_a_hello_and_of_a_welcome() {
    let mut buffer = [0; 512];
    let length = encode_hello(&mut buffer, &Hello::new(LaneFront::Api)).unwrap();
    let hello = buffer[..length].to_vec();
    assert_eq!(
        decode_request(&hello, 0).unwrap(),
        Incoming::Hello(Hello::new(LaneFront::Api))
    );
    for other in near(&hello) {
        if let Ok(incoming) = decode_request(&other, 0) {
            let Incoming::Hello(hello) = incoming else {
                panic!("{incoming:?}");
            };
            let length = encode_hello(&mut buffer, &hello).unwrap();
            assert_eq!(&buffer[..length], other);
        }
    }
    let length = encode_welcome(&mut buffer, &Welcome::new(LaneFront::Api, 4, 256)).unwrap();
    let welcome = buffer[..length].to_vec();
    assert_eq!(
        decode_welcome(&welcome, 0).unwrap(),
        Welcome::new(LaneFront::Api, 4, 256)
    );
    for other in near(&welcome) {
        if let Ok(welcome) = decode_welcome(&other, 0) {
            let length = encode_welcome(&mut buffer, &welcome).unwrap();
            assert_eq!(&buffer[..length], other);
        }
    }
}

/// I-3: the length of the frame, and those inside it.
#[test]
fn lengths_that_are_not_those_of_what_follows() {
    let frame = request_frame(1, &request(Operation::Unlink));
    let body = u32::try_from(frame.len() - HEADER).unwrap();
    for claimed in [0, 1, body - 1, body + 1, 1 << 31, u32::MAX] {
        let mut other = frame.clone();
        other[8..12].copy_from_slice(&claimed.to_le_bytes());
        let error = decode_request(&other, 0).unwrap_err();
        let present = frame.len() - HEADER;
        assert_eq!(error, FrameError::Length { claimed, present });
    }
    // The body of an unlink is: variant, base's variant and number, length of the path, path.
    let inside = HEADER + 4 + 4 + 4;
    for claimed in [2, 4, 1 << 31, 1 << 63, u64::MAX] {
        let mut other = frame.clone();
        other[inside..inside + 8].copy_from_slice(&claimed.to_le_bytes());
        assert!(
            matches!(decode_request(&other, 0), Err(FrameError::Body(_))),
            "{claimed}"
        );
    }
}

#[test]
fn a_body_is_as_long_as_its_row_allows_and_not_longer() {
    let limit = Operation::Symlink.row().request_limit;
    let frame_of = |target: &[u8]| {
        let Request::Symlink { path, .. } = request(Operation::Symlink) else {
            unreachable!()
        };
        let mut frame = vec![0; LONGEST_REQUEST_FRAME];
        encode_request(&mut frame, 1, &Request::Symlink { target, path }).map(|length| {
            frame.truncate(length);
            frame
        })
    };
    let empty = frame_of(b"").unwrap().len() - HEADER;
    let most = vec![b'x'; limit - empty];
    let mut longest = frame_of(&most).unwrap();
    assert_eq!(longest.len(), HEADER + limit);
    assert!(decode_request(&longest, 0).is_ok());
    let more = vec![b'x'; limit - empty + 1];
    assert_eq!(frame_of(&more), Err(TooLong { limit }));
    // A peer that does not obey: the same body, one byte longer throughout.
    longest.push(b'x');
    longest[8..12].copy_from_slice(&u32::try_from(limit + 1).unwrap().to_le_bytes());
    assert_eq!(
        decode_request(&longest, 0),
        Err(FrameError::Body(CodecError::TooLong { limit }))
    );
}

/// That such a claim reserves nothing either is held by the fuzz target `frame`.
#[test]
fn a_claimed_count_of_arguments_that_do_not_follow_is_refused() {
    let frame = request_frame(1, &request(Operation::Spawn));
    let count = frame.len() - (8 + 2 + 8) - 8;
    assert_eq!(frame[count..count + 8], 2u64.to_le_bytes());
    for claimed in [0, 1, 3, 1 << 31, 1 << 60, u64::MAX] {
        let mut other = frame.clone();
        other[count..count + 8].copy_from_slice(&claimed.to_le_bytes());
        assert!(
            matches!(decode_request(&other, 0), Err(FrameError::Body(_))),
            "{claimed}"
        );
    }
}

#[test]
fn counts_of_descriptors_that_are_not_those_received() {
    let plain = request_frame(1, &request(Operation::Stat));
    for received in [1, 2, 10, 253] {
        let error = decode_request(&plain, received).unwrap_err();
        assert!(matches!(error, FrameError::Descriptors { .. }), "{error:?}");
        // Claimed and received, but no row takes any.
        let mut claiming = plain.clone();
        claiming[1] = u8::try_from(received).unwrap();
        let error = decode_request(&claiming, received).unwrap_err();
        assert!(matches!(error, FrameError::Descriptors { .. }), "{error:?}");
    }
    let opened = reply_frame(Operation::Open, 1, &reply(Operation::Open));
    for received in [0, 2, 10, 253] {
        assert!(decode_reply(&opened, received, Operation::Open, 1).is_err());
    }
    assert!(decode_reply(&opened, 1, Operation::Open, 1).is_ok());
}

/// I-19 and I-30: a reply belongs to one request.
#[test]
fn replies_to_something_else_are_refused() {
    let frame = reply_frame(Operation::Unlink, 5, &Reply::Value(0));
    assert!(decode_reply(&frame, 0, Operation::Unlink, 5).is_ok());
    assert_eq!(
        decode_reply(&frame, 0, Operation::Unlink, 6),
        Err(FrameError::Id { id: 5, due: 6 })
    );
    assert!(matches!(
        decode_reply(&frame, 0, Operation::Rmdir, 5),
        Err(FrameError::Code { .. })
    ));
    for (answer, count) in [
        (Reply::Bytes(b"x"), 0),
        (Reply::Descriptor { handle: None }, 1),
        (Reply::Errno(0), 0),
        (Reply::Errno(-5), 0),
        (Reply::Errno(4096), 0),
    ] {
        let frame = reply_frame(Operation::Unlink, 5, &answer);
        assert_eq!(
            decode_reply(&frame, count, Operation::Unlink, 5),
            Err(FrameError::Kind("unlink")),
            "{answer:?}"
        );
    }
}

/// Which paths of a request are judged is not left to whoever reads it.
#[test]
fn every_request_tells_all_its_paths() {
    for operation in operations() {
        let asked = request(operation);
        let expected = match operation {
            Operation::Rename | Operation::Link => 2,
            Operation::Getcwd
            | Operation::Lock
            | Operation::Socket
            | Operation::Connect
            | Operation::Bind
            | Operation::Listen
            | Operation::Wait
            | Operation::Forget
            | Operation::Lane
            | Operation::Restrict => 0,
            _ => 1,
        };
        let paths = asked.paths();
        let told = paths.iter().flatten().count();
        assert_eq!(told, expected, "{operation:?}");
        assert_eq!(paths[0].is_some(), told > 0, "{operation:?}");
    }
    let named = |bytes| doorward_protocol::request::PathArgument {
        base: doorward_protocol::Base::WorkingDirectory,
        bytes,
    };
    let (old, new) = (named(b"old"), named(b"new"));
    let renaming = Request::Rename { old, new, flags: 0 };
    assert_eq!(renaming.paths(), [Some(&old), Some(&new)]);
}

#[test]
fn no_frame_is_written_where_its_header_or_body_has_no_room() {
    let asked = request(Operation::Open);
    let whole = request_frame(1, &asked).len();
    for room in [0, 1, HEADER - 1, HEADER, whole - 1] {
        let mut buffer = vec![0; room];
        let written = encode_request(&mut buffer, 1, &asked);
        assert!(
            matches!(written, Err(TooLong { .. })),
            "{room}: {written:?}"
        );
    }
    let mut buffer = vec![0; whole];
    assert_eq!(encode_request(&mut buffer, 1, &asked), Ok(whole));
}

/// What host and broker of one build say to each other is read whole or not at all.
#[test]
fn what_is_trusted_is_read_whole_or_not_at_all() {
    use doorward_protocol::codec::{decode_trusted, encode_trusted};
    let said = (7u32, String::from("name"), vec![1u8, 2, 3]);
    let mut bytes = encode_trusted(&said).unwrap();
    assert_eq!(decode_trusted(&bytes), Ok(said));
    for end in 0..bytes.len() {
        let cut = decode_trusted::<(u32, String, Vec<u8>)>(&bytes[..end]);
        assert!(matches!(cut, Err(CodecError::Malformed(_))), "{end}");
    }
    bytes.push(0);
    assert_eq!(
        decode_trusted::<(u32, String, Vec<u8>)>(&bytes),
        Err(CodecError::Trailing(1))
    );
}
