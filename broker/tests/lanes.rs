//! The api front with its own client: every operation, and what a client without a working
//! directory sees.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "tests stop at what they did not expect"
)]

mod support;

use std::{fs, io::Read, os::unix::fs::PermissionsExt, time::Instant};

use doorward_sandboxee::{
    Access, Client, ClientError, Errno, FileType, Links, Mode, OFlags, RenameFlags, TimeArgument,
};
use support::Bench;

fn text(client: &mut Client, path: &str) -> Result<String, ClientError> {
    let file = client.open(path, OFlags::RDONLY, Mode::empty())?;
    let mut text = String::new();
    fs::File::from(file).read_to_string(&mut text).unwrap();
    Ok(text)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>, errno: Errno) {
    match result {
        Err(ClientError::Errno(got)) => assert_eq!(got, errno),
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_are_opened_as_the_policy_says() {
    let mut bench = Bench::new();
    let mut client = bench.client();
    assert_eq!(text(&mut client, &bench.at("in/file")).unwrap(), "in");
    assert_eq!(text(&mut client, &bench.at("in/../in/file")).unwrap(), "in");
    refused(text(&mut client, &bench.at("shut/file")), Errno::ACCESS);
    refused(
        text(&mut client, &bench.at("in/../shut/file")),
        Errno::ACCESS,
    );
    refused(text(&mut client, &bench.at("in/none")), Errno::NOENT);
    let writing = OFlags::WRONLY;
    refused(
        client.open(&bench.at("in/file"), writing, Mode::empty()),
        Errno::ACCESS,
    );
    let new = client
        .open(
            &bench.at("out/new"),
            writing | OFlags::CREATE | OFlags::EXCL,
            Mode::from_raw_mode(0o4666),
        )
        .unwrap();
    rustix::io::write(&new, b"written").unwrap();
    assert_eq!(fs::read(bench.at("out/new")).unwrap(), b"written");
    let mode = fs::metadata(bench.at("out/new")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o7777, 0o644);
    assert!(
        rustix::io::fcntl_getfd(&new)
            .unwrap()
            .contains(rustix::io::FdFlags::CLOEXEC)
    );
    // What it can write it cannot read through the same grant.
    assert_eq!(rustix::io::read(&new, &mut [0; 1]), Err(Errno::BADF));
}

#[test]
fn every_file_operation_is_done() {
    let mut bench = Bench::new();
    let mut client = bench.client();
    let mode = Mode::from_raw_mode(0o777);
    let (dir, file) = (bench.at("out/dir"), bench.at("out/dir/file"));
    client.mkdir(&dir, mode).unwrap();
    refused(client.mkdir(&dir, mode), Errno::EXIST);
    fs::write(&file, "0123456789").unwrap();
    let stat = client.stat(&file, Links::Follow).unwrap();
    assert_eq!((stat.size, stat.mode & 0o170_000), (10, 0o100_000));
    client.truncate(&file, 4).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"0123");
    client.chmod(&file, Mode::from_raw_mode(0o4600)).unwrap();
    let permissions = fs::metadata(&file).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o7777, 0o600);
    client
        .chown(&file, Some(stat.user), None, Links::Follow)
        .unwrap();
    refused(
        client.chown(&file, Some(stat.user + 1), None, Links::Follow),
        Errno::PERM,
    );
    let past = TimeArgument::At {
        seconds: 1_000_000,
        nanoseconds: 5,
    };
    client
        .utimens(&file, [TimeArgument::Omit, past], Links::Follow)
        .unwrap();
    let stat = client.stat(&file, Links::Follow).unwrap();
    assert_eq!(stat.modified, (1_000_000, 5));
    client.access(&file, Access::READ_OK).unwrap();
    refused(
        client.access(&bench.at("in/file"), Access::WRITE_OK),
        Errno::ACCESS,
    );
    let link = bench.at("out/link");
    client.symlink(b"dir/file", link.as_str()).unwrap();
    assert_eq!(client.readlink(&link).unwrap(), b"dir/file");
    assert_eq!(
        client.stat(&link, Links::Itself).unwrap().mode & 0o170_000,
        0o120_000
    );
    let other = bench.at("out/other");
    client.link(&file, &other).unwrap();
    assert_eq!(client.stat(&file, Links::Follow).unwrap().links, 2);
    client
        .rename(&other, &bench.at("out/moved"), RenameFlags::empty())
        .unwrap();
    refused(
        client.rename(&file, &bench.at("out/moved"), RenameFlags::NOREPLACE),
        Errno::EXIST,
    );
    assert!(client.statfs(&file).unwrap().block_size > 0);
    refused(client.rmdir(&dir), Errno::NOTEMPTY);
    client.unlink(&file).unwrap();
    client.rmdir(&dir).unwrap();
    assert!(!fs::exists(&dir).unwrap());
    refused(client.unlink(&bench.at("shut/file")), Errno::ACCESS);
    assert_eq!(fs::read(bench.at("shut/file")).unwrap(), b"shut");
}

