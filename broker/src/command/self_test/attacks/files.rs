//! Reading what no rule names.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::OFlags;

use super::{HERE, address, bits, c_path, room};
use crate::self_test::{
    attacker::{Attacker, read},
    case::{Attempt, Case, Permitted, Sign},
    sys,
};

const fn case(
    name: &'static str,
    tried: &'static str,
    ids: &'static [&'static str],
    held_by: &'static [&'static str],
    attack: fn(&Attacker) -> Attempt,
) -> Case {
    Case {
        name,
        tried,
        ids,
        held_by,
        sign: Sign::Secret,
        permitted: Permitted::Read,
        attack,
    }
}

const BROKER: &[&str] = &["broker", "landlock"];

pub(in crate::self_test) const FILES: &[Case] = &[
    case(
        "spellings",
        "a file outside, by every call that opens",
        &[],
        BROKER,
        spellings,
    ),
    case(
        "dot-dot",
        "a file outside, by `..` from a granted directory",
        &["P-1"],
        BROKER,
        |attacker| attacker.read(&attacker.name("granted", "../../outside/dot-dot/secret")),
    ),
    case(
        "neighbour-name",
        "a directory whose name begins like a granted one",
        &["P-2"],
        BROKER,
        |attacker| {
            attacker.read(
                &attacker
                    .directory()
                    .join("granted-not/neighbour-name/secret"),
            )
        },
    ),
    case(
        "link",
        "a file outside, by a link in a granted directory",
        &["P-3"],
        BROKER,
        |attacker| attacker.read(&attacker.name("granted", "link")),
    ),
    case(
        "link-on-the-way",
        "a file outside, through a link to a directory",
        &["P-4"],
        BROKER,
        |attacker| attacker.read(&attacker.name("granted", "way/secret")),
    ),
    case(
        "trailing-slash",
        "a directory outside, by a link that is not to be followed and a slash",
        &["P-5"],
        BROKER,
        trailing_slash,
    ),
    case(
        "directory-descriptor",
        "a file outside, from the descriptor of a granted directory",
        &["P-28"],
        BROKER,
        directory_descriptor,
    ),
    case(
        "working-directory",
        "a file outside, from a working directory outside",
        &["P-28"],
        BROKER,
        working_directory,
    ),
    case(
        "listing",
        "the names in a directory outside",
        &["P-40"],
        BROKER,
        listing,
    ),
    case(
        "link-text",
        "where a link outside leads",
        &["P-35"],
        &["broker", "mount namespace"],
        link_text,
    ),
    Case {
        name: "watch",
        tried: "what happens in a directory outside",
        ids: &[],
        held_by: &["broker", "mount namespace"],
        sign: Sign::Done,
        permitted: Permitted::Read,
        attack: watch,
    },
    case(
        "proc",
        "environment and memory of another process, by /proc",
        &["P-9", "P-10", "L-11"],
        &["broker", "mount namespace", "landlock"],
        proc,
    ),
    case(
        "file-handle",
        "a file outside, by its handle instead of a name",
        &["S-31"],
        &["seccomp", "capabilities"],
        file_handle,
    ),
];

fn spellings(attacker: &Attacker) -> Attempt {
    let path = attacker.name("outside", "secret");
    let name = c_path(&path);
    let how = [bits(libc::O_RDONLY), 0, 0];
    let mut opened = vec![sys::call(
        libc::SYS_openat,
        &[HERE, address(name.as_c_str()), 0, 0],
    )];
    #[cfg(target_arch = "x86_64")]
    opened.push(sys::call(libc::SYS_open, &[address(name.as_c_str()), 0, 0]));
    opened.push(sys::call(
        libc::SYS_openat2,
        &[HERE, address(name.as_c_str()), address(&how), 24],
    ));
    for number in opened {
        if let Some(file) = sys::descriptor(number) {
            return read(&file);
        }
    }
    attacker.read(&path)
}

fn below(directory: &OwnedFd, name: &std::ffi::CStr) -> Attempt {
    let number = bits(directory.as_raw_fd());
    let opened = sys::call(libc::SYS_openat, &[number, address(name), 0, 0]);
    match sys::descriptor(opened) {
        Some(file) => read(&file),
        None => Attempt::best([opened]),
    }
}

