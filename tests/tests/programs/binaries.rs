//! Programs without a dynamic loader: C, Go and busybox.

use std::{path::Path, process::Command, sync::OnceLock};

use doorward_tests::{Level, Tree};

use crate::fidelity::Program;

/// Runs a compiler natively, as the tests' own user.
fn compiled(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
}

/// A file of `tests/programs/`.
pub(crate) fn source(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("programs")
        .join(name)
}

/// The C program, linked statically.
pub(crate) fn static_bytes(compiler: &str) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("static");
    let mut command = Command::new(compiler);
    command
        .args(["-static", "-O1", "-o"])
        .arg(&program)
        .arg(source("static.c"));
    compiled(&mut command);
    std::fs::read(&program).unwrap()
}

fn static_program(compiler: &str) {
    let bytes = static_bytes(compiler);
    Program {
        policy: "static",
        prepare: &|tree| {
            tree.program("static", &bytes);
            tree.file("in", "one\ntwo\nthree\n");
        },
        words: &["./static", "a"],
        variables: &[],
        ignored: &|_| false,
    }
    .compare(&Level::ALL, |ended, files| {
        assert_eq!(ended.code(), 42, "{}", ended.error());
        assert!(ended.text().contains("child 1"), "{}", ended.text());
        assert!(files.has("out"));
    });
}

#[test]
fn static_with_glibc() {
    static_program("gcc");
}

#[test]
fn static_with_musl() {
    static_program("musl-gcc");
}

/// The Go program, built once: its standard library takes a while.
fn go_program() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("words");
        compiled(
            Command::new("/usr/bin/go")
                .args(["build", "-o"])
                .arg(&program)
                .arg(source("words.go"))
                .current_dir(place.path())
                .env("GOCACHE", place.path().join("cache"))
                .env("GOTOOLCHAIN", "local")
                .env("GO111MODULE", "off")
                .env("CGO_ENABLED", "0"),
        );
        std::fs::read(&program).unwrap()
    })
}

#[test]
fn go_with_goroutines_and_children() {
    let bytes = go_program();
    Program {
        policy: "go",
        prepare: &|tree| {
            tree.program("words", bytes);
            tree.directory("out");
        },
        words: &["./words"],
        variables: &[],
        ignored: &|_| false,
    }
    .compare(&Level::ALL, |ended, files| {
        assert_eq!(ended.code(), 6, "{}{}", ended.text(), ended.error());
        assert!(ended.text().contains("walk: <nil>"), "{}", ended.text());
        let again = "again as itself\n<nil>\n".repeat(2);
        assert!(ended.text().contains(&again), "{}", ended.text());
        assert!(files.has("out/file-15"));
    });
}

#[test]
fn busybox_applets() {
    let script = include_str!("../../programs/applets.sh");
    Program {
        policy: "busybox",
        prepare: &|tree: &Tree| {
            tree.file("applets.sh", script);
        },
        words: &["/usr/bin/busybox", "sh", "applets.sh"],
        variables: &[],
        // It holds times.
        ignored: &|path| path == Path::new("out.tar"),
    }
    .compare(&Level::ALL, |ended, files| {
        assert_eq!(ended.code(), 8, "{}", ended.error());
        assert!(ended.text().contains("status 3"), "{}", ended.text());
        assert!(files.has("out/link"));
    });
}
