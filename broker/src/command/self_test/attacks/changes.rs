//! Changing what no rule gives for writing.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, RenameFlags};

use super::{HERE, address, bits, c_path};
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
    attack: fn(&Attacker) -> Attempt,
) -> Case {
    Case {
        name,
        tried,
        ids,
        held_by,
        sign: Sign::Changed,
        permitted: Permitted::Write,
        attack,
    }
}

const BROKER: &[&str] = &["broker", "landlock"];

pub(in crate::self_test) const CHANGES: &[Case] = &[
    case(
        "write",
        "a file granted for reading, opened for writing or cut by opening",
        &["P-40"],
        BROKER,
        write,
    ),
    case(
        "truncate",
        "a file outside is cut by its name",
        &["P-40"],
        BROKER,
        truncate,
    ),
    case(
        "unlink",
        "a file outside is removed",
        &["P-40", "P-33"],
        BROKER,
        unlink,
    ),
    case(
        "rename",
        "a file outside is replaced, or taken away",
        &["P-40"],
        BROKER,
        rename,
    ),
    case(
        "make",
        "directory, link and file are made outside",
        &["P-40", "P-34"],
        BROKER,
        make,
    ),
    case(
        "bound-name",
        "a socket outside is given a name",
        &["N-23"],
        &["broker", "landlock"],
        bound_name,
    ),
    case(
        "attributes",
        "mode, owner and times of a file outside",
        &["S-35"],
        &["broker", "mount namespace"],
        attributes,
    ),
    case(
        "dangling-link",
        "a file outside is made through a link that leads to nothing yet",
        &["P-18"],
        BROKER,
        |attacker| made(attacker, &attacker.name("rw", "dangling")),
    ),
    case(
        "hard-link",
        "a second name, in a writable directory, for a file outside",
        &["P-12"],
        BROKER,
        hard_link,
    ),
    case(
        "nameless-file",
        "a file without a name gets one outside",
        &["P-22"],
        BROKER,
        nameless_file,
    ),
    case(
        "wider-descriptor",
        "a descriptor for reading is opened again for writing",
        &["P-29"],
        &["broker", "mount namespace", "landlock"],
        wider_descriptor,
    ),
    case(
        "read-only-descriptor",
        "mode, times and attributes by a descriptor for reading",
        &["S-35"],
        &["seccomp"],
        read_only_descriptor,
    ),
    Case {
        name: "set-id-file",
        tried: "a file with set-user-id bits is made",
        ids: &["P-19"],
        held_by: &["broker", "mount namespace"],
        sign: Sign::SetId,
        permitted: Permitted::Write,
        attack: set_id_file,
    },
    Case {
        name: "escaping-link",
        tried: "a link is made, in a writable directory, that leads others out",
        ids: &["P-34"],
        held_by: &["broker", "landlock"],
        sign: Sign::Escaping,
        permitted: Permitted::Write,
        attack: escaping_link,
    },
    Case {
        name: "device",
        tried: "a device is made in a writable directory",
        ids: &["P-14"],
        held_by: &["seccomp", "capabilities"],
        sign: Sign::Done,
        permitted: Permitted::Write,
        attack: device,
    },
];

fn opened(opened: Result<OwnedFd, i64>, act: impl FnOnce(&OwnedFd)) -> i64 {
    match opened {
        Ok(file) => {
            act(&file);
            0
        }
        Err(result) => result,
    }
}

fn overwrite(file: &OwnedFd) {
    let _refused = rustix::io::write(file, b"overwritten");
}

fn write(attacker: &Attacker) -> Attempt {
    let path = attacker.name("granted", "secret");
    let flags = [
        OFlags::WRONLY,
        OFlags::RDWR,
        OFlags::RDONLY | OFlags::TRUNC,
        OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND,
    ];
    Attempt::best(flags.map(|flags| opened(attacker.open(&path, flags, 0o644), overwrite)))
}

fn made(attacker: &Attacker, path: &std::path::Path) -> Attempt {
    let flags = OFlags::WRONLY | OFlags::CREATE;
    Attempt::best([opened(attacker.open(path, flags, 0o644), overwrite)])
}

