//! Calls with odd arguments give what they give natively, at every level.

use doorward_tests::Level;

use crate::bench::Bench;

fn as_natively(programs: &[&str], expected: &[&str]) {
    for level in Level::ALL {
        let bench = Bench::new(level, programs);
        let native = bench.run(&programs[..1]).native().succeeded();
        bench.empty(programs);
        let ours = bench.run(&programs[..1]).under("notify");
        assert_eq!(ours.text(), native.text(), "at {level}: {}", ours.error());
        for line in expected {
            assert!(ours.text().contains(line), "no '{line}' in {}", ours.text());
        }
    }
}

/// EFAULT for what cannot be read or written, and nothing written to read-only memory.
#[test]
fn pointers() {
    as_natively(
        &["pointers"],
        &[
            "open kernel EFAULT\n",
            "stat crossing EFAULT\n",
            "open edge ok\n",
            "open long 4095 ok\n",
            "open long 4096 ENAMETOOLONG\n",
            "stat to fixed EFAULT\n",
            "getcwd to fixed EFAULT\nuntouched 1\n",
        ],
    );
}

/// Nothing is decided on what cannot be read, and yet it is on record.
#[test]
fn what_cannot_be_read_is_on_record() {
    for level in Level::ALL {
        let bench = Bench::new(level, &["pointers"]);
        let log = bench.tree.name("../log");
        let run = bench.run(&["pointers"]).option("--audit").option(&log);
        let said = run.under("notify").succeeded().text();
        assert!(said.contains("open kernel EFAULT\n"), "{level}: {said}");
        let log = std::fs::read_to_string(&log).unwrap();
        let unread = "\"record\":\"unread\",\"operation\":\"open\",\"result\":\"EFAULT\"";
        assert_eq!(log.matches(unread).count(), 1, "{level}: {log}");
    }
}

/// The kernel's working directory, whoever changed it and however.
#[test]
fn working_directory() {
    as_natively(
        &["directory"],
        &[
            "link ok at /one/deep sees deep\n",
            "children wrong 0\n",
            "daemon /two two\n",
            "after thread ok at /one sees one\n",
            "renamed ok at /three sees one\n",
        ],
    );
}

/// Numbers, flags, modes under every umask, locks, watches, unnamed files, close-on-exec.
#[test]
fn descriptors() {
    as_natively(
        &["descriptors", "open-there"],
        &[
            "umask 077 file 100700 directory 40700 temporary 100600 links 0\n",
            "flock ok other 1 unlock ok other 0\n",
            "record ok other 1 unlock ok other 0\n",
            "watch 1 event 1 created\n",
            "after exec 1\n",
        ],
    );
}
