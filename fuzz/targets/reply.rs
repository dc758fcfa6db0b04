//! What a broken or hostile broker says to a sandboxee: to its typed calls, and to the handler
//! of its trapped calls.
//!
//! The oracle: what is no reply to what was asked is an error, after which nothing more is
//! taken of that lane; what is one gives what it says; memory of the program is changed only
//! where the call's answer belongs; memory is bounded, and no descriptor is left.
#![no_main]

use std::os::fd::AsFd;

use doorward_fuzz::{
    Cost, bounded,
    broker::{self, Said},
    take,
};
use doorward_protocol::{
    Operation, Reply,
    frame::{LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME},
    hello::LaneFront,
    syscall::layout,
};
use doorward_sandboxee::{
    Access, Client, ClientError, Errno, Links, Mode, OFlags, RenameFlags, trap::fuzzing::Entered,
};
use libfuzzer_sys::{
    arbitrary::{Result, Unstructured},
    fuzz_target,
};

/// The frames of some clients, and what is said.
const COST: Cost = Cost {
    base: 4 * (LONGEST_REQUEST_FRAME + LONGEST_REPLY_FRAME) + (128 << 10),
    each: 64,
};
/// Calls of one input.
const CALLS: usize = 5;

fuzz_target!(|data: &[u8]| {
    broker::prepare();
    bounded(data.len(), COST, || {
        let mut from = Unstructured::new(data);
        let _ended = match from.arbitrary() {
            Ok(true) => typed(&mut from),
            _ => trapped(&mut from),
        };
    });
});

const TYPED: [Operation; 11] = [
    Operation::Open,
    Operation::Stat,
    Operation::Readlink,
    Operation::Statfs,
    Operation::Access,
    Operation::Mkdir,
    Operation::Spawn,
    Operation::Lane,
    Operation::Connect,
    Operation::Restrict,
    Operation::Rename,
];

fn typed(from: &mut Unstructured<'_>) -> Result<()> {
    let front = LaneFront::Api;
    let mut said = vec![Said::welcome(from, front)?];
    let mut asked = Vec::new();
    for id in 0..from.int_in_range(0..=u32::try_from(CALLS).unwrap())? {
        let one = (*from.choose(&TYPED)?, id, front);
        said.push(Said::reply(from, one)?);
        asked.push(one);
    }
    let (ours, theirs) = broker::lane(&said, None);
    let Ok(mut client) = Client::from_fd(theirs) else {
        return Ok(());
    };
    let plain = said[0].is_welcome(front);
    let mut closed = false;
    for (one, said) in asked.into_iter().zip(&said[1..]) {
        let told = call(&mut client, one.0);
        let due = said.honest(one);
        match (&told, &due) {
            // It may not offer this; the reply is then that to the next.
            (Err(ClientError::Errno(Errno::NOSYS)), _) if !plain => return Ok(()),
            _ if closed => assert_eq!(told, Err(ClientError::Gone)),
            (Err(ClientError::Errno(errno)), Some(Reply::Errno(due))) => {
                assert_eq!(errno.raw_os_error(), *due);
            }
            (Ok(told), Some(Reply::Descriptor { .. })) => assert_eq!(told, DESCRIPTOR),
            (Ok(_), Some(Reply::Value(value))) => assert!(has(one.0, *value)),
            (Ok(told), Some(due)) => assert_eq!(*told, format!("{due:?}")),
            (Err(ClientError::Protocol(_)), Some(Reply::Value(value))) => {
                assert!(!has(one.0, *value));
            }
            (Err(ClientError::Protocol(_) | ClientError::Gone), None) => {}
            _ => panic!("{one:?}: {told:?} of {said:?}"),
        }
        closed |= matches!(told, Err(ClientError::Protocol(_) | ClientError::Gone));
    }
    drop(ours);
    Ok(())
}

const DESCRIPTOR: &str = "a descriptor";
const NUMBER: &str = "a number";

/// Whether a number is one that the operation answers.
fn has(operation: Operation, value: i64) -> bool {
    match operation {
        Operation::Spawn => u32::try_from(value).is_ok(),
        Operation::Restrict => value > 0,
        _ => value == 0,
    }
}

