//! The trap front's handler: it may interrupt anything, and whatever interrupts, forks or
//! points nowhere gets the answer that is its own (`doorward-shim`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests stop at what they did not expect"
)]

mod place;
mod reach;
mod stress;

use doorward_tests::{Level, alone, control_of};

use crate::{place::Place, reach::Reach};

#[test]
fn what_is_forked_asks_on_lanes_of_its_own() {
    for level in Level::ALL {
        Place::new(level).passes("fork");
    }
}

#[test]
fn children_that_share_memory_ask_and_leave_nothing() {
    for level in Level::ALL {
        let place = Place::new(level);
        place.passes("vfork");
        place.passes("spawn");
        place.passes("clone");
    }
}

#[test]
fn children_that_share_descriptors_close_none_of_their_parents() {
    for level in Level::ALL {
        Place::new(level).passes("sharing descriptors");
    }
}

#[test]
fn a_thousand_children_killed_in_their_calls_leave_nothing() {
    for level in Level::ALL {
        Place::new(level).passes("killed");
    }
}

#[test]
fn a_fork_in_a_handler_goes_on_with_no_lane_of_its_parents() {
    for level in Level::ALL {
        Place::new(level).passes("fork in a handler");
    }
}

#[test]
fn a_signal_ends_what_waits_and_nothing_else() {
    for level in Level::ALL {
        Place::new(level).passes("signals");
    }
}

#[test]
fn a_wild_pointer_of_any_call_is_a_fault() {
    for level in Level::ALL {
        let text = Place::new(level).passes("pointers");
        assert!(text.contains("wild pointers"), "{level}: {text}");
    }
}

#[test]
fn errno_is_left_alone() {
    Place::new(Level::User).passes("errno");
}

#[test]
fn sigsys_is_neither_blocked_nor_replaced_by_accident() {
    for level in Level::ALL {
        Place::new(level).passes("masks");
    }
}

/// The control: a program that gets another signal goes on.
#[test]
fn a_sigsys_that_nobody_trapped_ends_the_program() {
    let place = Place::new(Level::User);
    for how in ["kill", "thread", "queue", "forged", "dispatch"] {
        let ended = place.told("stray", how);
        let text = ended.text();
        assert!(text.contains("ended Program"), "{how}: {text}");
        assert!(text.contains("(31"), "{how}: {text}");
        assert!(!text.contains("went on"), "{how}: {text}");
    }
    let other = place.told("stray", "other").succeeded();
    assert!(other.text().contains("went on"));
}

/// docs/ARCHITECTURE.md.
const DOCUMENTED_STACK: usize = 4096;

/// What parent and child used of a stack beside the kernel's frame.
fn stack_used(text: &str) -> Vec<usize> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("stack "));
    let used = lines.map(|line| {
        let (used, frame) = line.split_once(" of which a frame has ").unwrap();
        let (used, frame): (usize, usize) = (used.parse().unwrap(), frame.parse().unwrap());
        // Something was measured.
        assert!(used > 1024, "{text}");
        used.saturating_sub(frame)
    });
    let used: Vec<_> = used.collect();
    assert_eq!(used.len(), 2, "parent and child: {text}");
    used
}

#[test]
fn the_handler_needs_as_much_stack_as_is_documented() {
    let used = stack_used(&Place::new(Level::User).passes("stack"));
    assert!(
        used.iter().all(|used| *used <= DOCUMENTED_STACK),
        "{used:?}"
    );
}

#[test]
fn nested_handlers_fit_where_signals_have_a_small_stack() {
    Place::new(Level::User).passes("small stack");
}

#[test]
fn at_the_limit_of_descriptors_calls_that_need_none_go_on() {
    for level in Level::ALL {
        Place::new(level).passes("descriptors");
    }
}

/// As many as the broker makes beforehand, whoever takes them.
const UNTAKEN: usize = 16;

/// Lanes that wait for who died.
fn untaken(text: &str) -> usize {
    let line = text.lines().find_map(|line| line.strip_prefix("untaken "));
    line.unwrap().parse().unwrap()
}

#[test]
fn processes_that_die_while_they_ask_for_a_lane_leave_little() {
    for level in Level::ALL {
        let left = untaken(&Place::new(level).passes("left"));
        assert!((1..=UNTAKEN).contains(&left), "{level}: {left}");
    }
}

#[test]
fn a_lane_that_another_process_takes_is_asked_for_again() {
    // It ends when some were taken.
    let text = Place::new(Level::User).passes("stolen");
    assert!(text.contains("2 taken"), "{text}");
}

/// The control is in the case: the process that said hello is answered on it.
#[test]
fn a_record_of_another_process_ends_the_lane() {
    for level in Level::ALL {
        Place::new(level).passes("stranger");
    }
}

#[test]
fn the_handler_neither_allocates_nor_frees() {
    let text = Place::new(Level::User).passes("poison");
    assert!(text.contains("allocations outside"), "{text}");
}

/// Neither by a symbol that it links: in the command that is shipped, what can be reached from
/// the handler's entry is code of its own and copies of memory.
#[test]
fn no_allocation_lock_panic_or_thread_variable_is_reached_from_the_handler() {
    let reach = Reach::of(&doorward_tests::built());
    println!("{} functions", reach.functions.len());
    assert!(reach.functions.len() > 20, "{:?}", reach.functions);
    assert!(reach.refused.is_empty(), "{:#?}", reach.refused);
}

/// The controls: a build whose handler breaks a promise is seen to, each time.
#[test]
fn control_broken_promises_are_seen() {
    let _alone = alone();
    let built = control_of("chosen", "doorward-tests", "doorward-shim");
    let place = Place::with(Level::User, &built);
    // As long as all are kept, all goes well.
    for case in [
        "poison",
        "crossing",
        "fork in a handler",
        "sharing descriptors",
        "killed",
        "small stack",
    ] {
        place.passes(case);
    }
    let allocates = place.broken("poison", "", "no allocation");
    let text = allocates.text();
    assert!(text.contains("allocated in the handler"), "{text}");
    assert_ne!(allocates.code(), 0);
    let crossed = place.broken("crossing", "", "own slot");
    assert_ne!(crossed.code(), 0, "{}", crossed.text());
    let forked = place.broken("fork in a handler", "", "dead ends");
    assert_ne!(forked.code(), 0, "{}", forked.text());
    let shared = place.broken("sharing descriptors", "", "shared left");
    assert_ne!(shared.code(), 0, "{}", shared.text());
    assert!(
        shared.error().contains("left == right"),
        "{}",
        shared.error()
    );
    let left = place.broken("killed", "", "dead buried");
    assert_ne!(left.code(), 0, "{}", left.text());
    assert!(left.text().contains("1000 deaths"), "{}", left.text());
    let cramped = place.broken("small stack", "", "room to nest");
    assert!(
        cramped.text().contains("ended Program"),
        "{}",
        cramped.text()
    );
    let sprawls = stack_used(&place.broken("stack", "", "little stack").succeeded().text());
    assert!(
        sprawls.iter().all(|used| *used > DOCUMENTED_STACK),
        "{sprawls:?}"
    );
    // Without a bound they fill the lane that all share, which is ended for that.
    let left = place.without("left", "untaken-few");
    assert_ne!(left.code(), 0, "{}", left.text());
    let error = left.error();
    assert!(error.contains("does not read its replies"), "{error}");
    let reach = Reach::of(&built);
    let allocates = |name: &String| name.contains("alloc") || name.contains("free");
    assert!(reach.refused.iter().any(allocates), "{:#?}", reach.refused);
}
