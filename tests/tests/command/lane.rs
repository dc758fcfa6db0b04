//! `front = "api"` for commands: programs that exec started make typed calls.

use doorward_tests::{Level, built_beside};

use crate::place::{Place, text};

const POLICY: &str = "\
version = 1
front = \"FRONT\"
include = [\"builtin:default\"]
[fs]
deny = [\"${CWD}/denied\"]
[env]
set = { DOORWARD_LANE = \"2\" }
";

#[test]
fn a_command_finds_its_lane_and_makes_typed_calls() {
    for level in Level::ALL {
        let place = Place::of(level);
        place.file(
            "typed",
            std::fs::read(built_beside("doorward-typed")).unwrap(),
            0o755,
        );
        place.file("spawned", "#!/bin/sh\nexit 5\n", 0o755);
        let open = place.file("open", "granted", 0o644);
        let denied = place.file("denied", "secret", 0o644);
        let spawned = place.path().join("spawned");
        for front in ["api", "notify", "auto"] {
            let policy = POLICY.replace("FRONT", front);
            place.file(&format!("{front}.toml"), policy, 0o644);
        }
        let run = |front: &str, words: &[&str]| {
            let policy = format!("{front}.toml");
            let first = ["run", "--quiet", "--policy", &policy, "--"];
            place.doorward(&[&first[..], words].concat()).ended(0).out
        };
        let asked = [text(&open), text(&open), text(&denied), text(&spawned)];
        let direct = [&["./typed"][..], &asked].concat();
        // The shell is no program of this protocol: its child inherits the lane.
        let script = format!("cat {}; echo; ./typed {}; true", asked[0], asked.join(" "));
        let wanted = "open granted\nstat 7\n\
            denied the operation was denied or failed: Permission denied (os error 13)\n\
            spawn exit status: 5\n\
            spawn the operation was denied or failed: Permission denied (os error 13)\n\
            again no lane was left";
        let out = run("api", &direct);
        assert!(out.starts_with(wanted), "{level}: {out}");
        let out = run("api", &["/bin/sh", "-c", &script]);
        assert!(
            out.starts_with(&format!("granted\n{wanted}")),
            "{level}: {out}"
        );
        for front in ["notify", "auto"] {
            let out = run(front, &direct);
            assert!(out.starts_with("no lane was left"), "{level}: {out}");
        }
    }
}

/// The program is the cause of such lines, so it has few of them.
#[test]
fn broken_lanes_are_told_by_number_after_the_first() {
    for level in Level::ALL {
        let place = Place::of(level);
        let typed = std::fs::read(built_beside("doorward-typed")).unwrap();
        place.file("typed", typed, 0o755);
        place.file("api.toml", POLICY.replace("FRONT", "api"), 0o644);
        let run = ["run", "--quiet", "--policy", "api.toml", "--", "./typed"];
        for (count, told) in [(2, 2), (40, 3)] {
            let count = count.to_string();
            let said = place.doorward(&[&run[..], &[&count]].concat()).ended(0);
            assert_eq!(said.out, format!("broken {count}\n"), "{level}: {said:#?}");
            let lines = said.err.matches("a lane was ended").count();
            assert_eq!(lines, told, "{level}: {said:#?}");
            let rest = said.err.contains("further lanes were ended count=37");
            assert_eq!(rest, count == "40", "{level}: {said:#?}");
        }
    }
}