/// Makes the call; what it gave, as the reply that says it.
fn call(client: &mut Client, operation: Operation) -> std::result::Result<String, ClientError> {
    let number = |()| NUMBER.to_owned();
    let text;
    let reply = match operation {
        // With what comes a handle, which the client keeps for itself.
        Operation::Open => {
            let directory = client.open("/in", OFlags::RDONLY, Mode::empty());
            return directory.map(|_| DESCRIPTOR.to_owned());
        }
        Operation::Connect => {
            return client.connect_unix(b"/s").map(|_| DESCRIPTOR.to_owned());
        }
        Operation::Lane => return client.another_lane().map(|_| DESCRIPTOR.to_owned()),
        Operation::Spawn => return client.spawn("/p", &[]).map(|_| NUMBER.to_owned()),
        Operation::Stat => client.stat("/in", Links::Follow).map(Reply::Stat),
        Operation::Readlink => {
            text = client.readlink("/in")?;
            Ok(Reply::Bytes(&text))
        }
        Operation::Statfs => client.statfs("/in").map(Reply::FileSystem),
        Operation::Access => return client.access("/in", Access::READ_OK).map(number),
        Operation::Mkdir => return client.mkdir("/in", Mode::RWXU).map(number),
        Operation::Restrict => return client.restrict("").map(number),
        _ => return client.rename("/a", "/b", RenameFlags::empty()).map(number),
    };
    reply.map(|reply| format!("{reply:?}"))
}

/// An argument of a call.
#[derive(Clone, Copy)]
enum Argument {
    Number(u64),
    /// A name.
    Name,
    /// Room for the answer.
    Room,
    /// The size of that.
    Size,
    /// Flags that may ask for close-on-exec.
    Flags,
}
use Argument::{Flags, Name, Number, Room, Size};

const HERE: Argument = Number(0xffff_ff9c);
const TRAPPED: [(&str, Operation, [Argument; 5]); 15] = {
    const NONE: Argument = Number(0);
    [
        ("open", Operation::Open, [Name, Flags, NONE, NONE, NONE]),
        ("openat", Operation::Open, [HERE, Name, Flags, NONE, NONE]),
        ("stat", Operation::Stat, [Name, Room, NONE, NONE, NONE]),
        (
            "newfstatat",
            Operation::Stat,
            [HERE, Name, Room, NONE, NONE],
        ),
        (
            "statx",
            Operation::Stat,
            [HERE, Name, NONE, Number(0xfff), Room],
        ),
        (
            "readlink",
            Operation::Readlink,
            [Name, Room, Size, NONE, NONE],
        ),
        (
            "readlinkat",
            Operation::Readlink,
            [HERE, Name, Room, Size, NONE],
        ),
        ("getcwd", Operation::Getcwd, [Room, Size, NONE, NONE, NONE]),
        ("statfs", Operation::Statfs, [Name, Room, NONE, NONE, NONE]),
        ("access", Operation::Access, [Name, NONE, NONE, NONE, NONE]),
        ("mkdir", Operation::Mkdir, [Name, NONE, NONE, NONE, NONE]),
        ("rename", Operation::Rename, [Name, Name, NONE, NONE, NONE]),
        ("chdir", Operation::Chdir, [Name, NONE, NONE, NONE, NONE]),
        (
            "socket",
            Operation::Socket,
            [Number(1), Flags, NONE, NONE, NONE],
        ),
        (
            "connect",
            Operation::Connect,
            [Number(9), Name, Number(2), NONE, NONE],
        ),
    ]
};

/// Memory of a program, with room for an answer in the midst of it.
struct Program {
    memory: [u8; 4096],
    size: usize,
    /// An address where there is nothing.
    wild: bool,
}

const BEGIN: usize = 1024;
const FILL: u8 = 0xa5;
const CLOSE_ON_EXEC: u64 = 0o2_000_000;

impl Program {
    fn arguments(&mut self, form: [Argument; 5], flags: u64) -> [u64; 6] {
        static NAME: &std::ffi::CStr = c".";
        let room = match self.wild {
            true => 16,
            false => self.memory[BEGIN..].as_mut_ptr().expose_provenance() as u64,
        };
        let [a, b, c, d, e] = form.map(|one| match one {
            Number(number) => number,
            Name => NAME.as_ptr().expose_provenance() as u64,
            Room => room,
            Size => self.size as u64,
            Flags => flags,
        });
        [a, b, c, d, e, 0]
    }

    /// Where an answer was put: nothing else may be changed.
    fn put(&self, length: usize) -> &[u8] {
        let (before, rest) = self.memory.split_at(BEGIN);
        let (answer, behind) = rest.split_at(length);
        assert!(before.iter().chain(behind).all(|byte| *byte == FILL));
        answer
    }
}

