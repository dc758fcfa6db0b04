//! `doorward doctor`: found by trying, so it says otherwise where something is refused.

use doorward::layers::Diagnosis;

use doorward_tests::Level;

use crate::place::{Place, Said, text};

fn found(said: &Said) -> Diagnosis {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:#?}"))
}

#[test]
fn doctor_finds_the_level_and_each_layer() {
    for level in Level::ALL {
        let place = Place::of(level);
        let said = place.doorward(&["doctor"]).ended(0);
        assert!(said.out.contains(&format!("level {level}\n")), "{said:#?}");
        assert!(said.out.contains("  yes  seccomp\n"), "{said:#?}");
        let found = found(&place.doorward(&["doctor", "--json"]).ended(0));
        assert_eq!((found.level.name(), found.usable), (level.name(), true));
        assert!(found.limits.iter().any(|limit| limit.name == "memory"));
        for name in ["user", "mount", "pid", "network", "view"] {
            let layer = found.layers.iter().find(|layer| layer.name == name);
            let layer = layer.unwrap();
            assert_eq!(layer.held, Level::WITH_VIEW.contains(&level), "{layer:#?}");
            assert_eq!(layer.needs.is_some(), !layer.held, "{layer:#?}");
        }
        let mut layers = found.layers.iter();
        let identity = layers.find(|layer| layer.name == "identity").unwrap();
        assert_eq!(identity.held, level == Level::Root, "{identity:#?}");
    }
}

/// Inside a sandbox most of it is refused, and doctor says so instead of judging by version.
#[test]
fn doctor_says_what_is_refused() {
    for level in Level::ALL {
        let place = Place::of(level);
        let program = place.copy_of_doorward();
        let said = place
            .doorward(&["run", "--quiet", "--", text(&program), "doctor", "--json"])
            .ended(1);
        let found = found(&said);
        assert!(!found.usable, "{found:#?}");
        for name in ["notification", "user", "mount", "view", "process-memory"] {
            let layer = found
                .layers
                .iter()
                .find(|layer| layer.name == name)
                .unwrap();
            assert!(!layer.held, "{layer:#?}");
            assert!(layer.found.is_some() && layer.needs.is_some() && layer.lost.is_some());
        }
        assert!(
            ["nested", "user-no-ns"].contains(&found.level.name()),
            "{found:#?}"
        );
    }
}
