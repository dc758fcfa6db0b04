//! A hostile broker: what it says on a lane, whatever it is asked, and which of it is a reply.

use std::{
    fs::File,
    io::IoSlice,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::LazyLock,
};

use doorward_protocol::{
    FileStat, FileSystemStat, Operation, Reply, codec,
    frame::{self, HEADER, LONGEST_REPLY_FRAME},
    hello::{LaneFront, Welcome},
    lane::Lane,
    row::ReplyKind,
};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, sendmsg, shutdown,
};

/// What is sent beside records.
static FILE: LazyLock<File> = LazyLock::new(|| File::open("/dev/null").unwrap());

/// A record, and how many descriptors come with it.
#[derive(Debug)]
pub struct Said {
    pub bytes: Vec<u8>,
    pub beside: usize,
}

impl Said {
    /// A reply to this operation and id; most are one that is due, some are changed.
    pub fn reply(
        from: &mut Unstructured<'_>,
        (operation, id, front): (Operation, u32, LaneFront),
    ) -> Result<Self> {
        let due = operation.row().reply_by(front);
        let length = from.int_in_range(0..=40)?;
        let text = from.bytes(length.min(from.len()))?;
        let reply = match from.int_in_range(0..=9)? {
            0 => return Self::random(from),
            1 => Reply::Errno(from.arbitrary()?),
            2 => Reply::Errno(from.int_in_range(1..=4095)?),
            3 => {
                let kinds = [
                    ReplyKind::Value,
                    ReplyKind::Descriptor,
                    ReplyKind::Bytes,
                    ReplyKind::Stat,
                    ReplyKind::FileSystem,
                ];
                let kind = *from.choose(&kinds)?;
                of_kind(from, kind, text)?
            }
            _ => of_kind(from, due, text)?,
        };
        let mut bytes = vec![0; LONGEST_REPLY_FRAME];
        let length = frame::encode_reply(&mut bytes, operation, id, &reply).unwrap();
        bytes.truncate(length);
        let said = Self {
            bytes,
            beside: usize::from(reply.descriptors()),
        };
        said.changed(from)
    }

    /// The answer to a hello.
    pub fn welcome(from: &mut Unstructured<'_>, front: LaneFront) -> Result<Self> {
        let mut bytes = vec![0; LONGEST_REPLY_FRAME];
        let welcome = Welcome::new(front, 4, 16);
        let length = frame::encode_welcome(&mut bytes, &welcome).unwrap();
        bytes.truncate(length);
        Self { bytes, beside: 0 }.changed(from)
    }

    /// Whether it is the welcome of an honest broker.
    pub fn is_welcome(&self, front: LaneFront) -> bool {
        let mut bytes = vec![0; LONGEST_REPLY_FRAME];
        let length = frame::encode_welcome(&mut bytes, &Welcome::new(front, 4, 16)).unwrap();
        bytes[..length] == self.bytes && self.beside == 0
    }

    fn random(from: &mut Unstructured<'_>) -> Result<Self> {
        let length = from.int_in_range(0..=400)?;
        Ok(Self {
            bytes: from.bytes(length.min(from.len()))?.to_vec(),
            beside: from.int_in_range(0..=2)?,
        })
    }

    fn changed(mut self, from: &mut Unstructured<'_>) -> Result<Self> {
        match from.int_in_range(0..=15)? {
            15 => {
                let at = from.choose_index(self.bytes.len())?;
                self.bytes[at] = from.arbitrary()?;
            }
            14 => self.bytes.truncate(from.choose_index(self.bytes.len())?),
            13 => self.bytes.push(from.arbitrary()?),
            12 => self.beside = from.int_in_range(0..=2)?,
            // Longer than any frame, or than its row allows.
            11 => self.bytes.resize(*from.choose(&[600, 9000])?, 0),
            _ => {}
        }
        Ok(self)
    }

    /// The reply that it is: what an honest broker would have sent as these very bytes.
    pub fn honest(&self, (operation, id, front): (Operation, u32, LaneFront)) -> Option<Reply<'_>> {
        let row = operation.row();
        let body = self.bytes.get(HEADER..)?;
        let reply: Reply<'_> = codec::decode(body, row.reply_limit).ok()?;
        let mut again = vec![0; LONGEST_REPLY_FRAME];
        let length = frame::encode_reply(&mut again, operation, id, &reply).ok()?;
        let fits = match (&reply, reply.kind()) {
            (Reply::Errno(errno), _) => (1..=4095).contains(errno),
            (_, kind) => kind == Some(row.reply_by(front)),
        };
        let is = again[..length] == self.bytes && self.beside == usize::from(reply.descriptors());
        (is && fits).then_some(reply)
    }

    fn send(&self, lane: &Lane, descriptor: BorrowedFd<'_>) {
        let beside = vec![descriptor; self.beside];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !beside.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&beside)));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(lane, &[IoSlice::new(&self.bytes)], &mut control, flags).unwrap();
    }
}

/// The broker's end of a lane, and the client's: all that will ever be said lies there.
pub fn lane(said: &[Said], beside: Option<BorrowedFd<'_>>) -> (Lane, OwnedFd) {
    let (ours, theirs) = Lane::pair().unwrap();
    for record in said {
        record.send(&ours, beside.unwrap_or(FILE.as_fd()));
    }
    shutdown(&ours, Shutdown::Write).unwrap();
    (ours, theirs.into_fd())
}

/// Opens what stays open from one input to the next.
pub fn prepare() {
    LazyLock::force(&FILE);
}

fn of_kind<'a>(from: &mut Unstructured<'_>, kind: ReplyKind, text: &'a [u8]) -> Result<Reply<'a>> {
    Ok(match kind {
        ReplyKind::Value if from.ratio(3, 4)? => Reply::Value(0),
        ReplyKind::Value => Reply::Value(from.arbitrary()?),
        ReplyKind::Descriptor => Reply::Descriptor {
            handle: from.arbitrary()?,
        },
        ReplyKind::Bytes => Reply::Bytes(text),
        ReplyKind::Stat => Reply::Stat(FileStat {
            device_major: from.arbitrary()?,
            mode: from.arbitrary()?,
            size: from.arbitrary()?,
            born: from.arbitrary()?,
            modified: from.arbitrary()?,
            ..FileStat::default()
        }),
        ReplyKind::FileSystem => Reply::FileSystem(FileSystemStat {
            magic: from.arbitrary()?,
            blocks_free: from.arbitrary()?,
            ..FileSystemStat::default()
        }),
    })
}
