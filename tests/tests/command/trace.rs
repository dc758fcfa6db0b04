//! `DOORWARD_LOG`: what doorward's own processes say on standard error.

use doorward_tests::Level;

use crate::place::Place;

#[test]
fn host_and_broker_say_what_the_level_asks_for() {
    for level in Level::ALL {
        let place = Place::of(level);
        let run = |log: &str| {
            let words = ["run", "--", "/usr/bin/env"];
            place.said(&[("DOORWARD_LOG", log)], &words).ended(0)
        };
        let quiet = run("warn");
        assert_eq!(quiet.err, "", "{level}");
        assert!(!quiet.out.contains("DOORWARD_LOG"), "{level}");
        let said = run("debug").err;
        for line in [
            "doorward: DEBUG a broker was started process=",
            // Behind the broker's filter.
            "doorward: DEBUG the broker serves\n",
            "doorward: DEBUG the sandbox has ended outcome=Status(0)\n",
        ] {
            assert!(said.contains(line), "{level}: {line}: {said}");
        }
        let wrong = run("loud").err;
        assert_eq!(
            wrong,
            "doorward: DOORWARD_LOG names no level: loud; say off, error, warn, info, debug or trace\n"
        );
    }
}
