//! The archive lister: it lists what tar lists, in a worker and in one process, and an archive
//! that is broken is refused without harm to those that come after.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests stop at what they did not expect"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

struct Place(tempfile::TempDir);

impl Place {
    /// With archives of every format that tar writes.
    fn new() -> Self {
        let place = Self(tempfile::tempdir_in(std::env::home_dir().unwrap()).unwrap());
        let examples = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir_all(place.at("examples")).unwrap();
        fs::copy(
            examples.join("archive.toml"),
            place.at("examples/archive.toml"),
        )
        .unwrap();
        let deep = format!("tree/{}/{}", "d".repeat(80), "e".repeat(90));
        fs::create_dir_all(place.at(&deep)).unwrap();
        fs::write(place.at(&deep).join("deep"), "deep").unwrap();
        fs::write(place.at("tree").join("n".repeat(200)), vec![1; 10_000]).unwrap();
        fs::write(place.at("tree/empty"), "").unwrap();
        fs::write(place.at("tree/esc\x1b[2J"), "text").unwrap();
        std::os::unix::fs::symlink("/etc/shadow", place.at("tree/link")).unwrap();
        for format in ["gnu", "pax", "ustar", "v7"] {
            let path = place.at(&format!("{format}.tar"));
            // The older ones leave out what they have no room for, and say so.
            let _some = Command::new("/bin/tar")
                .args(["--format", format, "-C"])
                .arg(place.at("tree"))
                .arg("-cf")
                .arg(path)
                .arg(".")
                .output()
                .unwrap();
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn list(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_archive"))
            .args(words)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        print!("{}", String::from_utf8_lossy(&output.stderr));
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }
}

#[test]
fn archives_are_listed_as_tar_lists_them() {
    let place = Place::new();
    for format in ["gnu", "ustar", "v7"] {
        let name = format!("{format}.tar");
        let (code, listed) = place.list(&[&name]);
        assert_eq!(code, Some(0), "{listed}");
        let tar = Command::new("/bin/tar")
            .args(["--quoting-style=literal", "-tf"])
            .arg(place.at(&name))
            .output()
            .unwrap();
        let due: Vec<String> = tar
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|name| !name.is_empty())
            .map(|name| name.escape_ascii().to_string())
            .collect();
        let names: Vec<&str> = listed
            .lines()
            .skip(1)
            .map(|line| line.trim_start().split_once(' ').unwrap().1)
            .collect();
        assert!(due.len() > 3);
        assert_eq!(names, due, "{format}");
        assert!(!listed.contains('\x1b'));
        assert_eq!(place.list(&["--local", &name]), (code, listed));
    }
    // A pax archive has its long names elsewhere; the sizes are there.
    let (code, listed) = place.list(&["pax.tar"]);
    assert_eq!(code, Some(0));
    assert!(listed.contains("     10000 "), "{listed}");
}

#[test]
fn a_broken_archive_is_refused_and_the_next_is_listed() {
    let place = Place::new();
    let good = fs::read(place.at("gnu.tar")).unwrap();
    let changed = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let broken: &[(&str, Vec<u8>)] = &[
        ("cut.tar", good[..700].to_vec()),
        ("short.tar", good[..100].to_vec()),
        ("checksum.tar", changed(0, b"x")),
        ("number.tar", changed(124, b"9999")),
        (
            "noise.tar",
            (0..5000_u32).map(|at| (at * 7 % 251) as u8).collect(),
        ),
        ("huge.tar", with_checksum(changed(124, &[0xff; 12]))),
        ("beyond.tar", with_checksum(changed(124, b"77777777777\0"))),
    ];
    let mut words = Vec::new();
    for (name, bytes) in broken {
        fs::write(place.at(name), bytes).unwrap();
        words.extend([*name, "gnu.tar"]);
    }
    let (code, listed) = place.list(&words);
    assert_eq!(code, Some(1), "{listed}");
    let refused = listed.matches("is refused").count();
    let cut = good.len() < 700 || listed.contains("cut.tar: is refused");
    assert!(cut && refused >= broken.len() - 1, "{listed}");
    assert_eq!(
        listed.matches("gnu.tar: ").count(),
        broken.len(),
        "{listed}"
    );
    assert_eq!(
        place.list(&[&["--local"], &words[..]].concat()),
        (code, listed)
    );
}

/// The first header's checksum set right.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}