#[test]
fn directories_are_listed_and_name_what_is_in_them() {
    let mut bench = Bench::new();
    let mut client = bench.client();
    fs::create_dir(bench.at("out/sub")).unwrap();
    let mut names: Vec<_> = client
        .list(&bench.at("out"))
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name, entry.kind))
        .collect();
    names.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        names,
        [
            (b"file".to_vec(), FileType::RegularFile),
            (b"sub".to_vec(), FileType::Directory)
        ]
    );
    refused(client.list(&bench.at("shut")), Errno::ACCESS);
    let out = client.directory(&bench.at("out")).unwrap();
    let file = client.open(out.at("file"), OFlags::RDONLY, Mode::empty());
    assert!(file.is_ok());
    refused(
        client.open(out.at("../shut/file"), OFlags::RDONLY, Mode::empty()),
        Errno::ACCESS,
    );
    let sub = client.directory(out.at("sub")).unwrap();
    client.mkdir(sub.at("below"), Mode::RWXU).unwrap();
    client
        .rename(sub.at("below"), out.at("beside"), RenameFlags::empty())
        .unwrap();
    assert!(fs::exists(bench.at("out/beside")).unwrap());
    assert_eq!(client.list(out.at(".")).unwrap().len(), 3);
    assert_eq!(out.list().unwrap().len(), 3);
    assert_eq!(out.list().unwrap().len(), 3);
    let itself = client.stat(out.itself(), Links::Follow).unwrap();
    assert_eq!(itself.mode & 0o170_000, 0o040_000);
    // The control: below the broker there is but the sandboxee's filter to stop this.
    let escape = rustix::fs::openat(&out, "../shut/file", OFlags::RDONLY, Mode::empty());
    assert!(escape.is_ok(), "{escape:?}");
    client.forget(sub).unwrap();
    let gone = client.directory(out.at("sub")).unwrap();
    let mut other = client.another().unwrap();
    refused(
        other.open(out.at("file"), OFlags::RDONLY, Mode::empty()),
        Errno::BADF,
    );
    refused(other.forget(gone), Errno::BADF);
}

/// A handle means the object; it is judged by the name that this has now.
#[test]
fn a_directory_that_was_moved_is_judged_by_its_new_name() {
    let mut bench = Bench::new();
    let mut client = bench.client();
    fs::create_dir(bench.at("out/sub")).unwrap();
    fs::write(bench.at("out/sub/x"), "x").unwrap();
    let sub = client.directory(&bench.at("out/sub")).unwrap();
    let open = |client: &mut Client| client.open(sub.at("x"), OFlags::RDONLY, Mode::empty());
    assert!(open(&mut client).is_ok());
    fs::rename(bench.at("out/sub"), bench.at("in/sub")).unwrap();
    assert!(open(&mut client).is_ok());
    refused(client.unlink(sub.at("x")), Errno::ACCESS);
    fs::rename(bench.at("in/sub"), bench.at("shut/sub")).unwrap();
    refused(open(&mut client), Errno::ACCESS);
    assert!(fs::exists(bench.at("shut/sub/x")).unwrap());
}

#[test]
fn what_needs_a_process_is_not_there() {
    let mut bench = Bench::new();
    let mut client = bench.client();
    let mut open = |path: &str| client.open(path, OFlags::RDONLY, Mode::empty());
    refused(open("in/file"), Errno::NOENT);
    refused(open("/proc/self/status"), Errno::NOENT);
    refused(open("/dev/fd/0"), Errno::BADF);
    refused(open("/proc/1/status"), Errno::ACCESS);
    let own = format!("/proc/{}/status", std::process::id());
    refused(open(&own), Errno::ACCESS);
    refused(client.readlink("/proc/self"), Errno::NOENT);
    refused(client.spawn("/usr/bin/true", &[]), Errno::ACCESS);
    let connected = client.connect(&"127.0.0.1:9".parse().unwrap());
    assert!(matches!(connected, Err(ClientError::Errno(_))));
}

#[test]
fn the_scratch_is_private() {
    let mut bench = Bench::new();
    let mut client = bench.client();
    let flags = OFlags::WRONLY | OFlags::CREATE;
    client
        .open("/tmp/doorward-lane", flags, Mode::RWXU)
        .unwrap();
    assert!(fs::exists(bench.at(".scratch/doorward-lane")).unwrap());
    assert!(!fs::exists("/tmp/doorward-lane").unwrap());
}

