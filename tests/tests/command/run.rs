//! `doorward run`: exit statuses, and one clear sentence for whatever goes wrong.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use doorward::layers::Diagnosis;
use doorward_tests::Level;

use crate::place::Place;

const RUNTIME: &str = "version = 1\ninclude = [\"builtin:runtime\"]\n";

#[test]
fn the_exit_status_is_that_of_the_program() {
    for level in Level::ALL {
        let place = Place::of(level);
        let run = |script: &str| place.doorward(&["run", "--", "/bin/sh", "-c", script]);
        let said = run("echo said").ended(0);
        assert_eq!((said.out.as_str(), said.err.as_str()), ("said\n", ""));
        run("exit 3").ended(3);
        run("kill -TERM $$").ended(128 + 15);
        run("exec /bin/sh -c 'exit 125'").ended(125);
    }
}

#[test]
fn a_limit_that_ended_it_is_124() {
    for level in Level::ALL {
        let place = Place::of(level);
        let text = "version = 1\ninclude = [\"builtin:default\"]\n[limits]\nwall = \"1s\"\n";
        let policy = place.file("wall.toml", text, 0o644);
        let policy = policy.to_str().unwrap();
        place
            .doorward(&["run", "--policy", policy, "--", "/bin/sleep", "20"])
            .ended(124)
            .complained(&["limits.wall"]);
    }
}

#[test]
fn what_cannot_be_started_says_what_to_do() {
    for level in Level::ALL {
        let place = Place::of(level);
        let run = |arguments: &[&str]| place.doorward(&[&["run"], arguments].concat());
        run(&["--", "no-such-program"])
            .ended(127)
            .complained(&["doorward: no-such-program: not found", "PATH"]);
        run(&["--", "./no-such-program"]).ended(127);
        place.file("plain", "", 0o644);
        run(&["--", "./plain"])
            .ended(126)
            .complained(&["not executable", "mode bits"]);
        let tool = place.file("elsewhere/tool", "#!/bin/sh\n", 0o755);
        let policy = place.file("p.toml", RUNTIME, 0o644);
        let [tool, policy] = [&tool, &policy].map(|path| path.to_str().unwrap());
        let added = format!("add \"{tool}\" to exec.allow");
        run(&["--policy", policy, "--", tool])
            .ended(126)
            .complained(&["not allowed", &added]);
    }
}

#[test]
fn a_required_layer_that_is_missing_is_named_and_nothing_is_started() {
    for level in Level::ALL {
        let place = Place::of(level);
        let with_view = Level::WITH_VIEW.contains(&level);
        let doctor = place.doorward(&["doctor", "--json"]).ended(0);
        let found: Diagnosis = serde_json::from_str(&doctor.out).unwrap();
        let mut layers = found.layers.iter();
        let groups = layers.any(|layer| layer.name == "cgroup" && layer.held);
        for (layer, held) in [
            ("seccomp", true),
            ("landlock", true),
            ("rlimits", true),
            ("mdwe", true),
            ("namespaces", with_view),
            ("pid", with_view),
            ("network", with_view),
            ("user", level == Level::User),
            ("cgroup", groups),
        ] {
            let text = format!(
                "version = 1\ninclude = [\"builtin:default\"]\n[require]\nlayers = [\"{layer}\"]\n"
            );
            place.file("p.toml", text, 0o644);
            let said = place.doorward(&["run", "--policy", "p.toml", "--", "/bin/echo", "started"]);
            if held {
                assert_eq!(said.ended(0).out, "started\n", "{layer} at {level}");
            } else {
                let said = said.ended(125).complained(&[layer, "doorward doctor"]);
                assert_eq!(said.out, "", "{layer} at {level}");
            }
        }
    }
}

