//! Starting programs: what the rules allow runs, the rest is EACCES and the program goes on.

use doorward_tests::{Ended, Level, Run};

use crate::bench::Bench;

const PROGRAMS: &[&str] = &["exec", "start-fd"];

fn bench(level: Level) -> Bench {
    let bench = Bench::new(level, PROGRAMS);
    bench.compile("seven", &["-static", "-nostdlib", "-Os"]);
    bench.fifo();
    bench.tree.program("script", "#!/bin/sh\nexit 3\n");
    bench.tree.program("relative", "#!./seven\n");
    bench.tree.program("lost", "#!/no/interpreter\n");
    bench.tree.program("junk", "junk");
    bench.tree.file("plain", "x");
    bench.tree.directory("in");
    bench
}

/// Every way of starting a program, while other threads ask and wait. The answers of stat and
/// access agree with what exec does.
#[test]
fn as_natively() {
    for level in Level::ALL {
        let bench = bench(level);
        let names = [
            "exec",
            "fifo",
            "./seven",
            "./script",
            "./relative",
            "./lost",
            "./junk",
            "./plain",
            "./missing",
            "./in",
        ];
        let native = bench.run(&names).native().succeeded().text();
        let ours = under(&bench, &bench.run(&names));
        assert_eq!(ours.text(), native, "at {level}: {}", ours.error());
        for line in [
            "./script: status 3 access ok stat ok\n",
            "./lost: ENOENT",
            "./plain: EACCES access EACCES",
            "system 7\n",
            "replaced bad 0\nreplaced while waiting bad 0\n",
        ] {
            assert!(native.contains(line), "no '{line}' in {native}");
        }
    }
}

fn under(bench: &Bench, run: &Run<'_>) -> Ended {
    run.under_file(&bench.python_policy())
}

/// A program outside the rules is refused, and looks so beforehand.
#[test]
fn a_denied_program_is_eacces_and_the_shell_goes_on() {
    let bench = bench(Level::Root);
    let script = "./seven; echo $?; ./denied; echo $?; [ -x ./denied ]; echo $?";
    let bytes = std::fs::read(bench.tree.name("seven")).unwrap();
    bench.tree.program("denied", bytes);
    let policy = std::fs::read_to_string(bench.python_policy()).unwrap();
    let policy = policy.replace("\"${CWD}/**\"]\n\n[env]", "\"${CWD}/seven\"]\n\n[env]");
    assert!(policy.contains("/seven"));
    let policy = bench.tree.file("../denied.toml", policy);
    let run = Run::new(&bench.tree, ["/bin/sh", "-c", script]);
    let ended = run.under_file(&policy);
    assert_eq!(ended.text(), "7\n126\n1\n", "{}", ended.error());
}

/// No program is started by a descriptor or from memory; natively all of these run.
#[test]
fn nothing_without_a_name_is_started() {
    for level in Level::ALL {
        let bench = bench(level);
        let native = bench.run(&["start-fd"]).native().succeeded().text();
        assert!(native.contains("execveat memfd ran\nname of memfd ran\n"));
        let ours = bench.run(&["start-fd"]).under("notify");
        let ran: Vec<_> = ours
            .text()
            .lines()
            .filter(|line| line.ends_with("ran"))
            .map(str::to_owned)
            .collect();
        let allowed: &[&str] = match Level::WITH_VIEW.contains(&level) {
            true => &[],
            // Without a view the name of a file that may be executed leads to it.
            false => &["name of file ran"],
        };
        assert_eq!(ran, allowed, "at {level}: {}{}", ours.text(), ours.error());
    }
}

/// A program that starts itself by its name in /proc; in a view only the first one does.
#[test]
fn a_program_starts_itself() {
    let again = "exec /proc/self/exe -c \"echo again\"";
    let child = format!("/usr/bin/bash -c '{again}'; echo $?");
    for level in Level::ALL {
        let bench = bench(level);
        let itself = Run::new(&bench.tree, ["/usr/bin/bash", "-c", again]);
        let itself = under(&bench, &itself).succeeded();
        assert_eq!(itself.text(), "again\n", "{level}");
        let child = Run::new(&bench.tree, ["/bin/sh", "-c", &child]);
        let wanted = match Level::WITH_VIEW.contains(&level) {
            true => "127\n",
            false => "again\n0\n",
        };
        let child = under(&bench, &child);
        assert_eq!(child.text(), wanted, "{level}: {}", child.error());
    }
}

