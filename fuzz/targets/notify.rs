//! The notification front with a scripted kernel: whatever calls come, with whatever
//! registers and memory, each is answered once, no byte that an argument points to is read
//! twice, nothing is written where nobody asked, only what the table says is continued, and
//! what is granted is what the policy names.
#![no_main]

use std::{
    os::fd::{AsRawFd, OwnedFd},
    sync::LazyLock,
};

use doorward::{
    front::notify::serve,
    fuzzing::kernel::{self, Answered, Asked, Region},
};
use doorward_fuzz::{Cost, bounded, tree::Tree};
use doorward_policy::filter::Arch;
use doorward_protocol::operation::{Call, TABLE};
use libfuzzer_sys::{
    arbitrary::{Result, Unstructured},
    fuzz_target,
};
use rustix::fs::{CWD, Mode, OFlags, inotify};

/// The copies of a call's arguments are bounded by the kernel's bounds of names.
const COST: Cost = Cost {
    base: 1 << 20,
    each: 2 << 10,
};
/// Where the regions of memory are.
const REGIONS: [u64; 4] = [0x10_0000, 0x20_0ff0, 0x7fff_ffff_e000, u64::MAX - 4095];
const CALLS: usize = 12;

static TREE: LazyLock<Tree> = LazyLock::new(Tree::new);

fuzz_target!(|data: &[u8]| {
    LazyLock::force(&TREE);
    bounded(data.len(), COST, || {
        let _used_up = run(&mut Unstructured::new(data));
    });
    TREE.hold();
});

/// Descriptors of this process, which is every asker.
struct Own {
    directories: [OwnedFd; 2],
    file: OwnedFd,
    watches: OwnedFd,
}

impl Own {
    fn new() -> Self {
        let open = |name: &str, flags| {
            let path = TREE.root().join(name);
            rustix::fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap()
        };
        Self {
            directories: ["in", "out"].map(|name| open(name, OFlags::DIRECTORY)),
            file: open("out/file", OFlags::RDWR),
            watches: inotify::init(inotify::CreateFlags::CLOEXEC).unwrap(),
        }
    }

    fn numbers(&self) -> [i32; 4] {
        let [one, other] = self.directories.each_ref().map(AsRawFd::as_raw_fd);
        [one, other, self.file.as_raw_fd(), self.watches.as_raw_fd()]
    }
}

fn run(from: &mut Unstructured<'_>) -> Result<()> {
    TREE.reset();
    let own = Own::new();
    let mut regions = Vec::new();
    for start in REGIONS {
        regions.push(Region {
            start,
            bytes: content(from)?,
            writable: from.arbitrary()?,
        });
    }
    let mut asked = Vec::new();
    while asked.len() < CALLS && !from.is_empty() {
        asked.push(call(from, &own)?);
    }
    let listener = kernel::begin(asked, regions).unwrap();
    let (stopped, _stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let served = serve(listener, TREE.context(), std::os::fd::AsFd::as_fd(&stopped));
    let report = served.unwrap_or_else(|error| panic!("{error}"));
    let answers = kernel::end();
    let continued: u64 = report.continued.values().sum();
    let mut left = 0;
    for (asked, answer) in answers {
        match answer {
            Some(Answered::Continued) => {
                let call = named(asked.number).unwrap();
                assert!(call.continued, "{}", call.name);
                left += 1;
            }
            Some(Answered::Granted { name, writable }) => TREE.judge(&name, writable),
            Some(Answered::Errno(errno)) => assert!((1..=4095).contains(&errno), "{errno}"),
            Some(Answered::Value(_)) | None => {}
        }
    }
    // The asker of one that was continued may be gone.
    assert!(left <= continued);
    Ok(())
}

fn named(number: i32) -> Option<&'static Call> {
    let calls = TABLE.iter().flat_map(|row| row.calls);
    let number = u32::try_from(number).ok()?;
    calls
        .into_iter()
        .find(|call| Arch::native().number(call.name) == Some(number))
}

fn call(from: &mut Unstructured<'_>, own: &Own) -> Result<Asked> {
    let calls: Vec<_> = TABLE.iter().flat_map(|row| row.calls).collect();
    let number = match from.ratio(15, 16)? {
        true => Arch::native()
            .number(from.choose(&calls)?.name)
            .unwrap_or(0) as i32,
        false => from.arbitrary()?,
    };
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = register(from, own)?;
    }
    let this = rustix::thread::gettid().as_raw_nonzero().get() as u32;
    Ok(Asked {
        number,
        thread: match from.int_in_range(0..=15)? {
            0 => 0,
            1 => u32::MAX,
            2 => 4_194_303,
            _ => this,
        },
        arguments,
        looks: match from.int_in_range(0..=9)? {
            looks @ 0..=3 => looks,
            _ => usize::MAX,
        },
    })
}

fn register(from: &mut Unstructured<'_>, own: &Own) -> Result<u64> {
    const FLAGS: [u64; 16] = [
        0,
        1,
        2,
        0o100,
        0o101,
        0o102,
        0o1101,
        0x100,
        0x200,
        0x1000,
        0x1100,
        0o200_000,
        0o400_000,
        0o2_000_000,
        24,
        128,
    ];
    Ok(match from.int_in_range(0..=7)? {
        0..=3 => *from.choose(&REGIONS)?,
        4 => from.choose(&own.numbers())?.cast_unsigned().into(),
        5 => *from.choose(&FLAGS)?,
        6 => u64::from((-100_i32).cast_unsigned()),
        _ => from.arbitrary()?,
    })
}

/// What a region holds: a name and a NUL, or any bytes, or more than a name may be long.
fn content(from: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    const NAMES: [&str; 22] = [
        "in/file",
        "in/link/file",
        "in/away/file",
        "in/d/hid",
        "out/file",
        "out/new",
        "out/d",
        "out",
        "in",
        "shut/file",
        "in/../out/file",
        "out/d/../file",
        "",
        "/",
        "/proc/self/status",
        "/proc/self/fd",
        "/dev/stdin",
        "file",
        "../shut/file",
        "d/file",
        "/proc/self/cwd/x",
        ".",
    ];
    Ok(match from.int_in_range(0..=5)? {
        0..=3 => {
            let name = *from.choose(&NAMES)?;
            let whole =
                if name.starts_with("in") || name.starts_with("out") || name.starts_with("shut") {
                    TREE.root().join(name)
                } else {
                    name.into()
                };
            let mut bytes = whole.into_os_string().into_encoded_bytes();
            bytes.push(0);
            // Room for what is written back.
            bytes.resize(512, 0);
            bytes
        }
        4 => {
            let length = from.int_in_range(0..=200)?;
            from.bytes(length.min(from.len()))?.to_vec()
        }
        _ => vec![b'/'; from.int_in_range(1..=5000)?],
    })
}
