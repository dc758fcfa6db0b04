//! The judge: each program that wants more than its share ends with the verdict that names the
//! limit, and those beside it have their right answers in the time that they have alone.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at what they did not expect"
)]

mod home;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use home::Home;

/// Children of one test are not to be met by the other.
static ALONE: Mutex<()> = Mutex::new(());

/// A directory like the workspace's root, with all programs, for one user.
struct Place {
    home: Home,
}

impl Place {
    fn new(account: &str) -> Self {
        let home = Home::new(account, "judge-");
        let place = Self { home };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("judge");
        fs::create_dir_all(place.at("examples/judge/task")).unwrap();
        for name in ["judge.toml", "task/input", "task/answer"] {
            fs::copy(source.join(name), place.at("examples/judge").join(name)).unwrap();
        }
        fs::copy(env!("CARGO_BIN_EXE_judge"), place.at("judge")).unwrap();
        for entry in fs::read_dir(&source).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "c") {
                let made = Command::new("gcc")
                    .args(["-O1", "-w", "-o"])
                    .arg(place.at(path.file_stem().unwrap().to_str().unwrap()))
                    .arg(path)
                    .status();
                assert!(made.unwrap().success());
            }
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.at(name)
    }

    fn command(&self, program: &str) -> Command {
        // Who began the tests may ignore it, and then a file that is too large ends nobody.
        let mut command = self.home.command("/usr/bin/env");
        command.arg("--default-signal=XFSZ").arg(self.at(program));
        command
    }

    /// The verdict of each program, in the order of their ends.
    fn judge(&self, at_once: usize, programs: &[&str]) -> (Output, Vec<Judged>) {
        let output = self
            .command("judge")
            .args(["--at-once", &at_once.to_string(), "examples/judge/task"])
            .args(programs)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        print!("{}: {text}", self.home.user.name);
        assert_eq!(text.lines().count(), programs.len(), "{output:?}");
        (output, text.lines().map(Judged::read).collect())
    }
}

/// What a line of the judge says.
#[derive(Debug)]
struct Judged {
    program: String,
    verdict: String,
    wall: Duration,
    processor: Option<Duration>,
}

impl Judged {
    fn read(line: &str) -> Self {
        let (program, rest) = line.split_once(": ").unwrap();
        let (verdict, used) = rest.split_once(" (").unwrap_or((rest, ""));
        let time = |name: &str| {
            let (_, rest) = used.split_once(name)?;
            let (number, _) = rest.trim_start().split_once(' ')?;
            number.parse().ok().map(Duration::from_millis)
        };
        Self {
            program: program.into(),
            verdict: verdict.into(),
            wall: time("wall").unwrap_or_default(),
            processor: time("processor"),
        }
    }
}

/// What doorward may leave on the machine: processes that became this one's, control groups,
/// scratch directories.
fn left(place: &Place) -> BTreeSet<PathBuf> {
    fn groups(directory: &Path, depth: u32, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().starts_with("doorward-") {
                    found.insert(entry.path());
                }
                groups(&entry.path(), depth - 1, found);
            }
        }
    }
    let mut found = BTreeSet::new();
    groups(Path::new("/sys/fs/cgroup"), 8, &mut found);
    let own = std::process::id();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let status = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let fields = status.rsplit_once(')').map(|(_, rest)| rest);
        let parent = fields.and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        if parent == Some(own) {
            found.insert(process.path());
        }
    }
    let user = place.home.user.uid.as_raw();
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let owner = entry
            .metadata()
            .map(|status| std::os::unix::fs::MetadataExt::uid(&status));
        if entry.file_name().to_string_lossy().starts_with("doorward-")
            && owner.is_ok_and(|owner| owner == user)
        {
            found.insert(entry.path());
        }
    }
    found
}

/// What each program's verdict is due to be.
const DUE: [(&str, &str); 10] = [
    ("sum", "accepted"),
    ("wrong", "wrong answer"),
    ("crash", "ended by signal 11"),
    ("spy", "failed with status 1"),
    ("loop", "ended by limits.cpu"),
    ("sleep", "ended by limits.wall"),
    ("memory", "ended by limits.memory"),
    ("output", "ended by limits.output"),
    ("file", "ended by limits.file_size"),
    ("files", "ended by fs.scratch"),
];

#[test]
fn each_bomb_ends_by_its_limit_and_leaves_its_neighbours_alone() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // What outlives a judge becomes a child of this process, and is seen.
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    for account in ["root", "doorward-ci"] {
        let place = Place::new(account);
        let before = left(&place);
        let (output, alone) = place.judge(1, &["sum"]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(alone[0].verdict, "accepted");
        // Beside each bomb runs one who minds its own business.
        let mut programs = Vec::new();
        for (program, _) in DUE.iter().chain(&[("fork", "")]) {
            programs.extend([*program, "sum"]);
        }
        let (output, judged) = place.judge(4, &programs);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        // Who has no control group is not told what was refused, only what ended it.
        let counted = account == "root";
        let due = |program: &str| match program {
            "fork" if counted => vec!["ended by limits.processes"],
            "fork" => vec!["ended by limits.cpu", "ended by limits.wall"],
            _ => DUE
                .iter()
                .filter(|(name, _)| *name == program)
                .map(|(_, due)| *due)
                .collect(),
        };
        for one in &judged {
            assert!(
                due(&one.program).contains(&one.verdict.as_str()),
                "{account}: {one:?}"
            );
        }
        let (had, beside) = (
            alone[0].processor.unwrap(),
            judged.iter().filter(|one| one.program == "sum"),
        );
        let mut slowest = (Duration::ZERO, Duration::ZERO);
        for one in beside {
            let time = one.processor.unwrap();
            assert!(
                time < had * 2 + Duration::from_millis(200),
                "{account}: {one:?}, alone {had:?}"
            );
            slowest = slowest.max((one.wall, time));
        }
        println!(
            "{account}: a neighbour alone {:?}, at worst {slowest:?} (wall, processor)",
            (alone[0].wall, had)
        );
        // What others left before may be swept meanwhile.
        let after = left(&place);
        assert!(
            after.is_subset(&before),
            "{account}: {after:?}, before {before:?}"
        );
    }
}

/// The same programs without a judge: nothing ends them, so that it is the judge who does.
#[test]
fn control_without_the_judge_they_have_what_they_want() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new("doorward-ci");
    let spied = place.command("spy").output().unwrap();
    let answer = fs::read(place.at("examples/judge/task/answer")).unwrap();
    assert_eq!((spied.status.code(), spied.stdout), (Some(0), answer));
    // Within bounds of the test's own, far above those of the judge.
    let bounded = |program: &str, limits: &str| {
        let mut command = Command::new("/bin/sh");
        command
            .args([
                "-c",
                &format!("{limits}; exec timeout 20 ./{program} >/dev/null"),
            ])
            .current_dir(place.at(""))
            .uid(place.home.user.uid.as_raw())
            .gid(place.home.user.gid.as_raw());
        command.status().unwrap()
    };
    // 4 s of processor time, 300 MiB of memory.
    assert_eq!(bounded("loop", "ulimit -t 4").signal(), Some(9));
    let memory = bounded("memory", "ulimit -v 300000");
    assert!(
        memory.signal() == Some(11) || memory.code() == Some(139),
        "{memory:?}"
    );
}