fn truncate(attacker: &Attacker) -> Attempt {
    let path = attacker.name("outside", "secret");
    let name = c_path(&path);
    Attempt::best([
        sys::call(libc::SYS_truncate, &[address(name.as_c_str()), 1]),
        attacker.ask(|client| client.truncate(path.as_path(), 1)),
    ])
}

fn unlink(attacker: &Attacker) -> Attempt {
    let path = attacker.name("outside", "secret");
    let name = c_path(&path);
    Attempt::best([
        sys::call(libc::SYS_unlinkat, &[HERE, address(name.as_c_str()), 0]),
        attacker.ask(|client| client.unlink(path.as_path())),
    ])
}

fn rename(attacker: &Attacker) -> Attempt {
    const EXCHANGE: u64 = 2;
    let (outside, ours) = (
        attacker.name("outside", "secret"),
        attacker.name("rw", "ours"),
    );
    let _made = made(attacker, &ours);
    let (from, to) = (c_path(&ours), c_path(&outside));
    let (from, to) = (address(from.as_c_str()), address(to.as_c_str()));
    Attempt::best([
        sys::call(libc::SYS_renameat2, &[HERE, from, HERE, to, EXCHANGE]),
        sys::call(libc::SYS_renameat2, &[HERE, from, HERE, to, 0]),
        sys::call(libc::SYS_renameat2, &[HERE, to, HERE, from, 0]),
        attacker
            .ask(|client| client.rename(ours.as_path(), outside.as_path(), RenameFlags::empty())),
        attacker
            .ask(|client| client.rename(outside.as_path(), ours.as_path(), RenameFlags::empty())),
    ])
}

fn make(attacker: &Attacker) -> Attempt {
    let path = attacker.name("outside", "new");
    let name = c_path(&path);
    let place = address(name.as_c_str());
    let mut results = vec![
        sys::call(libc::SYS_mkdirat, &[HERE, place, 0o755]),
        sys::call(libc::SYS_symlinkat, &[address(c"/"), HERE, place]),
        attacker.ask(|client| client.mkdir(path.as_path(), Mode::RWXU)),
        attacker.ask(|client| client.symlink(b"/", path.as_path())),
    ];
    let mode = u64::from(libc::S_IFIFO | 0o644);
    results.push(sys::call(libc::SYS_mknodat, &[HERE, place, mode, 0]));
    let from = c_path(&attacker.name("outside", "secret"));
    let arguments = [HERE, address(from.as_c_str()), HERE, place, 0];
    results.push(sys::call(libc::SYS_linkat, &arguments));
    results.push(made(attacker, &path).result);
    Attempt::best(results)
}

fn bound_name(attacker: &Attacker) -> Attempt {
    let path = attacker.name("outside", "new");
    let bound = rustix::net::SocketAddrUnix::new(path.as_path()).and_then(|name| {
        let family = rustix::net::AddressFamily::UNIX;
        let socket = rustix::net::socket(family, rustix::net::SocketType::STREAM, None)?;
        rustix::net::bind(&socket, &name)
    });
    Attempt::best([bound.map_or_else(refused, |()| 0)])
}

fn escaping_link(attacker: &Attacker) -> Attempt {
    let (ours, to) = (
        attacker.name("rw", "escaping"),
        attacker.name("outside", "secret"),
    );
    let (name, target) = (c_path(&ours), c_path(&to));
    let arguments = [address(target.as_c_str()), HERE, address(name.as_c_str())];
    Attempt::best([
        sys::call(libc::SYS_symlinkat, &arguments),
        attacker.ask(|client| client.symlink(target.to_bytes(), ours.as_path())),
    ])
}

fn attributes(attacker: &Attacker) -> Attempt {
    let path = attacker.name("outside", "secret");
    let name = c_path(&path);
    let place = address(name.as_c_str());
    Attempt::best([
        sys::call(libc::SYS_fchmodat, &[HERE, place, 0o777]),
        sys::call(libc::SYS_utimensat, &[HERE, place, 0, 0]),
        sys::call(libc::SYS_fchownat, &[HERE, place, 1, 1, 0]),
        attacker.ask(|client| client.chmod(path.as_path(), Mode::RWXU)),
    ])
}

