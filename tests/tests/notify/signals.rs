//! Signals while a call waits for its answer.

use doorward_tests::Level;

use crate::bench::Bench;

fn with_fifo(mode: &str, expected: &str) {
    for level in [Level::Root, Level::UserNoNs] {
        let bench = Bench::new(level, &["signals"]);
        bench.fifo();
        let ended = bench.same(&["signals", mode, "fifo"]).succeeded();
        assert_eq!(ended.text(), expected);
    }
}

#[test]
fn an_alarm_ends_a_blocking_open_in_time() {
    with_fifo("interrupted", "-1 EINTR handled 1 in time 1\n");
}

#[test]
fn a_restarting_handler_runs_and_the_open_goes_on() {
    with_fifo("restarted", "open ok read 1 x handled 1\n");
}

#[test]
fn a_waiting_process_can_be_stopped_continued_and_killed() {
    with_fifo(
        "stopped",
        "stopped 1 in time 1\nwent on 1 status 0\nkilled 1 in time 1\n",
    );
}

/// A thread that the kernel did not choose for the signal never sees its inner number 512.
#[test]
fn threads_see_eintr_and_no_other_number() {
    with_fifo("threads", "odd 0\n");
}

/// Without SA_RESTART quick calls may give EINTR, as docs/FILES.md says; then nothing was
/// done. No creation happens twice, and no other error appears.
#[test]
fn a_storm_of_signals_loses_and_repeats_nothing() {
    let bench = Bench::new(Level::Root, &["signals"]);
    let expected = "done 4000 twice 0 other 0 handled 1\n";
    let ended = bench.same(&["signals", "storm", "."]).succeeded();
    assert_eq!(ended.text(), expected);
    let ended = bench.same(&["signals", "storm-restart", "."]).succeeded();
    assert_eq!(ended.text(), format!("{expected}interruptions 0\n"));
}

#[test]
fn an_interrupt_reaches_python_in_a_blocking_open() {
    let bench = Bench::new(Level::Root, &[]);
    bench.fifo();
    let script = "\
import os, signal, time
started = time.monotonic()
parent = os.getpid()
if os.fork() == 0:
    # One that comes just before the call is no interruption of it, natively neither.
    for _ in range(3):
        time.sleep(0.3)
        os.kill(parent, signal.SIGINT)
    os._exit(0)
try:
    open('fifo')
except KeyboardInterrupt:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print('interrupted', time.monotonic() - started < 1.5)
";
    bench.tree.file("interrupt.py", script);
    let run = doorward_tests::Run::new(&bench.tree, ["/usr/bin/python3", "interrupt.py"]);
    let policy = bench.python_policy();
    let ended = run.under_file(&policy);
    assert_eq!(
        (ended.text(), run.native().text()),
        ("interrupted True\n".into(), "interrupted True\n".into()),
        "{}",
        ended.error()
    );
}