#[test]
fn the_search_of_path_goes_on_behind_what_no_rule_allows() {
    for level in Level::ALL {
        let place = Place::of(level);
        place.file("refused/tool", "#!/bin/sh\nexit 9\n", 0o755);
        let wanted = place.file("allowed/tool", "#!/bin/sh\nexit 7\n", 0o755);
        let document = |program: &str| {
            format!(
                "version = 1\ninclude = [\"builtin:runtime\"]\n[fs]\nread = [\"/usr/**\", \"/bin/**\", \"{root}/**\"]\n\
                 [exec]\nallow = [\"/usr/bin/dash\", \"/bin/sh\", \"{program}\"]\n[env]\npass = [\"PATH\"]\n",
                root = place.path().display()
            )
        };
        let policy = place.file("p.toml", document(wanted.to_str().unwrap()), 0o644);
        let policy = policy.to_str().unwrap();
        let path = ["refused", "allowed"].map(|name| place.path().join(name).display().to_string());
        let arguments = ["run", "--policy", policy, "--", "tool"];
        place
            .said(&[("PATH", &path.join(":"))], &arguments)
            .ended(7);
        let refused = place.path().join("refused/tool");
        place
            .said(&[("PATH", &path[0])], &arguments)
            .ended(126)
            .complained(&[&format!("add \"{}\" to exec.allow", refused.display())]);
    }
}

#[test]
fn a_wrong_flag_or_policy_is_125_and_nothing_is_started() {
    for level in Level::ALL {
        let place = Place::of(level);
        let started = place.path().join("started");
        let script = format!("touch {}", started.display());
        let run = |arguments: &[&str]| {
            let all = [&["run"], arguments, &["--", "/bin/sh", "-c", &script]].concat();
            place.doorward(&all).ended(125)
        };
        run(&["--polcy", "x"]).complained(&["--polcy", "--policy"]);
        run(&["--front", "none"]).complained(&["none", "notify"]);
        run(&["--policy", "missing.toml"]).complained(&["missing.toml", "No such file"]);
        run(&["--policy", "builtin:none"]).complained(&["no profile `none`", "default"]);
        place.file(
            "bad.toml",
            "version = 1\n[fs]\nreed = [\"/usr/**\"]\n",
            0o644,
        );
        run(&["--policy", "bad.toml"]).complained(&[
            "bad.toml:3:1",
            "unknown key `reed`",
            "did you mean `read`?",
            "^^^^",
        ]);
        run(&["--audit", "no/such/directory"]).complained(&["no/such/directory", "audit log"]);
        place.doorward(&["run", "--"]).ended(125);
        place.doorward(&["run"]).ended(125).complained(&["COMMAND"]);
        place.doorward(&["fly"]).ended(125).complained(&["fly"]);
        place.doorward(&["--help"]).ended(0);
        assert!(!started.exists());
    }
}

/// Neither the directory it starts in nor the program's name has to be text.
#[test]
fn names_that_are_not_utf_8_are_names() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    for level in Level::ALL {
        let place = Place::of(level);
        let directory = place.path().join(OsStr::from_bytes(b"d\xff"));
        let program = directory.join(OsStr::from_bytes(b"p\xfe"));
        let (user, group) = level.ids();
        let own = |path: &Path| std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        fs::create_dir(&directory).unwrap();
        own(&directory);
        fs::write(&program, b"#!/bin/sh\npwd; cat f\xfd; exit 3\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        own(&program);
        let read = directory.join(OsStr::from_bytes(b"f\xfd"));
        fs::write(&read, "read").unwrap();
        own(&read);
        let mut command = doorward_tests::doorward(level);
        command.current_dir(&directory).env("TMPDIR", &directory);
        command.args(["run", "--quiet", "--"]).arg(&program);
        let output = command.output().unwrap();
        let wanted = [directory.as_os_str().as_bytes(), b"\nread"].concat();
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(3), wanted.as_slice()),
            "{level}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn the_front_of_the_command_line_is_the_one_used() {
    for level in Level::ALL {
        let place = Place::of(level);
        let text = "version = 1\nfront = \"trap\"\ninclude = [\"builtin:default\"]\n";
        place.file("trap.toml", text, 0o644);
        let run = [
            "run",
            "--policy",
            "trap.toml",
            "--front",
            "notify",
            "--",
            "/bin/true",
        ];
        place.doorward(&run).ended(0);
    }
}

