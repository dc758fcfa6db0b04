//! `doorward check` and `doorward explain`.

use doorward_tests::Level;

use crate::place::Place;

#[test]
fn check_tells_like_a_compiler() {
    for level in Level::ALL {
        let place = Place::of(level);
        for profile in ["default", "runtime", "decoder", "build"] {
            let said = place
                .doorward(&["check", &format!("builtin:{profile}")])
                .ended(0);
            assert!(said.out.contains(": ok: "), "{said:#?}");
            assert_eq!(said.err, "");
        }
        let text = "version = 1\n[fs]\nread = [\"/srv/a/**\"]\n\n[[test]]\nopen = \"/srv/a/x\"\nexpect = \"allow\"\n";
        place.file("good.toml", text, 0o644);
        let said = place.doorward(&["check", "good.toml"]).ended(0);
        assert_eq!(
            said.out,
            "good.toml: ok: 1 rule, 1 test passed, 0 warnings\n"
        );
        let text = text.replace("\"allow\"", "\"deny\"");
        place.file("failing.toml", text, 0o644);
        let said = place
            .doorward(&["check", "failing.toml", "good.toml"])
            .ended(1)
            .complained(&[
                "failing.toml:6:8: the test failed",
                "is allowed, not denied",
                "^^^^^^^^^^",
            ]);
        assert!(
            said.out
                .contains("failing.toml: wrong: 1 rule, 1 of 1 test failed"),
            "{said:#?}"
        );
        assert!(said.out.contains("good.toml: ok"));
        place.file(
            "bad.toml",
            "version = 1\n[fs]\nread = [\"srv/**\"]\n",
            0o644,
        );
        place
            .doorward(&["check", "bad.toml"])
            .ended(1)
            .complained(&["bad.toml:3:9", "help: "]);
        place
            .doorward(&["check", "missing.toml"])
            .ended(125)
            .complained(&["missing.toml"]);
        place.doorward(&["check"]).ended(125);
    }
}

#[test]
fn explain_tells_verdict_rule_and_what_would_change_it() {
    for level in Level::ALL {
        let place = Place::of(level);
        let text = "version = 1\n[fs]\nread = [\"/srv/a/**\"]\ndeny = [\"/srv/a/b/**\"]\n[net]\nconnect = [\"tcp:*:443\"]\n";
        place.file("p.toml", text, 0o644);
        let ask = |words: &[&str]| place.doorward(&[&["explain", "p.toml"], words].concat());
        let said = ask(&["open", "/srv/a/x"]).ended(0);
        assert!(said.out.starts_with("allow: open /srv/a/x\n"), "{said:#?}");
        assert!(
            said.out.contains("fs.read = \"/srv/a/**\" (p.toml:3:9)"),
            "{said:#?}"
        );
        let said = ask(&["readlink", "/srv/a/b/x"]).ended(1);
        assert!(
            said.out.contains("fs.deny = \"/srv/a/b/**\" (p.toml:4:9)"),
            "{said:#?}"
        );
        let said = ask(&["mkdir", "/srv/a/d"]).ended(1);
        assert!(
            said.out.contains("add \"/srv/a/d\" to fs.create"),
            "{said:#?}"
        );
        let said = ask(&["connect", "tcp:127.0.0.1:443"]).ended(1);
        assert!(said.out.contains("class of addresses"), "{said:#?}");
        ask(&["connect", "tcp:192.0.2.1:443"]).ended(0);
        ask(&["spawn", "/usr/bin/x", "--flag"]).ended(1);
        ask(&["opn", "/x"])
            .ended(125)
            .complained(&["did you mean `open`?"]);
        ask(&["open", "x"]).ended(125).complained(&["${CWD}/x"]);
        ask(&["open"]).ended(125);
        place
            .doorward(&["explain", "none.toml", "open", "/x"])
            .ended(125);
    }
}
