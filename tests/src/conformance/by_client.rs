//! Cases through `api`.

use std::time::Duration;

use doorward_sandboxee::{Client, Errno, Links, Mode, OFlags, TimeArgument};
use rustix::process::{getgid, getuid};

use super::{
    Ask, Asked, Case, Setting,
    outcome::{granted, of_client},
    trees,
};

const TIMES: [TimeArgument; 2] = [
    TimeArgument::At {
        seconds: 1_000_000_000,
        nanoseconds: 5,
    },
    TimeArgument::At {
        seconds: 1_100_000_000,
        nanoseconds: 7,
    },
];

/// Asks by the typed client.
pub fn by_client(client: &mut Client, setting: &Setting, case: Case) -> Asked {
    let name = setting.name(case.tree, case.name);
    let name = name.as_str();
    let (new, other) = (
        setting.name(case.tree, "rw/new"),
        setting.name(case.tree, "rw/other"),
    );
    let done = |answer| of_client(answer).map(|()| "done".to_owned());
    match case.ask {
        Ask::Open(flags) => {
            let mode = Mode::from_raw_mode(0o640);
            of_client(client.open(name, flags, mode)).map(|file| granted(&file))
        }
        Ask::Stat(links) => of_client(client.stat(name, links)).map(|stat| {
            let size = stat.size;
            format!(
                "{:o} {} {} {} {size} {}",
                stat.mode, stat.links, stat.user, stat.group, stat.block_size
            )
        }),
        Ask::Access(access) => done(client.access(name, access)),
        Ask::Readlink => of_client(client.readlink(name))
            .map(|target| String::from_utf8_lossy(&target).into_owned()),
        Ask::Mkdir => done(client.mkdir(name, Mode::from_raw_mode(0o777))),
        Ask::Rmdir => done(client.rmdir(name)),
        Ask::Unlink => done(client.unlink(name)),
        Ask::RenameFrom(flags) => done(client.rename(name, &new, flags)),
        Ask::RenameTo(flags) => done(client.rename(&other, name, flags)),
        Ask::LinkFrom => done(client.link(name, &new)),
        Ask::LinkTo => done(client.link(&other, name)),
        Ask::Symlink(target) => done(client.symlink(target.as_bytes(), name)),
        Ask::Chmod(mode) => done(client.chmod(name, Mode::from_raw_mode(mode))),
        Ask::Chown(links, more) => {
            let user = Some(getuid().as_raw() + more);
            let group = Some(getgid().as_raw() + more);
            done(client.chown(name, user, group, links))
        }
        Ask::Utimens(links) => done(client.utimens(name, TIMES, links)),
        Ask::Truncate(length) => done(client.truncate(name, length)),
        Ask::Statfs => of_client(client.statfs(name)).map(|stat| {
            format!(
                "{:x} {} {} {:x}",
                stat.magic, stat.block_size, stat.name_length, stat.flags
            )
        }),
        Ask::Connect(last) => {
            of_client(client.connect(&setting.address(last))).map(|_| "connected".to_owned())
        }
        Ask::ConnectUnix => {
            of_client(client.connect_unix(name.as_bytes())).map(|_| "connected".to_owned())
        }
    }
}

/// The rows that `api` alone has: what each answered.
pub fn programs(client: &mut Client, setting: &Setting) -> Vec<(&'static str, Asked)> {
    let wait = Duration::from_secs(5);
    let mut answers = Vec::new();
    let spawned = of_client(client.spawn("/usr/bin/true", &[b"--version"]));
    let ended = spawned.map(|program| of_client(client.wait(program, wait)));
    answers.push(("spawn", spawned.map(|_| "started".to_owned())));
    answers.push((
        "wait",
        ended.and_then(|ended| ended.map(|status| format!("{status:?}"))),
    ));
    let wrong = of_client(client.spawn("/usr/bin/true", &[b"--help"]));
    answers.push(("spawn, wrong arguments", wrong.map(|_| String::new())));
    let stranger = of_client(client.spawn("/usr/bin/false", &[]));
    answers.push(("spawn, no rule", stranger.map(|_| String::new())));
    let tree = setting.name(trees(), "rw/directory");
    let forgotten = of_client(client.directory(&tree)).and_then(|directory| {
        of_client(client.stat(directory.itself(), Links::Follow))?;
        of_client(client.forget(directory)).map(|()| "forgotten".to_owned())
    });
    answers.push(("forget", forgotten));
    let lane = of_client(client.another()).and_then(|mut another| {
        let file = setting.name(trees(), "rw/file");
        of_client(another.open(&file, OFlags::RDONLY, Mode::empty())).map(|file| granted(&file))
    });
    answers.push(("lane", lane));
    answers.push((
        "execve of what is spawned",
        Err(Errno::from_raw_os_error(exec("/usr/bin/true"))),
    ));
    answers
}

/// The errno of an execve(2) that fails.
fn exec(program: &str) -> i32 {
    let program = std::ffi::CString::new(program).unwrap();
    let Err(errno) = nix::unistd::execv(&program, &[&program, &c"--version".to_owned()]);
    errno as i32
}
