//! Sequences of records on real lanes, with real descriptors beside them: whatever a client
//! sends, the front ends in time, each reply is one to what was asked, what is granted is
//! what the policy names, and every descriptor is closed.
#![no_main]

use std::{
    io::IoSlice,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::LazyLock,
    time::Duration,
};

use doorward::front::api::{pair, serve};
use doorward_fuzz::{Cost, bounded, tree::Tree};
use doorward_protocol::{
    Base, Operation, Reply, Request,
    frame::{self, LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME},
    hello::{Hello, LaneFront},
    lane::{Lane, LaneError},
    request::{PathArgument, TimeArgument},
};
use libfuzzer_sys::{
    arbitrary::{Result, Unstructured},
    fuzz_target,
};
use rustix::{
    fs::{CWD, MemfdFlags, Mode, OFlags},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};

/// The loop's buffer for a record and one copy of it for each of the workers, and both
/// sides' frames.
const COST: Cost = Cost {
    base: 2 << 20,
    each: 64,
};
/// Steps of one input, and lanes.
const STEPS: usize = 24;
const LANES: usize = 6;

static TREE: LazyLock<Tree> = LazyLock::new(Tree::new);

fuzz_target!(|data: &[u8]| {
    LazyLock::force(&TREE);
    bounded(data.len(), COST, || {
        TREE.reset();
        let (ours, theirs) = pair().unwrap();
        let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let context = TREE.context();
        let server = std::thread::spawn(move || serve(ours, context, stopped.as_fd()));
        let mut client = Client::new(theirs);
        let stops = client.run(&mut Unstructured::new(data)).unwrap_or_default();
        let stop = (!stops).then_some(stop);
        drop(client);
        // With all lanes closed it ends by itself.
        server.join().unwrap().unwrap();
        drop(stop);
    });
    TREE.hold();
});

/// A lane, and how many replies are still to come.
struct Open {
    lane: Lane,
    owed: usize,
}

impl Open {
    fn new(socket: OwnedFd) -> Self {
        let lane = Lane::from_fd(socket);
        // A reply that is owed comes, or the lane ends.
        lane.set_patience(Duration::from_secs(20)).unwrap();
        Self { lane, owed: 0 }
    }
}

/// A hostile client.
struct Client {
    lanes: Vec<Open>,
    /// What was asked last by each id's low bits, so that a reply can be read.
    asked: [Option<(u32, Operation)>; 16],
    frame: Vec<u8>,
}

impl Client {
    fn new(first: OwnedFd) -> Self {
        Self {
            lanes: vec![Open::new(first)],
            asked: [None; 16],
            frame: vec![0; LONGEST_REQUEST_FRAME.max(LONGEST_REPLY_FRAME)],
        }
    }

    /// Whether the front is to be stopped while lanes are open.
    fn run(&mut self, from: &mut Unstructured<'_>) -> Result<bool> {
        let polite = from.ratio(7, 8)?;
        if polite {
            self.greet(0);
        }
        for _ in 0..STEPS {
            if from.is_empty() || self.lanes.is_empty() {
                break;
            }
            let lane = from.choose_index(self.lanes.len())?;
            match from.int_in_range(0..=9)? {
                0 => {
                    let length = from.int_in_range(0..=64)?;
                    let bytes = from.bytes(length.min(from.len()))?;
                    self.send(lane, bytes, descriptors(from)?);
                }
                1 => {
                    drop(self.lanes.swap_remove(lane));
                }
                2 => self.greet(lane),
                3 | 4 => {
                    self.receive(lane);
                }
                _ => self.ask(from, lane)?,
            }
        }
        from.arbitrary()
    }

    fn greet(&mut self, lane: usize) {
        let length = frame::encode_hello(&mut self.frame, &Hello::new(LaneFront::Api)).unwrap();
        let frame = self.frame[..length].to_vec();
        if self.send(lane, &frame, Vec::new()) {
            self.lanes[lane].owed += 1;
            self.receive(lane);
        }
    }

    fn ask(&mut self, from: &mut Unstructured<'_>, lane: usize) -> Result<()> {
        let id = from.int_in_range(0..=15_u32)?;
        let (one, other) = (name(from)?, name(from)?);
        let request = request(from, &one, &other)?;
        let Ok(length) = frame::encode_request(&mut self.frame, id, &request) else {
            return Ok(());
        };
        let mut bytes = self.frame[..length].to_vec();
        if from.ratio(1, 8)? {
            let at = from.choose_index(bytes.len())?;
            bytes[at] = from.arbitrary()?;
        }
        let beside = if from.ratio(1, 8)? {
            descriptors(from)?
        } else {
            Vec::new()
        };
        if self.send(lane, &bytes, beside) {
            self.asked[id as usize] = Some((id, request.operation()));
            self.lanes[lane].owed += 1;
        }
        if from.ratio(3, 4)? {
            self.receive(lane);
        }
        Ok(())
    }

