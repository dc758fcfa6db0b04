//! What a filter lets a sandboxee do whose calls shall trap.

use doorward_protocol::operation::TABLE;

use super::*;

fn of(trap: bool) -> Filter {
    with(false, trap)
}

fn with(notify: bool, trap: bool) -> Filter {
    Filter::assemble(&FilterRequest {
        policy: &plain(),
        arch: Arch::X86_64,
        notify,
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
    for notify in [false, true] {
        let may = with(notify, true);
        assert_eq!(load(&may, 0), Action::Allow);
        for flags in [1, 2, NEW_LISTENER, NEW_LISTENER | 1] {
            assert_ne!(load(&may, flags), Action::Allow);
        }
        assert_ne!(load(&with(notify, false), 0), Action::Allow);
    }
}

#[test]
fn who_may_load_a_filter_on_top_is_notified_as_without() {
    let (may, not) = (with(true, true), with(true, false));
    let mut notified = 0;
    for number in 0..700 {
        let mut arguments = [0; 6];
        // What is asked for by its second argument: a lock, and a connection's socket.
        for second in [0, 1, 6, 7, 37, 38] {
            arguments[1] = second;
            let data = CallData {
                number,
                arch: may.arch().audit(),
                pointer: 0,
                arguments,
            };
            let meant = not.evaluate(&data);
            notified += u32::from(meant == Action::Notify);
            if Some(number) == may.arch().number("seccomp") {
                continue;
            }
            assert_eq!(may.evaluate(&data), meant, "{number} {second}");
        }
    }
    assert!(notified > 100, "{notified}");
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
