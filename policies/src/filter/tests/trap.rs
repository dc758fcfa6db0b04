//! What a filter lets a sandboxee do whose calls shall trap.

use doorward_protocol::operation::TABLE;

use super::*;

fn of(trap: bool) -> Filter {
    Filter::assemble(&FilterRequest {
        policy: &plain(),
        arch: Arch::X86_64,
        notify: false,
        trap,
        network_namespace: true,
        processes: true,
        zygote: false,
    })
    .unwrap()
}

#[test]
fn filters_on_top_have_no_listener() {
    const SET_MODE_FILTER: u64 = 1;
    const NEW_LISTENER: u64 = 8;
    let load = |filter: &Filter, flags| {
        let arguments = [SET_MODE_FILTER, flags, 0x1000, 0, 0, 0];
        ask(filter, "seccomp", arguments)
    };
    assert_eq!(load(&of(true), 0), Action::Allow);
    for flags in [1, 2, NEW_LISTENER, NEW_LISTENER | 1] {
        assert_ne!(load(&of(true), flags), Action::Allow);
    }
    assert_ne!(load(&of(false), 0), Action::Allow);
}

#[test]
fn what_is_not_asked_by_trap_is_refused() {
    let filter = of(true);
    for call in TABLE.iter().flat_map(|row| row.calls) {
        let asked = ask(&filter, call.name, [0; 6]);
        match call.name {
            // The broker was asked by who makes these.
            "chdir" | "fchdir" => assert_eq!(asked, Action::Allow),
            // Not of the kinds that the broker performs.
            "fcntl" | "socket" => {}
            name => assert_eq!(asked, Action::Errno(13), "{name}"),
        }
    }
    assert_eq!(ask(&of(false), "chdir", [0; 6]), Action::Errno(13));
}
