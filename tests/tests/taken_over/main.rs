//! A broker that was taken over: a build whose broker makes, raw, each system call that its
//! sandboxee names. What no rule of the policy gives stays out of reach, judged from outside;
//! each attempt is seen to succeed once the layers that hold it are left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod attempts;
mod session;

use std::fmt::Write as _;

use doorward_tests::{Level, control};

use attempts::{ATTEMPTS, Holds};
use session::Session;

#[test]
fn a_broker_that_was_taken_over_gets_what_its_policy_gives() {
    let command = control("taken-over");
    let mut text =
        String::from("| order | level | held by | answer | without it |\n|---|---|---|---|---|\n");
    let mut wrong = Vec::new();
    for attempt in ATTEMPTS {
        for level in Level::ALL {
            let mut session = Session::start(&command, level, attempt.policy, "");
            let order = (attempt.order)(&session);
            let answer = session.ask(&order);
            let reached = (attempt.reached)(&mut session, &answer);
            session.end();
            let shown = told(&answer);
            let row = format!("{} | {level}", attempt.name);
            let Holds::By(layers, controls) = attempt.holds else {
                writeln!(text, "| {row} | nothing: granted or listed | {shown} | |").unwrap();
                if !reached {
                    wrong.push(format!("{row}: what is given is not reached: {answer}"));
                }
                continue;
            };
            if reached {
                wrong.push(format!("{row}: reached: {answer}"));
            }
            let mut control = "";
            if controls.contains(&level) {
                let mut session = Session::start(&command, level, attempt.policy, layers);
                let order = (attempt.order)(&session);
                let answer = session.ask(&order);
                control = "reached";
                if !(attempt.reached)(&mut session, &answer) {
                    wrong.push(format!("{row}: not reached without {layers}: {answer}"));
                }
                session.end();
            }
            writeln!(text, "| {row} | {layers} | {shown} | {control} |").unwrap();
        }
    }
    println!("{text}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The errno of the first call that failed; of an order that was done what its last returned.
fn told(answer: &str) -> String {
    let results = answer.split(';');
    let results: Vec<&str> = results
        .map(|one| one.split(':').next().unwrap_or_default())
        .collect();
    let failed = results.iter().find_map(|one| one.strip_prefix('-'));
    let Some(failed) = failed else {
        return results.last().copied().unwrap_or_default().to_owned();
    };
    let number = failed.parse().unwrap_or_default();
    format!("{:?}", nix::errno::Errno::from_raw(number))
}
