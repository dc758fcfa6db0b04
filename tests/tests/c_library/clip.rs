//! libavformat and libavcodec decode clips, broken ones among them, by notification and through
//! the trap front as without a sandbox, and open nothing but what the policy names, whatever a
//! clip says.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, Output},
    sync::LazyLock,
};

use doorward_tests::{Level, Tree, copied};

use crate::{Linked, built, said, sandboxed, text, workspace};

const FFMPEG: &str = "/usr/bin/ffmpeg";

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = workspace().join("examples/clip/clip.c");
    let libraries = ["libavformat", "libavcodec", "libavutil"];
    built(&source, Linked::Statically, &libraries)
});

/// A tree with the program, its policy and clips.
fn place(level: Level) -> Tree {
    let tree = Tree::new(level);
    let source = workspace().join("examples/clip");
    let policy = fs::read(source.join("clip.toml")).unwrap();
    tree.file("clip.toml", policy);
    let _program = copied(&PROGRAM, tree.work().join("clip"));
    tree.directory("clips");
    let drawn = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=duration=1:size=160x120:rate=10",
    ];
    let heard = [
        "-f",
        "lavfi",
        "-i",
        "sine=duration=1",
        "-pix_fmt",
        "yuv420p",
    ];
    for (name, coded) in [
        ("clips/whole.avi", ["-c:v", "mpeg4", "-c:a", "ac3"]),
        ("clips/whole.mkv", ["-c:v", "ffv1", "-c:a", "flac"]),
        ("clips/whole.mp4", ["-c:v", "mpeg4", "-c:a", "aac"]),
        ("elsewhere.ts", ["-c:v", "mpeg2video", "-c:a", "mp2"]),
    ] {
        let mut ffmpeg = Command::new(FFMPEG);
        let all = ffmpeg.args(["-v", "error"]).args(drawn).args(heard);
        said(all.args(coded).arg(tree.name(name)));
    }
    tree
}

/// Clips that are cut off, and changed.
fn broken(tree: &Tree) {
    let whole = fs::read(tree.name("clips/whole.avi")).unwrap();
    for part in 1..8 {
        let at = whole.len() * part / 8;
        tree.file(&format!("clips/cut-{part}.avi"), &whole[..at]);
        let mut changed = whole.clone();
        for byte in changed.iter_mut().skip(at / 8).step_by(997) {
            *byte ^= 0x5a;
        }
        tree.file(&format!("clips/changed-{part}.avi"), changed);
    }
}

fn clips(tree: &Tree) -> Vec<String> {
    let listed = fs::read_dir(tree.name("clips")).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<_> = listed
        .map(|one| format!("clips/{}", name(one.unwrap())))
        .collect();
    names.sort();
    names
}

fn natively(tree: &Tree, clips: &[String]) -> Output {
    let mut command = tree.level().command(tree.work().join("clip"));
    command.args(clips).current_dir(tree.work()).env_clear();
    command.output().unwrap()
}

/// The front of a run, and the one by which the program's own code asks then.
const FRONTS: [(&str, &str); 2] = [("notify", "notify"), ("api", "trap")];

#[test]
fn clips_are_decoded_as_without_a_sandbox() {
    for level in Level::ALL {
        let tree = place(level);
        broken(&tree);
        let clips = clips(&tree);
        assert_eq!(clips.len(), 17);
        let wanted = natively(&tree, &clips);
        let (out, err) = (text(&wanted.stdout), text(&wanted.stderr));
        assert_eq!(wanted.status.into_raw(), 256, "{level}: {out}{err}");
        for part in [
            "mpeg4 160x120, 10 frames, ",
            "ffv1 160x120, 10 frames, ",
            "flac, ",
        ] {
            assert!(out.contains(part), "{level}: {out}");
        }
        assert!(out.contains("Invalid data"), "{level}: {out}");
        for (front, _) in FRONTS {
            let output = sandboxed(&tree, front, "clip", &clips).output;
            assert_eq!(text(&output.stdout), out, "{level}, {front}: {output:?}");
            assert_eq!(output.status.code(), Some(1), "{level}, {front}");
        }
    }
}

/// A playlist is a clip to libavformat, and makes it open what it names.
#[test]
fn a_clip_that_names_another_file_gets_nothing_of_it() {
    for level in Level::ALL {
        let tree = place(level);
        let elsewhere = tree.name("elsewhere.ts");
        let list = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\n{}\n#EXT-X-ENDLIST\n",
            elsewhere.display()
        );
        tree.file("clips/list.m3u8", list);
        let clips = ["clips/list.m3u8".to_owned()];
        // The control: without a sandbox it is decoded.
        let led = text(&natively(&tree, &clips).stdout);
        assert!(
            led.starts_with("hls, ") && led.contains("mpeg2video 160x120, 10 frames"),
            "{led}"
        );
        for (front, asking) in FRONTS {
            let ran = sandboxed(&tree, front, "clip", &clips);
            let out = text(&ran.output.stdout);
            assert!(!out.contains("mpeg2video"), "{level}, {front}: {out}");
            assert!(!ran.output.status.success(), "{level}, {front}: {out}");
            let mut by = ran.fronts(&elsewhere);
            by.dedup();
            assert_eq!(by, [asking], "{level}, {front}: {:?}", ran.audit);
        }
    }
}
