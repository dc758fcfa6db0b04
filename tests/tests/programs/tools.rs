//! Tools of developers and administrators: sqlite3, git, make with gcc, tar with gzip.

use std::path::Path;

use doorward_tests::{Level, Run, Tree};

use crate::fidelity::Program;

#[test]
fn sqlite3_makes_and_asks_a_database_in_scratch() {
    let script = include_str!("../../programs/rows.sh");
    Program {
        policy: "sqlite3",
        prepare: &|tree| {
            tree.file("rows.sh", script);
        },
        words: &["/usr/bin/dash", "rows.sh"],
        variables: &[],
        ignored: &|_| false,
    }
    .compare(&Level::ALL, |ended, _| {
        assert_eq!(ended.code(), 11, "{}{}", ended.text(), ended.error());
        assert!(ended.text().contains("refused: 19"), "{}", ended.text());
    });
}

/// Author, date and configuration that are the same everywhere.
const GIT: &[(&str, &str)] = &[
    ("GIT_AUTHOR_NAME", "A"),
    ("GIT_AUTHOR_EMAIL", "a@example.org"),
    ("GIT_AUTHOR_DATE", "2020-01-01T00:00:00Z"),
    ("GIT_COMMITTER_NAME", "A"),
    ("GIT_COMMITTER_EMAIL", "a@example.org"),
    ("GIT_COMMITTER_DATE", "2020-01-01T00:00:00Z"),
];

/// A repository with three commits and a branch.
fn repository(tree: &Tree) {
    let script = "set -e; git init -q -b main repo; cd repo
        for n in 1 2 3; do mkdir -p d$n; echo $n >d$n/file; git add .; git commit -q -m \"commit $n\"; done
        git branch other; ln -s d1/file link; git add .; git commit -q -m link; git gc -q";
    let mut run = Run::new(tree, ["/usr/bin/bash", "-c", script]);
    for (name, value) in GIT {
        run = run.variable(name, *value);
    }
    let _made = run.native().succeeded();
}

#[test]
fn git_clones_a_local_repository() {
    let script = "git clone --no-hardlinks repo copy && git clone -q \"file://$PWD/repo\" second && cd copy && git log --oneline --stat && git status && echo 4 >d1/file \
                  && git commit -q -a -m four && git log --format=%s -n 2 && git fsck && exit 13";
    Program {
        policy: "git",
        prepare: &repository,
        words: &["/usr/bin/dash", "-c", script],
        variables: GIT,
        // The index holds times and inode numbers.
        ignored: &|path| path.ends_with("index"),
    }
    .compare(&Level::ALL, |ended, files| {
        assert_eq!(ended.code(), 13, "{}{}", ended.text(), ended.error());
        assert!(files.has("copy/d3/file") && files.has("second/d3/file"));
    });
}

#[test]
fn make_builds_a_project_with_gcc() {
    let makefile = "CC = gcc\nobjects = main.o one.o two.o\nbin/program: $(objects)\n\t$(CC) -o $@ $^\n\
                    %.o: %.c one.h\n\t$(CC) -O1 -Wall -c -o $@ $<\n\
                    check: bin/program\n\t./bin/program\n";
    Program {
        policy: "make",
        prepare: &|tree| {
            tree.directory("bin");
            tree.file("Makefile", makefile);
            tree.file("one.h", "int one(void);\nint two(void);\n");
            tree.file("one.c", "#include \"one.h\"\nint one(void) { return 1; }\n");
            tree.file("two.c", "#include \"one.h\"\nint two(void) { return one() + 1; }\n");
            tree.file(
                "main.c",
                "#include <stdio.h>\n#include \"one.h\"\nint main(void) { printf(\"%d\\n\", two()); return 0; }\n",
            );
        },
        words: &["/usr/bin/make", "--silent", "-j2", "check"],
        variables: &[],
        ignored: &|_| false,
    }
    .compare(&Level::ALL, |ended, files| {
        assert_eq!(ended.code(), 0, "{}{}", ended.text(), ended.error());
        assert_eq!(ended.text(), "2\n");
        assert!(files.has("bin/program"));
    });
}

#[test]
fn tar_and_gzip_keep_a_tree() {
    let script = include_str!("../../programs/archive.sh");
    Program {
        policy: "tar",
        prepare: &|tree| {
            tree.file("archive.sh", script);
            tree.file("tree/big", vec![7_u8; 300_000]);
            tree.program("tree/deep/er/run", "#!/bin/sh\n");
            tree.directory("tree/empty");
            tree.link("deep/er", "tree/link");
        },
        words: &["/usr/bin/dash", "archive.sh"],
        variables: &[],
        ignored: &|_| false,
    }
    .compare(&Level::ALL, |ended, files| {
        assert_eq!(ended.code(), 12, "{}{}", ended.text(), ended.error());
        assert!(files.has("unpacked/tree/deep/er/run"));
        assert!(files.0.contains_key(Path::new("packed.tar.gz")));
    });
}
