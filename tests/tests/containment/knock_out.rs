//! One layer is left out, and the next has to hold (B-13): a build that can leave out the
//! layer that a variable names.

use std::fmt::Write as _;

use doorward_tests::{Level, control};

use crate::{
    attempts::{self, Attempts},
    table::publish,
};

const LAYERS: [&str; 6] = [
    "nothing",
    "seccomp",
    "landlock",
    "mdwe",
    "capabilities",
    "session keyring",
];

/// What is left to hold a case.
fn left<'a>(one: &'a Attempts, level: Level, without: &str) -> Vec<&'a str> {
    let view = Level::WITH_VIEW.contains(&level);
    let gone = |layer: &str| match layer {
        // Where no call is refused, those of the api front do not come to the broker.
        "broker" => without == "seccomp",
        // Root makes the others without one; an own one lets no further ones be made.
        "user namespace" => level != Level::User,
        _ => layer == without || (!view && layer.ends_with("namespace")),
    };
    let layers = one.held_by.iter().map(String::as_str);
    layers.filter(|layer| !gone(layer)).collect()
}

/// What a layer holds alone is reached without it, so that every layer is seen to matter;
/// the rest is held.
#[test]
fn each_layer_left_out_is_backed_by_the_next() {
    let command = control("chosen");
    let mut text =
        String::from("| left out | level | held by the next | reached |\n|---|---|---|---|\n");
    let mut wrong = Vec::new();
    for level in [Level::Root, Level::User, Level::UserNoNs] {
        for layer in LAYERS {
            let mut run = level.command(&command);
            run.env("DOORWARD_WITHOUT", layer);
            let (mut backed, mut reached) = (Vec::new(), Vec::new());
            let attempts = attempts::of(run);
            for one in &attempts {
                let left = left(one, level, layer);
                if !one.held() {
                    reached.push(one.case.as_str());
                } else if one.held_by.first().is_some_and(|first| first == layer)
                    && !left.is_empty()
                {
                    backed.push(format!("{} ({})", one.case, left.join(", ")));
                }
                let expected = !left.is_empty() || !one.control;
                if one.held() != expected {
                    wrong.push(format!("{level} without {layer}, left {left:?}: {one:?}"));
                }
            }
            let (backed, reached) = (backed.join(", "), reached.join(", "));
            writeln!(text, "| {layer} | {level} | {backed} | {reached} |").unwrap();
        }
    }
    publish("knock-out.md", &text);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
