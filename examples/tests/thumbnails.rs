//! Thumbnails: libpng opens and decodes in its workers what it does in one process, corrupt files
//! among them, and opens nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at what they did not expect"
)]

mod home;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    os::unix::fs::{chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use home::Home;
use nix::pty::openpty;

/// Makes pictures of every colour type.
const MAKE: &str = include_str!("pictures.py");

/// A directory of a user's, with pictures in it.
struct Place {
    home: Home,
}

impl Place {
    fn new(account: &str) -> Self {
        let home = Home::new(account, "doorward-thumbnails-");
        let ids = (Some(home.user.uid.as_raw()), Some(home.user.gid.as_raw()));
        chown(home.at(""), ids.0, ids.1).unwrap();
        let place = Self { home };
        fs::create_dir_all(place.pictures()).unwrap();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::copy(
            examples.join("pictures/door.png"),
            place.pictures().join("door.png"),
        )
        .unwrap();
        // The build may lie where only root finds it.
        fs::copy(env!("CARGO_BIN_EXE_thumbnails"), place.at("thumbnails")).unwrap();
        let made = Command::new("/usr/bin/python3")
            .args(["-c", MAKE])
            .current_dir(place.at(""))
            .status();
        assert!(made.unwrap().success());
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.at(name)
    }

    fn pictures(&self) -> PathBuf {
        self.at("examples/pictures")
    }

    /// Pictures that are cut off, and changed. How many.
    fn corrupt(&self) -> usize {
        let whole = fs::read(self.pictures().join("door.png")).unwrap();
        let cuts = (0..whole.len())
            .step_by(97)
            .map(|cut| whole[..cut].to_vec());
        let changes = (0..whole.len()).step_by(61).map(|at| {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            changed
        });
        let all: Vec<_> = cuts.chain(changes).collect();
        for (number, bytes) in all.iter().enumerate() {
            fs::write(self.pictures().join(format!("corrupt-{number}.png")), bytes).unwrap();
        }
        all.len()
    }

    fn command(&self, flags: &[&str], to: &str) -> Command {
        let mut command = self.home.command(self.at("thumbnails"));
        command.args(flags).args(["examples/pictures", to]);
        command
    }

    fn run(&self, flags: &[&str], to: &str) -> Output {
        self.command(flags, to).output().unwrap()
    }

    /// What was written, by name.
    fn made(&self, to: &str) -> BTreeMap<String, Vec<u8>> {
        let entry = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        };
        let entries = fs::read_dir(self.at(to)).unwrap();
        entries.map(|one| entry(one.unwrap())).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn everywhere(test: impl Fn(&Place)) {
    for account in ["root", "doorward-ci"] {
        test(&Place::new(account));
    }
}

#[test]
fn workers_make_what_one_process_makes_of_whole_and_corrupt_files() {
    everywhere(|place| {
        let corrupt = place.corrupt();
        let natively = place.run(&["--native"], "native");
        assert_eq!(natively.status.code(), Some(1), "{natively:?}");
        let wanted = place.made("native");
        assert!(wanted["door.ppm"].starts_with(b"P6\n72 96\n255\n"));
        assert!(wanted["colour-alpha.ppm"].starts_with(b"P6\n96 72\n255\n"));
        // Of a file that is cut or changed nothing is made, unless libpng can do with it.
        assert!(
            wanted.len() >= 8 && wanted.len() < 8 + corrupt,
            "{}",
            wanted.len()
        );
        for (flags, to) in [(&[][..], "warm"), (&["--fresh"][..], "fresh")] {
            let output = place.run(flags, to);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert_eq!(text(&output.stderr), text(&natively.stderr), "{to}");
            assert_eq!(text(&output.stdout), text(&natively.stdout), "{to}");
            assert!(place.made(to) == wanted, "{to}: other thumbnails");
        }
    });
}

#[test]
fn a_picture_elsewhere_is_not_opened() {
    everywhere(|place| {
        let beside = place.at("beside.png");
        fs::copy(place.pictures().join("door.png"), &beside).unwrap();
        symlink(&beside, place.pictures().join("link.png")).unwrap();
        let inside = place.run(&[], "inside");
        assert_eq!(inside.status.code(), Some(1), "{inside:?}");
        assert!(
            text(&inside.stderr).contains("link.png: is no picture: libpng: Permission denied")
        );
        assert_eq!(text(&inside.stdout), "9 pictures, 1 broken\n");
        // The control: it is a picture, and can be opened.
        let natively = place.run(&["--native"], "native");
        assert!(natively.status.success(), "{natively:?}");
        assert!(place.made("native").contains_key("link.ppm"));
    });
}

#[test]
fn progress_is_shown_on_a_terminal() {
    let place = Place::new("doorward-ci");
    let pair = openpty(None, None).unwrap();
    let mut command = place.command(&[], "shown");
    let mut child = command
        .stderr(Stdio::from(pair.slave))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    drop(command);
    let mut shown = Vec::new();
    // The terminal hangs up when its last writer has ended: EIO.
    let _hung_up = File::from(pair.master).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    let shown = text(&shown);
    assert_eq!(shown.matches('\r').count(), 9, "{shown:?}");
    assert!(shown.contains("] 1/8, 0 broken"), "{shown:?}");
    assert!(
        shown.contains(&format!("[{}] 8/8, 0 broken", "#".repeat(40))),
        "{shown:?}"
    );
}
