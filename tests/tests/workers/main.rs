//! Workers of a real sandbox, called by a host at each level (`doorward-workers`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests stop at what they did not expect"
)]

use doorward_tests::{Level, Tree};

/// Runs a case of the host at these levels, with each front.
#[track_caller]
fn at(levels: &[Level], fronts: &[&str], case: &str) {
    let built = doorward_tests::built_beside("doorward-workers");
    for &level in levels {
        let tree = Tree::new(level);
        let host = tree.name("../workers");
        std::fs::copy(&built, &host).unwrap();
        for front in fronts {
            let mut command = level.command(&host);
            let output = command
                .args([case, front])
                .current_dir(tree.work())
                .output();
            let output = output.unwrap();
            let (told, errors) = (
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
            println!("{level} {front}: {told}");
            assert!(output.status.success(), "{level} {front}: {errors}");
        }
    }
}

const FRONTS: &[&str] = &["api", "notify", "auto", "trap"];

#[test]
fn workers_are_called_at_every_level() {
    at(&Level::ALL, FRONTS, "calls");
}

#[test]
fn a_worker_in_c_serves_its_host_at_every_level() {
    at(&Level::ALL, FRONTS, "c");
}

#[test]
fn a_worker_reads_what_its_policy_names() {
    at(&Level::ALL, FRONTS, "reads");
}

#[test]
fn a_worker_that_narrows_itself_narrows_no_other() {
    at(&Level::ALL, &["api", "auto"], "narrows");
}

#[test]
fn a_worker_that_ends_at_any_step_is_one_error_and_the_next_call_goes_well() {
    at(&Level::ALL, &["api", "notify", "trap"], "deaths");
}

#[test]
fn a_worker_that_does_not_reply_is_killed_in_time() {
    at(&Level::ALL, &["api"], "late");
}

#[test]
fn a_thousand_crashing_workers_leave_nothing() {
    at(&[Level::Root, Level::UserNoNs], &["api"], "crashes");
    at(&[Level::User], &["notify"], "crashes");
}

#[test]
fn there_are_as_many_workers_as_places() {
    at(&[Level::Root], &["api"], "places");
}

#[test]
fn a_worker_makes_no_process_and_reaches_no_neighbour() {
    at(&Level::ALL, &["api", "notify", "trap"], "confined");
}

#[test]
fn workers_of_a_zygote_share_a_user_of_their_own() {
    at(&[Level::Root], FRONTS, "isolated");
}

#[test]
fn a_worker_that_takes_too_much_memory_ends_alone() {
    at(&Level::ALL, &["api"], "memory");
}

#[test]
fn what_workers_cannot_have_stops_the_start() {
    at(&[Level::Root], &["api"], "refusals");
}

#[test]
fn a_fresh_worker_does_every_call() {
    at(&Level::ALL, &["api", "notify"], "pool fresh");
}

#[test]
fn a_worker_is_used_again_as_the_pool_says() {
    at(&[Level::Root, Level::User], &["api"], "pool reuse");
}

#[test]
fn a_dirty_worker_never_comes_back() {
    at(&Level::ALL, &["api"], "pool dirty");
}

#[test]
fn only_idempotent_calls_are_made_again() {
    at(&[Level::Root], &["api"], "pool retries");
}

#[test]
fn a_tenant_whose_workers_keep_dying_waits_and_no_other() {
    at(&[Level::Root], &["api"], "pool backoff");
}

#[test]
fn a_pool_outlives_its_zygote() {
    at(&Level::ALL, &["api"], "pool zygote");
}

#[test]
fn threads_share_a_pool_and_it_leaves_nothing() {
    at(&Level::ALL, &["api"], "pool threads");
}
