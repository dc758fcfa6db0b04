//! Narrowing a session over a lane: it holds for every lane of the sandbox, handles among
//! them, and for no other sandbox; and nothing gives anything back.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "tests stop at what they did not expect"
)]

mod support;

use std::{
    io::Read,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use doorward_sandboxee::{Client, ClientError, Errno, Links, Mode, OFlags};
use support::Bench;

fn read(client: &mut Client, path: &str) -> Result<String, ClientError> {
    let file = client.open(path, OFlags::RDONLY, Mode::empty())?;
    let mut text = String::new();
    std::fs::File::from(file).read_to_string(&mut text).unwrap();
    Ok(text)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>, errno: Errno) {
    match result {
        Err(ClientError::Errno(got)) => assert_eq!(got, errno),
        other => panic!("{other:?}"),
    }
}

/// What leaves `out` alone, and hides a file of it.
fn out_alone(bench: &Bench) -> String {
    format!(
        "version = 1\n[fs]\nread = ['{0}/out/**']\nwrite = ['{0}/out/**']\nhide = ['{0}/out/file']",
        bench.root
    )
}

#[test]
fn every_lane_and_handle_of_the_sandbox_is_narrowed() {
    let (mut bench, mut neighbour) = (Bench::new(), Bench::new());
    let mut client = bench.client();
    let mut other = client.another().unwrap();
    let mut stranger = neighbour.client();
    let (file, hidden) = (bench.at("in/file"), bench.at("out/file"));
    let before = client.open(&file, OFlags::RDONLY, Mode::empty()).unwrap();
    let directory = other.directory(&bench.at("in")).unwrap();
    other.stat(directory.itself(), Links::Follow).unwrap();
    assert_eq!(read(&mut other, &hidden).unwrap(), "out");
    client.restrict(&out_alone(&bench)).unwrap();
    for client in [&mut client, &mut other] {
        refused(read(client, &file), Errno::ACCESS);
        refused(read(client, &hidden), Errno::NOENT);
        // What is made by no rule of the restriction is not made.
        let made = client.mkdir(&bench.at("out/new"), Mode::RWXU);
        refused(made, Errno::ACCESS);
        refused(client.stat("/tmp", Links::Follow), Errno::ACCESS);
    }
    refused(
        other.open(directory.at("file"), OFlags::RDONLY, Mode::empty()),
        Errno::ACCESS,
    );
    let mut late = other.another().unwrap();
    refused(read(&mut late, &file), Errno::ACCESS);
    // What was granted stays granted, and the neighbour is as it was.
    let mut text = String::new();
    std::fs::File::from(before)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "in");
    assert_eq!(read(&mut stranger, &neighbour.at("in/file")).unwrap(), "in");
}

#[test]
fn nothing_widens() {
    let mut bench = Bench::new();
    let mut client = bench.client();
    let file = bench.at("in/file");
    client.restrict(&out_alone(&bench)).unwrap();
    let wide =
        "version = 1\n[fs]\nread = ['/**']\nwrite = ['/**']\ncreate = ['/**']\nscratch = '1GiB'";
    client.restrict(wide).unwrap();
    refused(read(&mut client, &file), Errno::ACCESS);
    let globs = format!("version = 1\n[fs]\nread = [{}]", "'/*',".repeat(10_000));
    for (document, errno) in [
        ("version = 1\ninclude = ['builtin:default']", Errno::INVAL),
        ("version = 1\n[fs]\nread = ['${HOME}/**']", Errno::INVAL),
        ("not a document", Errno::INVAL),
        (globs.as_str(), Errno::NAMETOOLONG),
    ] {
        refused(client.restrict(document), errno);
        refused(read(&mut client, &file), Errno::ACCESS);
    }
    for _ in 2..16 {
        client.restrict(wide).unwrap();
    }
    refused(client.restrict(wide), Errno::NOSPC);
    refused(read(&mut client, &file), Errno::ACCESS);
}

#[test]
fn lanes_that_race_with_a_restriction() {
    for _ in 0..10 {
        let mut bench = Bench::new();
        let mut client = bench.client();
        let mut other = client.another().unwrap();
        let file = bench.at("in/file");
        let nothing = "version = 1";
        let answered = &AtomicBool::new(false);
        thread::scope(|scope| {
            let file = &file;
            let racing = scope.spawn(move || {
                let (mut before, mut after) = (0, 0);
                while after < 50 {
                    let known = answered.load(Ordering::SeqCst);
                    match read(&mut other, file) {
                        Ok(_) if known => panic!("opened after the restriction was answered"),
                        Ok(_) => before += 1,
                        Err(_) => after += u32::from(known),
                    }
                }
                before
            });
            thread::sleep(Duration::from_millis(5));
            client.restrict(nothing).unwrap();
            answered.store(true, Ordering::SeqCst);
            assert!(racing.join().unwrap() > 0, "nothing was opened before");
        });
    }
}
