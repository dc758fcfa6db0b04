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

/// The control: what it is measured on was used.
#[test]
fn the_handler_needs_as_much_stack_as_is_documented() {
    /// docs/ARCHITECTURE.md.
    const DOCUMENTED: usize = 4096;
    let text = Place::new(Level::User).passes("stack");
    let lines: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("stack "))
        .collect();
    assert_eq!(lines.len(), 2, "parent and child: {text}");
    for line in lines {
        let Some((used, frame)) = line.split_once(" of which a frame has ") else {
            panic!("{text}");
        };
        let (used, frame): (usize, usize) = (used.parse().unwrap(), frame.parse().unwrap());
        assert!(used > 1024 && used <= frame + DOCUMENTED, "{text}");
    }
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

#[test]
fn processes_that_die_while_they_ask_for_a_lane_leave_little() {
    for level in Level::ALL {
        Place::new(level).passes("left");
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
    for case in ["poison", "crossing", "fork in a handler"] {
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
    let reach = Reach::of(&built);
    let allocates = |name: &String| name.contains("alloc") || name.contains("free");
    assert!(reach.refused.iter().any(allocates), "{:#?}", reach.refused);
}
