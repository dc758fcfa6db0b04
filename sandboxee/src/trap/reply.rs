//! Frames of the broker, read without the codec, whose errors hold strings.
//!
//! Each field is taken off what is left of the record, and nothing may be left at the end. A
//! test holds this to the codec for every reply that there is.

use doorward_protocol::{
    FileStat, FileSystemStat, Operation, Reply,
    frame::HEADER,
    hello::{LaneFront, VERSION},
};
use rustix::io::Errno;

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Errno> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Errno::IO)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn byte(&mut self) -> Result<u8, Errno> {
        let [byte] = self.bytes()?;
        Ok(byte)
    }

    fn word(&mut self) -> Result<u32, Errno> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn int(&mut self) -> Result<i32, Errno> {
        self.bytes().map(i32::from_le_bytes)
    }

    fn long(&mut self) -> Result<u64, Errno> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn time(&mut self) -> Result<(i64, u32), Errno> {
        Ok((self.long()?.cast_signed(), self.word()?))
    }

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Errno>,
    ) -> Result<Option<T>, Errno> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(Errno::IO),
        }
    }

    fn slice(&mut self) -> Result<&'a [u8], Errno> {
        let length = usize::try_from(self.long()?).map_err(|_| Errno::IO)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Errno::IO)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn stat(&mut self) -> Result<FileStat, Errno> {
        Ok(FileStat {
            device_major: self.word()?,
            device_minor: self.word()?,
            inode: self.long()?,
            mode: self.word()?,
            links: self.word()?,
            user: self.word()?,
            group: self.word()?,
            special_major: self.word()?,
            special_minor: self.word()?,
            size: self.long()?,
            block_size: self.word()?,
            blocks: self.long()?,
            accessed: self.time()?,
            modified: self.time()?,
            changed: self.time()?,
            born: self.option(Self::time)?,
            attributes: self.long()?,
        })
    }

    fn file_system(&mut self) -> Result<FileSystemStat, Errno> {
        Ok(FileSystemStat {
            magic: self.long()?,
            block_size: self.long()?,
            blocks: self.long()?,
            blocks_free: self.long()?,
            blocks_available: self.long()?,
            files: self.long()?,
            files_free: self.long()?,
            name_length: self.long()?,
            fragment_size: self.long()?,
            flags: self.long()?,
        })
    }

    fn reply(&mut self) -> Result<Reply<'a>, Errno> {
        Ok(match self.word()? {
            0 => Reply::Value(self.long()?.cast_signed()),
            1 => Reply::Descriptor {
                handle: self.option(Self::int)?,
            },
            2 => Reply::Bytes(self.slice()?),
            3 => Reply::Stat(self.stat()?),
            4 => Reply::FileSystem(self.file_system()?),
            5 => Reply::Errno(self.int()?),
            _ => return Err(Errno::IO),
        })
    }

    /// The header, held to what is due; what is left is the body.
    fn header(&mut self, code: u8, id: u32, descriptors: u8) -> Result<(), Errno> {
        let due = [code, descriptors, 0, 0];
        let head = self.bytes::<4>()?;
        let told = self.word()?;
        let length = self.word()?;
        let is_due = head == due && told == id && usize::try_from(length) == Ok(self.0.len());
        is_due.then_some(()).ok_or(Errno::IO)
    }
}

/// Reads the reply to a request.
///
/// # Errors
/// `EIO` for what is none to it.
pub(super) fn decode(
    record: &[u8],
    descriptor: bool,
    operation: Operation,
    id: u32,
) -> Result<Reply<'_>, Errno> {
    let mut rest = Rest(record);
    rest.header(operation.code(), id, u8::from(descriptor))?;
    if rest.0.len() > operation.row().reply_limit {
        return Err(Errno::IO);
    }
    let reply = rest.reply()?;
    let front = match operation {
        Operation::Lane => LaneFront::Api,
        _ => LaneFront::Trap,
    };
    let fits = match (&reply, reply.kind()) {
        (Reply::Errno(errno), _) => (1..=4095).contains(errno),
        (_, kind) => kind == Some(operation.row().reply_by(front)),
    };
    if rest.0.is_empty() && fits && (reply.descriptors() == 1) == descriptor {
        Ok(reply)
    } else {
        Err(Errno::IO)
    }
}