fn trailing_slash(attacker: &Attacker) -> Attempt {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    match attacker.open(&attacker.name("granted", "way/"), flags, 0) {
        Ok(directory) => below(&directory, c"secret"),
        Err(result) => Attempt::best([result]),
    }
}

fn directory_descriptor(attacker: &Attacker) -> Attempt {
    let directory = match attacker.open(&attacker.name("granted", ""), OFlags::DIRECTORY, 0) {
        Ok(directory) => directory,
        Err(result) => return Attempt::best([result]),
    };
    let name = c"../../outside/directory-descriptor/secret";
    let direct = below(&directory, name);
    if direct.result >= 0 {
        return direct;
    }
    let _there = sys::call(libc::SYS_fchdir, &[bits(directory.as_raw_fd())]);
    let opened = sys::call(libc::SYS_openat, &[HERE, address(name), 0, 0]);
    sys::descriptor(opened).map_or(direct, |file| read(&file))
}

fn working_directory(attacker: &Attacker) -> Attempt {
    let mut attempt = Attempt::default();
    for there in [
        attacker.name("outside", ""),
        attacker.name("granted", "way"),
    ] {
        let name = c_path(&there);
        let moved = sys::call(libc::SYS_chdir, &[address(name.as_c_str())]);
        let opened = sys::call(libc::SYS_openat, &[HERE, address(c"secret"), 0, 0]);
        attempt = match sys::descriptor(opened) {
            Some(file) if moved >= 0 => return read(&file),
            _ => Attempt::best([moved, opened]),
        };
    }
    attempt
}

fn listing(attacker: &Attacker) -> Attempt {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    let directory = match attacker.open(&attacker.name("outside", ""), flags, 0) {
        Ok(directory) => directory,
        Err(result) => return Attempt::best([result]),
    };
    let mut data = vec![0_u8; 4096];
    let number = bits(directory.as_raw_fd());
    let arguments = [number, room(data.as_mut_slice()), 4096];
    let result = sys::call(libc::SYS_getdents64, &arguments);
    Attempt { result, data }
}

fn link_text(attacker: &Attacker) -> Attempt {
    let path = attacker.name("outside", "text");
    let name = c_path(&path);
    let mut data = vec![0_u8; 256];
    let arguments = [
        HERE,
        address(name.as_c_str()),
        room(data.as_mut_slice()),
        256,
    ];
    let mut result = sys::call(libc::SYS_readlinkat, &arguments);
    if result < 0 {
        result = attacker.ask(|client| {
            data = client.readlink(path.as_path())?;
            Ok(())
        });
    }
    Attempt { result, data }
}

fn watch(attacker: &Attacker) -> Attempt {
    const EVERYTHING: u64 = 0xfff;
    let name = c_path(&attacker.name("outside", ""));
    let watcher = sys::call(libc::SYS_inotify_init1, &[0]);
    let arguments = [
        watcher.cast_unsigned(),
        address(name.as_c_str()),
        EVERYTHING,
    ];
    Attempt::best([sys::call(libc::SYS_inotify_add_watch, &arguments)])
}

fn proc(attacker: &Attacker) -> Attempt {
    let process = attacker.outside().process;
    let mut attempt = Attempt::default();
    for entry in ["environ", "fd/0", "cwd/secret"] {
        attempt = attacker.read(format!("/proc/{process}/{entry}").as_ref());
        if attempt.result >= 0 {
            break;
        }
    }
    attempt
}

fn file_handle(attacker: &Attacker) -> Attempt {
    const LONGEST: u32 = 128;
    let path = c_path(&attacker.name("outside", "secret"));
    let mut handle = [0_u32; 34];
    if let Some(length) = handle.first_mut() {
        *length = LONGEST;
    }
    let mut mount = [0_i32; 2];
    let arguments = [
        HERE,
        address(path.as_c_str()),
        address(&handle),
        room(&mut mount),
        0,
    ];
    let named = sys::call(libc::SYS_name_to_handle_at, &arguments);
    if named < 0 {
        return Attempt::best([named]);
    }
    let root = sys::call(
        libc::SYS_openat,
        &[HERE, address(c"/"), bits(libc::O_DIRECTORY), 0],
    );
    let opened = sys::call(
        libc::SYS_open_by_handle_at,
        &[root.unsigned_abs(), address(&handle), 0],
    );
    match sys::descriptor(opened) {
        Some(file) => read(&file),
        None => Attempt::best([opened]),
    }
}
