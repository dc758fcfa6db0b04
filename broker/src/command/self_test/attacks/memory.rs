//! Code that comes from nowhere: memory that is written and run, programs that no rule names.

use std::os::fd::AsRawFd;

use super::{HERE, address, bits, c_path, code};
use crate::self_test::{
    attacker::Attacker,
    case::{Attempt, Case, Permitted, Sign, refused},
    sys,
};

const fn case(
    name: &'static str,
    tried: &'static str,
    ids: &'static [&'static str],
    held_by: &'static [&'static str],
    permitted: Permitted,
    attack: fn(&Attacker) -> Attempt,
) -> Case {
    Case {
        name,
        tried,
        ids,
        held_by,
        sign: Sign::Ran,
        permitted,
        attack,
    }
}

pub(in crate::self_test) const MEMORY: &[Case] = &[
    case(
        "write-and-run",
        "memory that is writable and executable at once",
        &["S-17"],
        &["mdwe"],
        Permitted::Memory,
        write_and_run,
    ),
    case(
        "made-executable",
        "memory that was written becomes executable",
        &["S-17"],
        &["mdwe"],
        Permitted::Memory,
        made_executable,
    ),
    case(
        "memory-file",
        "code in a memory file is mapped for running",
        &["S-18"],
        &["seccomp"],
        Permitted::Memory,
        memory_file,
    ),
    case(
        "shared-memory",
        "code in shared memory, written under one address and run under another",
        &["S-18"],
        &["seccomp"],
        Permitted::Memory,
        shared_memory,
    ),
    case(
        "memory-program",
        "a program in a memory file is started",
        &["S-19", "X-9"],
        &["seccomp"],
        Permitted::Program,
        memory_program,
    ),
    case(
        "readable-program",
        "a program that may be read, but no rule lets start",
        &["X-1"],
        &["broker", "landlock"],
        Permitted::Program,
        |attacker| started(attacker, "granted"),
    ),
    case(
        "program-outside",
        "a program that no rule names",
        &["X-1"],
        &["broker", "landlock"],
        Permitted::Program,
        |attacker| started(attacker, "outside"),
    ),
    case(
        "program-by-descriptor",
        "a program that may be read, by its descriptor",
        &["X-1", "X-9"],
        &["seccomp", "landlock"],
        Permitted::Program,
        by_descriptor,
    ),
];

fn run(address: u64) -> Attempt {
    Attempt::best([sys::run_code(address)])
}

fn write_and_run(_: &Attacker) -> Attempt {
    let page = code::page(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
    if page == 0 {
        return Attempt::best([-1]);
    }
    sys::write_code(page, code::FUNCTION);
    run(page)
}

fn made_executable(_: &Attacker) -> Attempt {
    let page = code::page(libc::PROT_READ | libc::PROT_WRITE);
    sys::write_code(page, code::FUNCTION);
    let protection = bits(libc::PROT_READ | libc::PROT_EXEC);
    let mut changed = sys::call(libc::SYS_mprotect, &[page, 4096, protection]);
    if changed < 0 {
        changed = sys::call(libc::SYS_pkey_mprotect, &[page, 4096, protection, u64::MAX]);
    }
    if changed < 0 {
        return Attempt::best([changed]);
    }
    run(page)
}

fn filled(content: &[u8]) -> Result<std::os::fd::OwnedFd, i64> {
    let made = sys::call(libc::SYS_memfd_create, &[address(c"code"), 0]);
    let file = sys::descriptor(made).ok_or(made)?;
    rustix::io::write(&file, content).map_err(refused)?;
    Ok(file)
}

fn memory_file(_: &Attacker) -> Attempt {
    let file = match filled(code::FUNCTION) {
        Ok(file) => file,
        Err(result) => return Attempt::best([result]),
    };
    let protection = bits(libc::PROT_READ | libc::PROT_EXEC);
    let shared = bits(libc::MAP_PRIVATE);
    let arguments = [0, 4096, protection, shared, bits(file.as_raw_fd()), 0];
    match u64::try_from(sys::call(libc::SYS_mmap, &arguments)) {
        Ok(page) => run(page),
        Err(_) => Attempt::best([-1]),
    }
}

fn shared_memory(_: &Attacker) -> Attempt {
    const RUN: u64 = 0o100_000 | 0o10_000;
    let segment = sys::call(libc::SYS_shmget, &[0, 4096, 0o700]).cast_unsigned();
    let written = sys::call(libc::SYS_shmat, &[segment, 0, 0]);
    let mapped = sys::call(libc::SYS_shmat, &[segment, 0, RUN]);
    let _gone = sys::call(libc::SYS_shmctl, &[segment, bits(libc::IPC_RMID)]);
    match (u64::try_from(written), u64::try_from(mapped)) {
        (Ok(here), Ok(there)) => {
            sys::write_code(here, code::FUNCTION);
            run(there)
        }
        _ => Attempt::best([mapped]),
    }
}

/// Comes back only when it was refused.
fn start(descriptor: u64, name: &std::ffi::CStr, flags: u64) -> Attempt {
    let words = [address(name), 0];
    let none = [0_u64];
    let arguments = [
        descriptor,
        address(name),
        address(&words),
        address(&none),
        flags,
    ];
    Attempt::best([sys::call(libc::SYS_execveat, &arguments)])
}

fn memory_program(_: &Attacker) -> Attempt {
    match filled(&code::program()) {
        Ok(file) => start(bits(file.as_raw_fd()), c"", bits(libc::AT_EMPTY_PATH)),
        Err(result) => Attempt::best([result]),
    }
}

fn started(attacker: &Attacker, below: &str) -> Attempt {
    let name = c_path(&attacker.name(below, "program"));
    let words = [address(name.as_c_str()), 0];
    let none = [0_u64];
    let arguments = [address(name.as_c_str()), address(&words), address(&none)];
    let refused = sys::call(libc::SYS_execve, &arguments);
    let again = start(HERE, name.as_c_str(), 0);
    Attempt::best([refused, again.result])
}

fn by_descriptor(attacker: &Attacker) -> Attempt {
    let path = attacker.name("granted", "program");
    match attacker.open(&path, rustix::fs::OFlags::RDONLY, 0) {
        Ok(file) => start(bits(file.as_raw_fd()), c"", bits(libc::AT_EMPTY_PATH)),
        Err(result) => Attempt::best([result]),
    }
}
