//! The PNG example: its sandboxee decodes what its policy names as the host itself does, and
//! has no way out but its lane.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at what they did not expect"
)]

mod home;

use std::{
    fs,
    io::Read,
    os::unix::fs::{chown, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use home::Home;

/// Makes pictures of every colour type.
const MAKE: &str = include_str!("pictures.py");

/// A directory like the workspace's root, of a user of its own.
struct Place {
    home: Home,
}

impl Place {
    fn new(account: &str) -> Self {
        let home = Home::new(account, "doorward-png-");
        let place = Self { home };
        let examples = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir_all(place.at("examples/pictures")).unwrap();
        for name in ["png.toml", "pictures/door.png"] {
            fs::copy(examples.join(name), place.at("examples").join(name)).unwrap();
        }
        // The build may lie where only root finds it.
        fs::copy(env!("CARGO_BIN_EXE_png"), place.at("png")).unwrap();
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

    /// A file of the user's, beside the others.
    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.at(name);
        fs::write(&path, content).unwrap();
        let (user, group) = (self.home.user.uid.as_raw(), self.home.user.gid.as_raw());
        chown(&path, Some(user), Some(group)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn pictures(&self) -> Vec<String> {
        let listed = fs::read_dir(self.at("examples/pictures")).unwrap();
        let path = |entry: fs::DirEntry| entry.path().to_str().unwrap().to_owned();
        let mut names: Vec<_> = listed.map(|entry| path(entry.unwrap())).collect();
        names.sort();
        names
    }

    fn command(&self, words: &[String]) -> Command {
        let mut command = self.home.command(self.at("png"));
        command.args(words);
        command
    }

    fn inside(&self, words: &[String]) -> Output {
        self.command(words).output().unwrap()
    }

    fn natively(&self, words: &[String]) -> Output {
        let mut all = vec!["--native".to_owned()];
        all.extend_from_slice(words);
        self.command(&all).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What was said of pictures, without the count at the end.
fn said(output: &Output) -> String {
    let lines = text(&output.stderr);
    let said: Vec<_> = lines
        .lines()
        .filter(|line| !line.contains("requests on lanes"))
        .collect();
    said.join("\n")
}

fn everywhere(test: impl Fn(&Place)) {
    for account in ["root", "doorward-ci"] {
        test(&Place::new(account));
    }
}

#[test]
fn pictures_decode_as_in_the_host() {
    everywhere(|place| {
        let names = place.pictures();
        assert_eq!(names.len(), 8);
        let (inside, natively) = (place.inside(&names), place.natively(&names));
        assert!(inside.status.success(), "{inside:?}");
        assert_eq!(text(&inside.stdout).lines().count(), names.len());
        assert_eq!(text(&inside.stdout), text(&natively.stdout));
        assert!(text(&inside.stdout).contains("door.png 96x128 "));
        let counted = text(&inside.stderr);
        assert_eq!(counted.trim(), "png: 8 requests on lanes, 0 notifications");
    });
}

#[test]
fn a_broken_picture_is_an_error_and_the_others_are_decoded() {
    everywhere(|place| {
        let whole = fs::read(place.at("examples/pictures/door.png")).unwrap();
        let mut names = Vec::new();
        for cut in (0..whole.len()).step_by(97) {
            names.push(place.file(&format!("examples/pictures/cut-{cut}.png"), &whole[..cut]));
        }
        for at in (0..whole.len()).step_by(61) {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            names.push(place.file(&format!("examples/pictures/changed-{at}.png"), &changed));
        }
        let broken = names.len();
        names.extend(
            place
                .pictures()
                .into_iter()
                .filter(|name| name.ends_with("door.png")),
        );
        let (inside, natively) = (place.inside(&names), place.natively(&names));
        assert_eq!(inside.status.code(), Some(1), "{inside:?}");
        assert_eq!(text(&inside.stdout), text(&natively.stdout));
        assert_eq!(said(&inside), said(&natively));
        let errors = said(&inside)
            .lines()
            .filter(|line| line.contains(": libpng: "))
            .count();
        assert!(errors > broken / 2, "{}", said(&inside));
        assert!(text(&inside.stdout).contains("door.png 96x128 "));
    });
}

#[test]
fn what_the_policy_does_not_name_is_refused() {
    everywhere(|place| {
        let whole = fs::read(place.at("examples/pictures/door.png")).unwrap();
        let beside = place.file("examples/beside.png", &whole);
        let link = place.at("examples/pictures/link.png");
        symlink(&beside, &link).unwrap();
        let names = [beside, link.to_str().unwrap().to_owned()];
        let (inside, natively) = (place.inside(&names), place.natively(&names));
        // The control: it can be read, and it is a picture.
        assert!(natively.status.success(), "{natively:?}");
        assert_eq!(inside.status.code(), Some(1), "{inside:?}");
        assert_eq!(text(&inside.stdout), "");
        assert_eq!(said(&inside).matches("Permission denied").count(), 2);
    });
}

#[test]
fn a_decoder_that_was_taken_over_reaches_nothing() {
    everywhere(|place| {
        let words = ["--attempts".to_owned()];
        let inside = place.inside(&words);
        let refused = text(&inside.stdout);
        assert!(inside.status.success(), "{inside:?}");
        assert_eq!(refused.matches(": refused: ").count(), 7, "{refused}");
        // The control: each is possible without the sandbox.
        let natively = place.natively(&words);
        assert_eq!(natively.status.code(), Some(1));
        let done = text(&natively.stdout);
        assert_eq!(
            (done.lines().count(), done.matches(": done").count()),
            (6, 6),
            "{done}"
        );
    });
}

/// Processes of a tree, and what their descriptors lead to. To be called by root: the
/// broker's are shown to nobody else.
fn descriptors(process: u32) -> Vec<(String, Vec<String>)> {
    let root = format!("/proc/{process}");
    let name = fs::read_to_string(format!("{root}/comm")).unwrap();
    let links = fs::read_dir(format!("{root}/fd")).unwrap();
    let link = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
    let links = links.filter_map(|entry| link(entry.unwrap()));
    let links = links
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let mut all = vec![(name.trim().to_owned(), links)];
    for task in fs::read_dir(format!("{root}/task")).unwrap() {
        let children = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        for child in children.split_whitespace() {
            all.extend(descriptors(child.parse().unwrap()));
        }
    }
    all
}

/// Runs until its output blocks it, and tells who of its tree has a listener.
fn listeners(place: &Place) -> Vec<String> {
    let picture = place.at("examples/pictures/gray-1.png");
    let words = vec![picture.to_str().unwrap().to_owned(); 2000];
    let mut command = place.command(&words);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child: Child = command.spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0]).unwrap();
    let tree = descriptors(child.id());
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(tree.len() >= 4, "{tree:?}");
    assert!(
        tree.iter().any(|(name, _)| name == "doorward-broker"),
        "{tree:?}"
    );
    let listens = |links: &[String]| links.iter().any(|link| link.contains("seccomp"));
    tree.into_iter()
        .filter(|(_, links)| listens(links))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn there_is_no_front_but_the_lane() {
    everywhere(|place| {
        assert_eq!(listeners(place), [""; 0]);
        let policy = fs::read_to_string(place.at("examples/png.toml")).unwrap();
        assert!(policy.contains("front = \"api\""));
        // The control: a policy that leaves the front open gives it a listener as well.
        let open = policy.replace("front = \"api\"", "front = \"auto\"");
        fs::write(place.at("examples/png.toml"), open).unwrap();
        assert_eq!(listeners(place), ["doorward-broker"]);
    });
}