/// A FIFO without a writer waits on a worker; the lanes beside it go on, and closing its
/// lane gives it up.
#[test]
fn what_waits_delays_nobody_else() {
    let mut bench = Bench::new();
    let fifo = bench.at("out/fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fifo.as_str(),
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    let mut client = bench.client();
    let mut waiting = client.another().unwrap();
    let path = fifo.clone();
    let reader = std::thread::spawn(move || {
        let file = waiting.open(&path, OFlags::RDONLY, Mode::empty())?;
        let mut text = String::new();
        fs::File::from(file).read_to_string(&mut text).unwrap();
        Ok::<_, ClientError>(text)
    });
    let started = Instant::now();
    for _ in 0..200 {
        assert_eq!(text(&mut client, &bench.at("in/file")).unwrap(), "in");
    }
    assert!(started.elapsed().as_secs() < 5);
    let writer = client.open(&fifo, OFlags::WRONLY, Mode::empty()).unwrap();
    rustix::io::write(&writer, b"through").unwrap();
    drop(writer);
    assert_eq!(reader.join().unwrap().unwrap(), "through");
}

/// I-19: each reply, and the descriptor with it, belongs to its request.
#[test]
fn many_threads_each_get_what_they_asked_for() {
    const THREADS: usize = 64;
    const ROUNDS: usize = 60;
    let mut bench = Bench::new();
    for number in 0..THREADS {
        let name = format!("in/canary-{number}");
        fs::write(bench.at(&name), format!("canary {number}")).unwrap();
    }
    let mut first = bench.client();
    let clients: Vec<_> = (0..THREADS).map(|_| first.another().unwrap()).collect();
    std::thread::scope(|scope| {
        for (number, mut client) in clients.into_iter().enumerate() {
            let path = bench.at(&format!("in/canary-{number}"));
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    assert_eq!(
                        text(&mut client, &path).unwrap(),
                        format!("canary {number}")
                    );
                    if round % 10 == 0 {
                        let directory = path.rsplit_once('/').unwrap().0;
                        let handle = client.directory(directory).unwrap();
                        let name = format!("canary-{number}");
                        let stat = client.stat(handle.at(&name), Links::Follow).unwrap();
                        assert_eq!(stat.size, format!("canary {number}").len() as u64);
                        client.forget(handle).unwrap();
                    }
                }
            });
        }
    });
    drop(first);
    let report = bench.ended();
    assert_eq!(report.lanes, THREADS as u64 + 1);
    assert!(report.served >= (THREADS * ROUNDS) as u64);
    assert!(report.violations.is_empty(), "{report:?}");
}

#[test]
fn lanes_and_directories_are_bounded() {
    let mut bench = Bench::new();
    let mut first = bench.client();
    let mut directories = Vec::new();
    let full = loop {
        match first.directory(&bench.at("in")) {
            Ok(directory) => directories.push(directory),
            Err(error) => break error,
        }
        assert!(directories.len() < 1000);
    };
    assert_eq!(full, ClientError::Errno(Errno::MFILE));
    assert_eq!(directories.len(), 256);
    first.forget(directories.pop().unwrap()).unwrap();
    directories.push(first.directory(&bench.at("in")).unwrap());
    drop(directories);
    drop(first);
    assert_eq!(bench.ended().lanes, 1);
}

#[test]
fn stopping_ends_every_lane() {
    let mut bench = Bench::new();
    let mut client = bench.client();
    let mut other = client.another().unwrap();
    bench.stop();
    let path = bench.at("in/file");
    assert_eq!(text(&mut client, &path), Err(ClientError::Gone));
    assert_eq!(text(&mut other, &path), Err(ClientError::Gone));
    assert_eq!(text(&mut other, &path), Err(ClientError::Gone));
}

#[test]
fn requests_beyond_the_rate_are_delayed() {
    let taken = |more: &str| {
        let mut bench = Bench::with(more);
        let mut client = bench.client();
        let started = Instant::now();
        for _ in 0..80 {
            client.stat(&bench.at("in/file"), Links::Follow).unwrap();
        }
        drop(client);
        assert_eq!(bench.ended().served, 80);
        started.elapsed().as_millis()
    };
    // A tenth of a second's worth is taken at once.
    let slow = taken("[limits]\nrequests_per_second = 100\n");
    assert!((650..2000).contains(&slow), "{slow} ms");
    let fast = taken("");
    assert!(fast < 400, "{fast} ms");
}

#[test]
fn a_delay_does_not_outlive_the_order_to_stop() {
    let mut bench = Bench::with("[limits]\nrequests_per_second = 1\n");
    let mut client = bench.client();
    let name = bench.at("in/file");
    let asks = std::thread::spawn(move || while client.stat(&name, Links::Follow).is_ok() {});
    std::thread::sleep(std::time::Duration::from_millis(200));
    let started = Instant::now();
    bench.stop();
    assert!(started.elapsed().as_millis() < 500);
    asks.join().unwrap();
}
