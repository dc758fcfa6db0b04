//! Programs in C: built by plain `cc` with what was installed, static and shared, and run in a
//! sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests stop at what they did not expect"
)]

mod clip;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use doorward_tests::{Level, Tree, copied, doorward};
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
fn flags(words: &[&str], libraries: &[&str]) -> Vec<String> {
    let told = said(
        Command::new("pkg-config")
            .env("PKG_CONFIG_PATH", INSTALLED.join("lib/pkgconfig"))
            .args(words)
            .args(libraries),
    );
    told.split_whitespace().map(str::to_owned).collect()
}

/// Builds a program, with what it needs besides.
fn built(source: &Path, linked: Linked, besides: &[&str]) -> PathBuf {
    let name = source.file_stem().unwrap().to_str().unwrap();
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{linked:?}"));
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-D_GNU_SOURCE", "-O1"])
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .args(flags(&["--cflags"], &[&["doorward"], besides].concat()))
        .arg(source);
    match linked {
        Linked::Statically => {
            let libs = flags(&["--static", "--libs"], &["doorward"]);
            cc.args(libs.iter().map(|flag| match flag.as_str() {
                "-ldoorward" => "-l:libdoorward.a",
                flag => flag,
            }));
        }
        Linked::Shared => {
            cc.args(flags(&["--libs"], &["doorward"]));
            cc.arg(format!("-Wl,-rpath,{}", INSTALLED.join("lib").display()));
        }
    }
    if !besides.is_empty() {
        cc.args(flags(&["--libs"], besides));
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

/// How a program ran, and what the broker recorded of it.
struct Ran {
    output: Output,
    audit: Vec<Value>,
}

/// Runs `work/NAME` of a tree under `work/NAME.toml`.
fn sandboxed(tree: &Tree, front: &str, name: &str, words: &[impl AsRef<OsStr>]) -> Ran {
    let output = doorward(tree.level())
        .args(["run", "--front", front, "--audit", "audit"])
        .args(["--policy", &format!("{name}.toml"), "--"])
        .arg(tree.work().join(name))
        .args(words)
        .current_dir(tree.work())
        .env_clear()
        .env("HOME", tree.level().home())
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let log = tree.work().join("audit");
    let audit = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(log).unwrap();
    let record = |line| serde_json::from_str(line).unwrap();
    Ran {
        output,
        audit: audit.lines().map(record).collect(),
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
            let tree = Tree::new(level);
            let granted = tree.file("granted/file", "granted");
            let denied = tree.file("denied", "secret");
            // The control: without a sandbox it can be read.
            let read = said(level.command("/bin/cat").arg(&denied));
            assert_eq!(read, "secret");
            tree.file("calls.toml", POLICY);
            let program = built(&workspace().join("examples/c/calls.c"), linked, &[]);
            let library = INSTALLED.join("lib/libdoorward.so.0");
            for (from, name) in [(program, "calls"), (library, "libdoorward.so.0")] {
                let _copy = copied(&from, tree.work().join(name));
            }
            let ran = sandboxed(&tree, "api", "calls", &[&granted, &denied]);
            let output = &ran.output;
            let (out, err) = (text(&output.stdout), text(&output.stderr));
            assert!(output.status.success(), "{level} {linked:?}: {out}{err}");
            let steps = (out.lines().count(), out.matches(": yes\n").count());
            assert_eq!(steps, (STEPS, STEPS), "{level} {linked:?}: {out}");
            // The first fopen was asked for by notification, those behind `doorward_enter` by
            // the trap front, the explicit calls on a lane.
            for (file, fronts) in [
                (&denied, &["api", "notify", "trap"][..]),
                (&granted, &["api", "trap"]),
            ] {
                let by = ran.fronts(file);
                assert_eq!(by, fronts, "{level} {linked:?}: {:?}", ran.audit);
            }
        }
    }
}