fn hard_link(attacker: &Attacker) -> Attempt {
    let (outside, ours) = (
        attacker.name("outside", "secret"),
        attacker.name("rw", "alias"),
    );
    let (from, to) = (c_path(&outside), c_path(&ours));
    let arguments = [
        HERE,
        address(from.as_c_str()),
        HERE,
        address(to.as_c_str()),
        0,
    ];
    Attempt::best([sys::call(libc::SYS_linkat, &arguments)])
}

fn nameless_file(attacker: &Attacker) -> Attempt {
    let flags = OFlags::TMPFILE | OFlags::WRONLY;
    let file = match attacker.open(&attacker.name("rw", ""), flags, 0o644) {
        Ok(file) => file,
        Err(result) => return Attempt::best([result]),
    };
    let to = c_path(&attacker.name("outside", "new"));
    let own = c_path(format!("/proc/self/fd/{}", file.as_raw_fd()).as_ref());
    let (own, to) = (address(own.as_c_str()), address(to.as_c_str()));
    let number = bits(file.as_raw_fd());
    Attempt::best([
        sys::call(
            libc::SYS_linkat,
            &[number, address(c""), HERE, to, bits(libc::AT_EMPTY_PATH)],
        ),
        sys::call(
            libc::SYS_linkat,
            &[HERE, own, HERE, to, bits(libc::AT_SYMLINK_FOLLOW)],
        ),
    ])
}

fn wider_descriptor(attacker: &Attacker) -> Attempt {
    let path = attacker.name("granted", "secret");
    let file = match attacker.open(&path, OFlags::RDONLY, 0) {
        Ok(file) => file,
        Err(result) => return Attempt::best([result]),
    };
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    let again = attacker.open(own.as_ref(), OFlags::RDWR, 0);
    let written = rustix::io::write(&file, b"overwritten");
    Attempt::best([
        opened(again, overwrite),
        if written.is_ok() { 0 } else { -1 },
    ])
}

fn read_only_descriptor(attacker: &Attacker) -> Attempt {
    const SET_FLAGS: u64 = 0x4008_6602;
    let path = attacker.name("granted", "secret");
    let file = match attacker.open(&path, OFlags::RDONLY, 0) {
        Ok(file) => file,
        Err(result) => return Attempt::best([result]),
    };
    let number = bits(file.as_raw_fd());
    let (name, value, flags) = (c"user.doorward", [1_u8; 4], [0x80_u64]);
    Attempt::best([
        sys::call(libc::SYS_fchmod, &[number, 0o777]),
        sys::call(libc::SYS_utimensat, &[number, 0, 0, 0]),
        sys::call(
            libc::SYS_fsetxattr,
            &[number, address(name), address(&value), 4, 0],
        ),
        sys::call(libc::SYS_ioctl, &[number, SET_FLAGS, address(&flags)]),
    ])
}

fn set_id_file(attacker: &Attacker) -> Attempt {
    let path = attacker.name("rw", "set-id");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let made = attacker.open(&path, flags, 0o6755);
    let chmod = attacker.ask(|client| client.chmod(path.as_path(), Mode::from_raw_mode(0o6755)));
    let name = c_path(&path);
    let arguments = [HERE, address(name.as_c_str()), 0o6755];
    let direct = sys::call(libc::SYS_fchmodat, &arguments);
    Attempt::best([opened(made, |_| ()), chmod, direct])
}

fn device(attacker: &Attacker) -> Attempt {
    const NULL: u64 = 0x103;
    let name = c_path(&attacker.name("rw", "device"));
    let mode = u64::from(libc::S_IFCHR | 0o666);
    let arguments = [HERE, address(name.as_c_str()), mode, NULL];
    Attempt::best([sys::call(libc::SYS_mknodat, &arguments)])
}