    /// Sends a record, if there is room.
    fn send(&self, lane: usize, bytes: &[u8], beside: Vec<OwnedFd>) -> bool {
        let borrowed: Vec<BorrowedFd<'_>> = beside.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !borrowed.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&borrowed)));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(
            &self.lanes[lane].lane,
            &[IoSlice::new(bytes)],
            &mut control,
            flags,
        )
        .is_ok()
    }

    fn receive(&mut self, lane: usize) {
        let mut buffer = vec![0; LONGEST_REPLY_FRAME];
        let open = &mut self.lanes[lane];
        let Some(left) = open.owed.checked_sub(1) else {
            return;
        };
        open.owed = left;
        let received = match open.lane.receive(&mut buffer) {
            Ok(received) => received,
            Err(LaneError::Gone) => {
                open.owed = 0;
                return;
            }
            Err(error) => panic!("a reply that is owed did not come: {error}"),
        };
        let record = &buffer[..received.length];
        let Some(id) = record.get(4..8) else {
            panic!("a frame without a header");
        };
        let id = u32::from_le_bytes([id[0], id[1], id[2], id[3]]);
        let asked = self.asked.get(id as usize).copied().flatten();
        let Some((_, operation)) = asked.filter(|(one, _)| *one == id) else {
            // A byte of the request was changed, or it is a welcome.
            return;
        };
        let count = usize::from(received.descriptor.is_some());
        let reply = frame::decode_reply(record, count, operation, id);
        let Some(descriptor) = received.descriptor else {
            return;
        };
        if let Ok(Reply::Descriptor { .. }) = reply
            && operation == Operation::Lane
        {
            if self.lanes.len() < LANES {
                self.lanes.push(Open::new(descriptor));
            }
            return;
        }
        let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        let name = rustix::fs::readlink(link, Vec::new()).unwrap().into_bytes();
        if name.starts_with(b"socket:") {
            return;
        }
        let flags = rustix::fs::fcntl_getfl(&descriptor).unwrap();
        TREE.judge(&name, flags.intersects(OFlags::WRONLY | OFlags::RDWR));
    }
}

/// Some real descriptors: a pipe, a file without a name, a directory, a socket.
fn descriptors(from: &mut Unstructured<'_>) -> Result<Vec<OwnedFd>> {
    let mut list = Vec::new();
    for _ in 0..from.int_in_range(0..=4)? {
        list.push(match from.int_in_range(0..=3)? {
            0 => {
                rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
                    .unwrap()
                    .0
            }
            1 => rustix::fs::memfd_create("sent", MemfdFlags::CLOEXEC).unwrap(),
            2 => {
                let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
                rustix::fs::openat(CWD, "/", flags, Mode::empty()).unwrap()
            }
            _ => Lane::pair().unwrap().0.into_fd(),
        });
    }
    Ok(list)
}

fn name(from: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    const NAMES: [&str; 14] = [
        "in/file",
        "in/link/file",
        "in/away/file",
        "in/d/hid",
        "in/d",
        "out/file",
        "out/new",
        "out/d",
        "out",
        "shut/file",
        "in/../out/file",
        "out/d/../new",
        "shut",
        "in",
    ];
    const RELATIVE: [&[u8]; 6] = [
        b"file",
        b"",
        b"../shut/file",
        b"d/file",
        b"/proc/self/fd/0",
        b".",
    ];
    Ok(match from.int_in_range(0..=4)? {
        0..=2 => {
            let name = TREE.root().join(from.choose(&NAMES)?);
            name.into_os_string().into_encoded_bytes()
        }
        3 => from.choose(&RELATIVE)?.to_vec(),
        _ => {
            let length = from.int_in_range(0..=40)?;
            from.bytes(length.min(from.len()))?.to_vec()
        }
    })
}

fn path<'a>(from: &mut Unstructured<'_>, bytes: &'a [u8]) -> Result<PathArgument<'a>> {
    let base = match from.int_in_range(0..=3)? {
        0 => Base::Descriptor((1 << 30) + from.int_in_range(0..=3)?),
        1 => Base::Descriptor(from.arbitrary()?),
        _ => Base::WorkingDirectory,
    };
    Ok(PathArgument { base, bytes })
}

fn request<'a>(from: &mut Unstructured<'_>, one: &'a [u8], other: &'a [u8]) -> Result<Request<'a>> {
    const FLAGS: [u64; 12] = [
        0,
        1,
        2,
        0o100,
        0o101,
        0o1102,
        0o300,
        0o200_000,
        0o10_000_000,
        0o10_200_000,
        0o400_000,
        0o20_200_002,
    ];
    let first = path(from, one)?;
    Ok(match from.int_in_range(0..=19)? {
        0..=3 => Request::Open {
            path: first,
            flags: match from.ratio(7, 8)? {
                true => *from.choose(&FLAGS)?,
                false => from.arbitrary()?,
            },
            mode: from.arbitrary()?,
            resolve: if from.ratio(1, 8)? {
                from.arbitrary()?
            } else {
                0
            },
        },
        4 => Request::Stat {
            path: first,
            follow: from.arbitrary()?,
        },
        5 => Request::Access {
            path: first,
            mode: from.int_in_range(0..=8)?,
            follow: from.arbitrary()?,
        },
        6 => Request::Readlink { path: first },
        7 => Request::Mkdir {
            path: first,
            mode: from.arbitrary()?,
        },
        8 => Request::Rmdir { path: first },
        9 => Request::Unlink { path: first },
        10 => Request::Rename {
            old: first,
            new: path(from, other)?,
            flags: from.int_in_range(0..=5)?,
        },
        11 => Request::Link {
            old: first,
            new: path(from, other)?,
            flags: 0,
        },
        12 => Request::Symlink {
            target: other,
            path: first,
        },
        13 => Request::Chmod {
            path: first,
            mode: from.int_in_range(0..=0o777)?,
            follow: from.arbitrary()?,
        },
        14 => Request::Utimens {
            path: first,
            times: [
                TimeArgument::Now,
                TimeArgument::At {
                    seconds: from.arbitrary()?,
                    nanoseconds: from.arbitrary()?,
                },
            ],
            follow: from.arbitrary()?,
        },
        15 => Request::Truncate {
            path: first,
            length: from.arbitrary()?,
        },
        16 => Request::Forget {
            handle: (1 << 30) + from.int_in_range(0..=3)?,
        },
        17 => Request::Lane,
        18 => Request::Restrict { document: other },
        _ => Request::Spawn {
            path: first,
            arguments: vec![other; from.int_in_range(0..=3)?],
        },
    })
}