fn trapped(from: &mut Unstructured<'_>) -> Result<()> {
    let front = LaneFront::Trap;
    let mut said = vec![Said::welcome(from, front)?];
    let mut asked = Vec::new();
    for id in 0..from.int_in_range(0..=u32::try_from(CALLS).unwrap())? {
        let (name, operation, form) = *from.choose(&TRAPPED)?;
        let one = (operation, id, front);
        said.push(Said::reply(from, one)?);
        asked.push((name, form, one, from.arbitrary()?, from.arbitrary()?));
    }
    let lane = (Operation::Lane, 0, LaneFront::Api);
    let first = [
        Said::welcome(from, LaneFront::Api)?,
        Said::reply(from, lane)?,
    ];
    let (ours, theirs) = broker::lane(&said, None);
    let (rendezvous, client) = broker::lane(&first, Some(theirs.as_fd()));
    drop(theirs);
    let Ok(entered) = Entered::on(client) else {
        return Ok(());
    };
    let mut closed = !matches!(first[1].honest(lane), Some(Reply::Descriptor { .. }));
    for (index, (name, form, one, size, bits)) in asked.into_iter().enumerate() {
        let (size, bits): (u8, u8) = (size, bits);
        let mut program = Program {
            memory: [FILL; 4096],
            size: usize::from(size),
            wild: bits & 7 == 7,
        };
        let flags = if bits & 8 == 0 { 0 } else { CLOSE_ON_EXEC };
        let arguments = program.arguments(form, flags);
        let told = entered.ask(name, arguments);
        if matches!(one.0, Operation::Readlink) && size == 0 {
            // A lane that is of no use is told first.
            let usable = !closed && said[0].is_welcome(front);
            assert!(told == Err(Errno::INVAL) || (!usable && told.is_err()));
            // It was not asked, and the next is answered by what was said to it.
            return Ok(());
        }
        let due = said[index + 1].honest(one).filter(|_| !closed);
        // Whether the lane was welcomed is seen by its first call alone.
        let unseen = due.is_some() || told == Err(Errno::MFILE);
        if index == 0 && told.is_err() && unseen && !said[0].is_welcome(front) {
            return Ok(());
        }
        // A record with more descriptors than there is room for is taken, and the lane goes on.
        closed |= due.is_none() && told != Err(Errno::MFILE);
        program.hold((name, flags), told, due.as_ref());
    }
    drop((entered, rendezvous, ours));
    Ok(())
}

impl Program {
    /// What a call gave is what the reply says.
    fn hold(
        &self,
        (name, flags): (&str, u64),
        told: std::result::Result<u64, Errno>,
        reply: Option<&Reply<'_>>,
    ) {
        let laid = match (reply, name) {
            (Some(Reply::Stat(stat)), "statx") => layout::statx(stat),
            (Some(Reply::Stat(stat)), _) => layout::stat(stat),
            (Some(Reply::FileSystem(stat)), _) => layout::statfs(stat),
            (Some(Reply::Bytes(bytes)), "getcwd") if bytes.len() >= self.size => {
                assert_eq!(told, Err(Errno::RANGE));
                self.put(0);
                return;
            }
            (Some(Reply::Bytes(bytes)), _) => {
                let nul = usize::from(name == "getcwd");
                let length = bytes.len().min(self.size - nul);
                return self.written(told, [&bytes[..length], &[0][..nul]].concat(), length + nul);
            }
            (None, _) => {
                assert!(told.is_err(), "{name}: {told:?}");
                self.put(0);
                return;
            }
            (Some(Reply::Errno(errno)), _) => {
                assert_eq!(told, Err(Errno::from_raw_os_error(*errno)));
                self.put(0);
                return;
            }
            (Some(Reply::Value(_)), "chdir") => return assert_eq!(told, Ok(0)),
            (Some(Reply::Value(value)), _) => return assert_eq!(told, Ok(value.cast_unsigned())),
            (Some(Reply::Descriptor { .. }), _) => return granted(told, flags),
        };
        self.written(told, laid.bytes().to_vec(), 0);
    }

    fn written(&self, told: std::result::Result<u64, Errno>, bytes: Vec<u8>, value: usize) {
        if self.wild && !bytes.is_empty() {
            assert_eq!(told, Err(Errno::FAULT));
            self.put(0);
        } else {
            assert_eq!(told, Ok(value as u64));
            assert_eq!(self.put(bytes.len()), bytes);
        }
    }
}

/// A descriptor was granted: it is one, and closed by exec as was asked.
fn granted(told: std::result::Result<u64, Errno>, flags: u64) {
    let number = i32::try_from(told.unwrap()).unwrap();
    let closes = take(number);
    assert_eq!(closes, flags == CLOSE_ON_EXEC);
}
