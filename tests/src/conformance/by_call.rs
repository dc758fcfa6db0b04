//! Cases through `notify` and `trap`: plain system calls, which the filter hands to the broker,
//! or to what asks it.

use doorward_sandboxee::{Errno, Links};
use rustix::{
    fs::{AtFlags, CWD, Mode, Timestamps, inotify},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
    process::{getgid, getuid},
    time::Timespec,
};

use super::{Ask, Asked, Case, Setting, outcome::granted, trees};

const TIMES: Timestamps = Timestamps {
    last_access: Timespec {
        tv_sec: 1_000_000_000,
        tv_nsec: 5,
    },
    last_modification: Timespec {
        tv_sec: 1_100_000_000,
        tv_nsec: 7,
    },
};

fn at(links: Links) -> AtFlags {
    match links {
        Links::Follow => AtFlags::empty(),
        Links::Itself => AtFlags::SYMLINK_NOFOLLOW,
    }
}

/// Asks by system calls.
pub fn by_call(setting: &Setting, case: Case) -> Asked {
    use rustix::fs;
    let name = setting.name(case.tree, case.name);
    let name = name.as_str();
    let (new, other) = (
        setting.name(case.tree, "rw/new"),
        setting.name(case.tree, "rw/other"),
    );
    let done = |answer: Result<(), Errno>| answer.map(|()| "done".to_owned());
    match case.ask {
        Ask::Open(flags) => {
            let flags = flags | fs::OFlags::CLOEXEC;
            fs::openat(CWD, name, flags, Mode::from_raw_mode(0o640)).map(|file| granted(&file))
        }
        Ask::Stat(links) => fs::statat(CWD, name, at(links)).map(|stat| {
            let size = stat.st_size;
            format!(
                "{:o} {} {} {} {size} {}",
                stat.st_mode, stat.st_nlink, stat.st_uid, stat.st_gid, stat.st_blksize
            )
        }),
        Ask::Access(access) => done(fs::accessat(CWD, name, access, AtFlags::empty())),
        Ask::Readlink => fs::readlinkat(CWD, name, Vec::new())
            .map(|target| target.to_string_lossy().into_owned()),
        Ask::Mkdir => done(fs::mkdirat(CWD, name, Mode::from_raw_mode(0o777))),
        Ask::Rmdir => done(fs::unlinkat(CWD, name, AtFlags::REMOVEDIR)),
        Ask::Unlink => done(fs::unlinkat(CWD, name, AtFlags::empty())),
        Ask::RenameFrom(flags) => done(fs::renameat_with(CWD, name, CWD, &new, flags)),
        Ask::RenameTo(flags) => done(fs::renameat_with(CWD, &other, CWD, name, flags)),
        Ask::LinkFrom => done(fs::linkat(CWD, name, CWD, &new, AtFlags::empty())),
        Ask::LinkTo => done(fs::linkat(CWD, &other, CWD, name, AtFlags::empty())),
        Ask::Symlink(target) => done(fs::symlinkat(target, CWD, name)),
        Ask::Chmod(mode) => done(fs::chmodat(
            CWD,
            name,
            Mode::from_raw_mode(mode),
            AtFlags::empty(),
        )),
        Ask::Chown(links, more) => {
            let user = fs::Uid::from_raw(getuid().as_raw() + more);
            let group = fs::Gid::from_raw(getgid().as_raw() + more);
            done(fs::chownat(CWD, name, Some(user), Some(group), at(links)))
        }
        Ask::Utimens(links) => done(fs::utimensat(CWD, name, &TIMES, at(links))),
        Ask::Truncate(length) => {
            let length = i64::try_from(length).unwrap();
            let answer = nix::unistd::truncate(name, length);
            done(answer.map_err(|errno| Errno::from_raw_os_error(errno as i32)))
        }
        Ask::Statfs => fs::statfs(name).map(|stat| {
            format!(
                "{:x} {} {} {:x}",
                stat.f_type, stat.f_bsize, stat.f_namelen, stat.f_flags
            )
        }),
        Ask::Connect(last) => connect(AddressFamily::INET, &setting.address(last)),
        Ask::ConnectUnix => {
            let address = SocketAddrUnix::new(name)?;
            connect(AddressFamily::UNIX, &address)
        }
    }
}

fn connect(family: AddressFamily, address: &impl rustix::net::addr::SocketAddrArg) -> Asked {
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::connect(&socket, address).map(|()| "connected".to_owned())
}

/// The rows that system calls alone have: what each answered.
#[must_use]
pub fn after(setting: &Setting) -> Vec<(&'static str, Asked)> {
    use rustix::fs;
    let name = |name: &str| setting.name(trees(), name);
    let done = |answer: Result<(), Errno>| answer.map(|()| "done".to_owned());
    let lock = |name: String| {
        let file = fs::openat(CWD, &name, fs::OFlags::RDWR, Mode::empty())?;
        fs::flock(&file, fs::FlockOperation::NonBlockingLockExclusive)
    };
    let watch = |name: String| {
        let watcher = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watcher, &name, inotify::WatchFlags::MODIFY).map(drop)
    };
    let here =
        |_| rustix::process::getcwd(Vec::new()).map(|name| name.to_string_lossy().into_owned());
    let socket =
        |family| rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let bound = |port: u16| {
        let any = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port));
        socket(AddressFamily::INET).and_then(|socket| rustix::net::bind(&socket, &any))
    };
    vec![
        ("chdir", done(rustix::process::chdir(name("rw/directory")))),
        ("chdir, no rule", done(rustix::process::chdir(name("out")))),
        ("getcwd", Ok(()).and_then(here)),
        ("lock", done(lock(name("rw/file")))),
        ("watch", done(watch(name("rw/file")))),
        ("watch, no rule", done(watch(name("out/file")))),
        (
            "socket",
            socket(AddressFamily::INET).map(|socket| granted(&socket)),
        ),
        ("bind", done(bound(0))),
        (
            "listen",
            done(socket(AddressFamily::INET).and_then(|socket| rustix::net::listen(&socket, 1))),
        ),
        ("exec", Err(exec("/usr/bin/false"))),
    ]
}

/// The errno of an execve(2) that no rule allows.
fn exec(program: &str) -> Errno {
    let program = std::ffi::CString::new(program).unwrap();
    let Err(errno) = nix::unistd::execv(&program, &[&program]);
    Errno::from_raw_os_error(errno as i32)
}
