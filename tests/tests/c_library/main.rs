//! Programs in C: built by plain `cc` with what was installed, static and shared, and run in a
//! sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at what they did not expect"
)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use doorward_tests::{Level, Tree, doorward};
use serde_json::Value;

/// Lines that `calls` prints.
const STEPS: usize = 23;

/// Where header, libraries and doorward.pc were installed.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prefix");
    said(Command::new(workspace().join("c-library/install")).arg(&prefix));
    prefix
});

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Linked {
    Statically,
    Shared,
}

/// Runs what has to succeed.
#[track_caller]
fn said(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let (out, err) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{out}{err}");
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `pkg-config` says.
fn flags(words: &[&str]) -> Vec<String> {
    let told = said(
        Command::new("pkg-config")
            .env("PKG_CONFIG_PATH", INSTALLED.join("lib/pkgconfig"))
            .args(words)
            .arg("doorward"),
    );
    told.split_whitespace().map(str::to_owned).collect()
}

/// Builds a program of `examples/c`.
fn built(name: &str, linked: Linked) -> PathBuf {
    let source = workspace().join(format!("examples/c/{name}.c"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{linked:?}"));
    let mut cc = Command::new("cc");
    cc.args([
        "-std=c11",
        "-D_GNU_SOURCE",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
    ])
    .arg(&program)
    .args(flags(&["--cflags"]))
    .arg(source);
    match linked {
        Linked::Statically => {
            let libs = flags(&["--static", "--libs"]);
            cc.args(libs.iter().map(|flag| match flag.as_str() {
                "-ldoorward" => "-l:libdoorward.a",
                flag => flag,
            }));
        }
        Linked::Shared => {
            cc.args(flags(&["--libs"]));
            cc.arg(format!("-Wl,-rpath,{}", INSTALLED.join("lib").display()));
        }
    }
    said(&mut cc);
    let needed = said(Command::new("readelf").arg("-d").arg(&program));
    let shared = needed.contains("[libdoorward.so.0]");
    assert_eq!(shared, linked == Linked::Shared, "{needed}");
    program
}

/// The policy under which `calls` runs: its libraries, and one directory.
const POLICY: &str = "\
version = 1
include = [\"builtin:runtime\"]
[fs]
read = [\"${CWD}/granted/**\", \"${CWD}/libdoorward.so.0\"]
[exec]
allow = [\"${CWD}/calls\"]
[env]
set = { LD_LIBRARY_PATH = \"${CWD}\" }
";

/// How `calls` ran, and what the broker recorded of it.
struct Ran {
    output: Output,
    audit: Vec<Value>,
    granted: PathBuf,
    denied: PathBuf,
}

/// Runs it in a sandbox at a level.
fn run(level: Level, linked: Linked) -> Ran {
    let tree = Tree::new(level);
    let granted = tree.file("granted/file", "granted");
    let denied = tree.file("denied", "secret");
    // The control: without a sandbox it can be read.
    let read = said(level.command("/bin/cat").arg(&denied));
    assert_eq!(read, "secret");
    tree.file("calls.toml", POLICY);
    for (from, name) in [
        (built("calls", linked), "calls"),
        (INSTALLED.join("lib/libdoorward.so.0"), "libdoorward.so.0"),
    ] {
        let copied = Command::new("/bin/cp")
            .arg(from)
            .arg(tree.work().join(name))
            .status();
        assert!(copied.unwrap().success());
    }
    let program = tree.work().join("calls");
    let output = doorward(level)
        .args([
            "run",
            "--front",
            "api",
            "--policy",
            "calls.toml",
            "--audit",
            "audit",
            "--",
        ])
        .args([&program, &granted, &denied])
        .current_dir(tree.work())
        .env_clear()
        .env("HOME", level.home())
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let audit = std::fs::read_to_string(tree.work().join("audit")).unwrap();
    let audit = audit
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    Ran {
        output,
        audit: audit.collect(),
        granted,
        denied,
    }
}

impl Ran {
    /// By which fronts a file was opened in vain, sorted.
    fn fronts(&self, path: &Path) -> Vec<&str> {
        let object = path.to_str().unwrap();
        let of_it = |record: &&Value| {
            record["record"] == "denied"
                && record["operation"] == "open"
                && record["object"] == object
        };
        let denied = self.audit.iter().filter(of_it);
        let mut fronts: Vec<_> = denied
            .map(|record| record["front"].as_str().unwrap())
            .collect();
        fronts.sort_unstable();
        fronts
    }
}

#[test]
fn a_c_program_opens_traps_and_narrows_itself() {
    for level in Level::ALL {
        for linked in [Linked::Statically, Linked::Shared] {
            let ran = run(level, linked);
            let output = &ran.output;
            let (out, err) = (text(&output.stdout), text(&output.stderr));
            assert!(output.status.success(), "{level} {linked:?}: {out}{err}");
            let steps = (out.lines().count(), out.matches(": yes\n").count());
            assert_eq!(steps, (STEPS, STEPS), "{level} {linked:?}: {out}");
            // The first fopen was asked for by notification, those behind `doorward_enter` by
            // the trap front, the explicit calls on a lane.
            assert_eq!(
                ran.fronts(&ran.denied),
                ["api", "notify", "trap"],
                "{level} {linked:?}: {:?}",
                ran.audit
            );
            assert_eq!(
                ran.fronts(&ran.granted),
                ["api", "trap"],
                "{level} {linked:?}: {:?}",
                ran.audit
            );
        }
    }
}