/// Without a view the kernel would go to everybody's /tmp, where a canary is.
#[test]
fn only_a_view_has_the_scratch_to_go_to() {
    let canary = tempfile::tempdir_in("/tmp").unwrap();
    let text = "import os,sys\nos.mkdir('/tmp/own')\n\
        for place in ['/tmp/own', sys.argv[1]]:\n  try: os.chdir(place); print(os.getcwd())\n  \
        except OSError as e: print(e.errno)\n\
        os.fchdir(os.open('/tmp/own', os.O_RDONLY)); open('file','w'); print(os.listdir('/tmp/own'))";
    for level in Level::ALL {
        let bench = Bench::new(level, &[]);
        let policy = std::fs::read_to_string(bench.python_policy()).unwrap();
        let policy = policy.replace("[fs]", "[fs]\nscratch = \"1MiB\"");
        let policy = bench.tree.file("../scratch.toml", policy);
        let words = ["/usr/bin/python3", "-I", "-S", "-c", text];
        let words = words.into_iter().chain(canary.path().to_str());
        let ended = Run::new(&bench.tree, words).under_file(&policy).succeeded();
        let wanted = match Level::WITH_VIEW.contains(&level) {
            true => "/tmp/own\n2\n['file']\n",
            false => "13\n2\n['file']\n",
        };
        assert_eq!(ended.text(), wanted, "{level}: {}", ended.error());
    }
}

/// A program whose file the host user cannot read has memory that nobody can: natively it runs.
#[test]
fn a_program_that_cannot_be_read_is_not_started() {
    use std::os::unix::fs::{PermissionsExt, chown};
    for level in Level::ALL {
        let bench = bench(level);
        let locked = bench.tree.name("seven");
        chown(&locked, Some(0), Some(0)).unwrap();
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o711)).unwrap();
        let run = Run::new(&bench.tree, ["/bin/sh", "-c", "./seven; echo $?"]);
        assert_eq!(run.native().text(), "7\n", "{level}");
        let root = level.ids().0 == 0;
        let ended = under(&bench, &run);
        let wanted = if root { "7\n" } else { "126\n" };
        assert_eq!(ended.text(), wanted, "{level}: {}", ended.error());
    }
}

/// Arguments are checked by the typed spawn alone, so exec of such a program is denied, and
/// the record says why.
#[test]
fn a_program_with_args_in_its_rule_is_not_started_by_exec() {
    let table = "\n[[exec.program]]\npath = \"${CWD}/seven\"\nargs = [\"x\"]\n";
    for level in Level::ALL {
        let bench = bench(level);
        let all = std::fs::read_to_string(bench.python_policy()).unwrap();
        let few = all.replace(
            "\"/usr/bin/**\", \"${CWD}/**\"]\n\n[env]",
            "\"/usr/bin/**\"]\n\n[env]",
        );
        assert_ne!(all, few);
        let policy = bench.tree.file("../args.toml", few + table);
        let log = bench.tree.name("log");
        let run = Run::new(&bench.tree, ["/bin/sh", "-c", "./seven x; echo $?"]);
        let run = run.option("--audit").option(&log);
        assert_eq!(under(&bench, &run).text(), "7\n", "{level}");
        std::fs::remove_file(&log).unwrap();
        let ended = run.under_file(&policy);
        assert_eq!(ended.text(), "126\n", "{level}: {}", ended.error());
        let log = std::fs::read_to_string(&log).unwrap();
        let record = log
            .lines()
            .find(|line| line.contains("\"operation\":\"exec\"") && line.contains("/seven\""));
        let reason = "the program's rule has args: only a typed spawn may start it";
        assert!(record.unwrap().contains(reason), "{level}: {log}");
    }
}

/// Only calls that the kernel alone judges are ever continued.
#[test]
fn only_exec_and_changes_of_directory_are_continued() {
    let bench = Bench::new(Level::Root, &["directory", "descriptors", "open-there"]);
    let mut seen = std::collections::BTreeSet::new();
    for program in ["directory", "descriptors"] {
        let run = bench.run(&[program]).option("--continued");
        for line in run.under("notify").error().lines() {
            if let Some(rest) = line.strip_prefix("doorward: continued ") {
                seen.extend(rest.split(' ').next().map(str::to_owned));
            }
        }
        bench.empty(&["directory", "descriptors", "open-there"]);
    }
    let seen: Vec<_> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, ["chdir", "execve", "fchdir"]);
}