/// The errno of a reply, by its number: `EIO` for what is none.
pub(super) fn errno(number: i32) -> Errno {
    // The range is looked at here, where no code that panics is left of the conversion's own look.
    match number {
        1..=4095 => Errno::from_raw_os_error(number),
        _ => Errno::IO,
    }
}

/// Whether a record welcomes a client of this version.
pub(super) fn is_welcome(record: &[u8]) -> bool {
    let mut rest = Rest(record);
    rest.header(0, 0, 0).is_ok()
        && rest.bytes::<2>().map(u16::from_le_bytes) == Ok(VERSION)
        && record.len() > HEADER
}

#[cfg(test)]
mod tests {
    use doorward_protocol::frame::{
        LONGEST_REPLY_FRAME, decode_reply, encode_reply, encode_welcome,
    };
    use doorward_protocol::{hello::Welcome, operation::TABLE};

    use super::*;

    fn replies() -> Vec<Reply<'static>> {
        let stat = FileStat {
            device_major: 1,
            device_minor: 2,
            inode: 3 << 40,
            mode: 4,
            links: 5,
            user: 6,
            group: 7,
            special_major: 8,
            special_minor: 9,
            size: 10 << 40,
            block_size: 11,
            blocks: 12,
            accessed: (-13, 14),
            modified: (15, 16),
            changed: (17, 18),
            born: Some((19, 20)),
            attributes: 21,
        };
        let system = FileSystemStat {
            magic: 1,
            block_size: 2,
            blocks: 3,
            blocks_free: 4,
            blocks_available: 5,
            files: 6,
            files_free: 7,
            name_length: 8,
            fragment_size: 9,
            flags: 10,
        };
        vec![
            Reply::Value(-7),
            Reply::Descriptor { handle: None },
            Reply::Descriptor { handle: Some(9) },
            Reply::Bytes(b"some/name"),
            Reply::Stat(stat),
            Reply::Stat(FileStat { born: None, ..stat }),
            Reply::FileSystem(system),
            Reply::Errno(13),
        ]
    }

    #[test]
    fn every_reply_is_read_as_the_codec_reads_it() {
        let mut read = 0;
        for row in TABLE {
            for reply in replies() {
                let mut buffer = [0; LONGEST_REPLY_FRAME];
                let length = encode_reply(&mut buffer, row.operation, 7, &reply).unwrap();
                let record = &buffer[..length];
                let descriptor = reply.descriptors() == 1;
                let theirs = decode_reply(record, usize::from(descriptor), row.operation, 7).ok();
                let ours = decode(record, descriptor, row.operation, 7).ok();
                if row.operation != Operation::Connect {
                    assert_eq!(ours, theirs, "{} {reply:?}", row.name);
                }
                read += usize::from(ours.is_some());
                for cut in 0..length {
                    assert!(decode(&record[..cut], descriptor, row.operation, 7).is_err());
                }
                assert!(decode(record, !descriptor, row.operation, 7).is_err());
                assert!(decode(record, descriptor, row.operation, 8).is_err());
            }
        }
        assert!(read > TABLE.len());
    }

    #[test]
    fn only_a_welcome_of_this_version_is_one() {
        let mut buffer = [0; 256];
        let mut welcome = Welcome::new(LaneFront::Trap, 4, 256);
        let length = encode_welcome(&mut buffer, &welcome).unwrap();
        assert!(is_welcome(&buffer[..length]));
        assert!(!is_welcome(&buffer[..length - 1]));
        welcome.version = VERSION + 1;
        let length = encode_welcome(&mut buffer, &welcome).unwrap();
        assert!(!is_welcome(&buffer[..length]));
    }
}
