//! Mutated protocol on one lane.

use std::{
    io::IoSlice,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::Duration,
};

use doorward_protocol::{
    Base, Request,
    frame::{LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME, encode_hello, encode_request},
    hello::{Hello, LaneFront},
    lane::{Lane, LaneError},
    request::{PathArgument, TimeArgument},
};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, sendmsg, shutdown,
};

use super::{Random, name};

/// Records on one lane.
const BURST: usize = 400;

/// Speaks until the lane ends, or enough was said.
pub(super) fn burst(lane: &Lane, directory: &Path, random: &mut Random) {
    let _bounded = lane.set_patience(Duration::from_millis(5));
    let mut frame = vec![0; LONGEST_REQUEST_FRAME];
    let mut reply = vec![0; LONGEST_REPLY_FRAME];
    if !random.once_in(16) {
        let length = encode_hello(&mut frame, &Hello::new(LaneFront::Api)).unwrap();
        send(lane, frame.get(..length).unwrap_or_default(), &[]);
        let _welcome = lane.receive(&mut reply);
    }
    // Some never read what comes.
    let reads = !random.once_in(16);
    for _ in 0..random.below(BURST) {
        let record = record(directory, &mut frame, random);
        let beside = match random.below(40) {
            0 => descriptors(random),
            _ => Vec::new(),
        };
        if !send(lane, &record, &beside) {
            return;
        }
        if reads && !random.once_in(8) {
            // A grant is closed at once.
            if let Err(LaneError::Gone) = lane.receive(&mut reply) {
                return;
            }
        }
        if random.once_in(400) {
            let _half = shutdown(lane, *random.choose(&[Shutdown::Write, Shutdown::Read]));
        }
    }
}

/// One record: mostly a request, sometimes with a byte changed, or cut, or anything.
fn record(directory: &Path, frame: &mut [u8], random: &mut Random) -> Vec<u8> {
    if random.once_in(60) {
        return random.bytes(200);
    }
    let (one, other) = (name(directory, random), name(directory, random));
    let request = request(&one, &other, random);
    let id = u32::try_from(random.below(12)).unwrap();
    let Ok(length) = encode_request(frame, id, &request) else {
        return Vec::new();
    };
    let mut bytes = frame.get(..length).unwrap_or_default().to_vec();
    match random.below(50) {
        0 => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        1 => bytes.truncate(random.below(length)),
        2 => bytes.extend(random.bytes(20)),
        _ => {}
    }
    bytes
}

fn path<'a>(bytes: &'a [u8], random: &mut Random) -> PathArgument<'a> {
    let handle = i32::try_from(random.below(6)).unwrap();
    let base = match random.below(6) {
        0 => Base::Descriptor((1 << 30) + handle),
        1 => Base::Descriptor(handle - 2),
        _ => Base::WorkingDirectory,
    };
    PathArgument { base, bytes }
}

fn request<'a>(one: &'a [u8], other: &'a [u8], random: &mut Random) -> Request<'a> {
    const FLAGS: [u64; 14] = [
        0,
        1,
        2,
        0o100,
        0o101,
        0o102,
        0o1102,
        0o300,
        0o200_000,
        0o10_000_000,
        0o10_200_000,
        0o400_000,
        0o20_200_002,
        0o4000,
    ];
    let mode = u32::try_from(random.below(0o10_000)).unwrap();
    let (first, second) = (path(one, random), path(other, random));
    let follow = random.once_in(2);
    match random.below(22) {
        0..5 => Request::Open {
            path: first,
            flags: if random.once_in(10) {
                random.number()
            } else {
                *random.choose(&FLAGS)
            },
            mode,
            resolve: if random.once_in(10) {
                random.number() & 0x3f
            } else {
                0
            },
        },
        5 => Request::Stat {
            path: first,
            follow,
        },
        6 => Request::Access {
            path: first,
            mode: mode & 7,
            follow,
        },
        7 => Request::Readlink { path: first },
        8 => Request::Mkdir { path: first, mode },
        9 => Request::Rmdir { path: first },
        10 => Request::Unlink { path: first },
        11 => Request::Rename {
            old: first,
            new: second,
            flags: mode & 3,
        },
        12 => Request::Link {
            old: first,
            new: second,
            flags: 0,
        },
        13 => Request::Symlink {
            target: other,
            path: first,
        },
        14 => Request::Chmod {
            path: first,
            mode,
            follow,
        },
        15 => Request::Chown {
            path: first,
            user: mode,
            group: mode,
            follow,
        },
        16 => Request::Utimens {
            path: first,
            times: [TimeArgument::Now, TimeArgument::Omit],
            follow,
        },
        17 => Request::Truncate {
            path: first,
            length: random.number().cast_signed() >> random.below(64),
        },
        18 => Request::Statfs { path: first },
        19 => Request::Connect {
            descriptor: -1,
            address: other,
        },
        20 if random.once_in(50) => Request::Spawn {
            path: first,
            arguments: vec![b"--version"],
        },
        20 => Request::Wait {
            process: mode,
            milliseconds: mode & 15,
        },
        _ => Request::Forget {
            handle: (1 << 30) + i32::try_from(random.below(6)).unwrap(),
        },
    }
}

/// Real descriptors, none of which the broker takes.
fn descriptors(random: &mut Random) -> Vec<OwnedFd> {
    let mut list = Vec::new();
    for _ in 0..=random.below(4) {
        if let Ok((one, other)) = rustix::pipe::pipe() {
            list.extend([one, other]);
        }
    }
    list.truncate(4);
    list
}

/// Sends a record, if there is room; whether the lane goes on.
pub(super) fn send(lane: &Lane, record: &[u8], beside: &[OwnedFd]) -> bool {
    let borrowed: Vec<BorrowedFd<'_>> = beside.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&borrowed));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let sent = sendmsg(lane, &[IoSlice::new(record)], &mut control, flags);
    !matches!(
        sent,
        Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET)
    )
}