#[test]
fn only_what_was_denied_is_summed_up() {
    for level in Level::ALL {
        let place = Place::of(level);
        let quiet = place
            .doorward(&["run", "--", "/bin/cat", "/etc/os-release"])
            .ended(0);
        assert_eq!(quiet.err, "");
        let cat = ["--", "/bin/cat", "/etc/shadow"];
        let told = place.doorward(&[&["run"][..], &cat].concat()).ended(1);
        let lines: Vec<&str> = told.err.lines().collect();
        assert_eq!(lines.len(), 3, "{told:#?}");
        assert!(lines[1].starts_with("doorward: 1 operation was denied"));
        assert_eq!(
            lines[2],
            "  open /etc/shadow: add \"/etc/shadow\" to fs.read"
        );
        assert!(!told.err.contains('\u{1b}'));
        let told = place
            .doorward(&[&["run", "--quiet"][..], &cat].concat())
            .ended(1);
        assert_eq!(told.err.lines().count(), 1, "{told:#?}");
        let text = "version = 1\ninclude = [\"builtin:default\"]\n[fs]\nhide = [\"/etc/hidden\"]\n";
        place.file("hide.toml", text, 0o644);
        let hidden = place
            .doorward(&[
                "run",
                "--policy",
                "hide.toml",
                "--",
                "/bin/cat",
                "/etc/hidden",
            ])
            .ended(1);
        assert!(hidden.err.contains("No such file"), "{hidden:#?}");
        assert!(!hidden.err.contains("denied"), "{hidden:#?}");
        let many = "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13; do cat /etc/none$n; cat /etc/none$n; done 2>/dev/null";
        let told = place
            .doorward(&["run", "--", "/bin/sh", "-c", many])
            .ended(1);
        assert!(told.err.contains("26 operations were denied"), "{told:#?}");
        assert!(
            told.err.contains("open /etc/none1 (2 times): "),
            "{told:#?}"
        );
        assert!(told.err.ends_with("  and 6 more\n"), "{told:#?}");
        assert_eq!(told.err.lines().count(), 12, "{told:#?}");
    }
}

#[test]
fn only_audited_calls_are_continued() {
    for level in Level::ALL {
        let place = Place::of(level);
        let script = "cd /usr && ls >/dev/null && cat /usr/lib/os-release >/dev/null";
        let told = place
            .doorward(&[
                "run",
                "--quiet",
                "--continued",
                "--",
                "/bin/sh",
                "-c",
                script,
            ])
            .ended(0);
        let lines: Vec<&str> = told.err.lines().collect();
        assert!(!lines.is_empty(), "{told:#?}");
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[..2], ["doorward:", "continued"], "{told:#?}");
            assert!(
                ["execve", "chdir", "fchdir"].contains(&words[2]),
                "{told:#?}"
            );
        }
    }
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    let place = Place::of(Level::Root);
    let said = place.doorward(&["completions", "bash"]).ended(0);
    assert!(said.out.contains("_doorward"));
    let said = place.doorward(&["man"]).ended(0);
    assert!(said.out.contains("DOORWARD EXPLAIN"));
    place.doorward(&["completions", "no-shell"]).ended(125);
}

/// The scratch seen as /tmp does not hide the directory that the command is run in.
#[test]
fn a_command_run_below_tmp_starts_where_it_was_run() {
    use std::os::unix::fs::{PermissionsExt, chown};
    for level in Level::ALL {
        let (user, group) = level.ids();
        for scratch in ["/tmp", "/var/tmp"] {
            let place = tempfile::tempdir_in(scratch).unwrap();
            fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
            let directory = place.path().join("a/b");
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("read"), "read").unwrap();
            fs::write(place.path().join("beside"), "beside").unwrap();
            chown(&directory, Some(user), Some(group)).unwrap();
            let mut command = doorward_tests::doorward(level);
            let script = "pwd; cat read; echo; cat ../../beside; cd . && cat read; echo; \
                          echo scratch >/tmp/made; cat /tmp/made";
            command
                .current_dir(&directory)
                .args(["run", "--quiet", "--", "/bin/sh", "-c", script]);
            let output = command.output().unwrap();
            let wanted = format!("{}\nread\nread\nscratch\n", directory.display());
            let out = String::from_utf8_lossy(&output.stdout);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(out, wanted, "{level}: {said}");
            assert!(said.contains("beside"), "{level}: {said}");
            assert!(!std::path::Path::new("/tmp/made").exists(), "{level}");
        }
    }
}
