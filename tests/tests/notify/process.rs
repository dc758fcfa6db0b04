//! What processes do to themselves, and names that only a process has.

use doorward_tests::{Ended, Level};

use crate::bench::Bench;

/// The same program natively and sandboxed.
fn both(level: Level, words: &[&str]) -> [Ended; 2] {
    let bench = Bench::new(level, &[]);
    let run = bench.run(words);
    [run.native(), run.under_file(&bench.python_policy())]
}

fn python(program: &str) -> [&str; 5] {
    ["/usr/bin/python3", "-I", "-S", "-c", program]
}

#[test]
fn who_asks_not_to_be_dumpable_is_served_on() {
    let program = "import ctypes,os\nlibc=ctypes.CDLL(None)\n\
        print(libc.prctl(4,0,0,0,0), len(open('/etc/ld.so.cache','rb').read(4)))";
    for level in Level::ALL {
        for ended in both(level, &python(program)) {
            assert_eq!(ended.text(), "0 4\n", "{level}: {}", ended.error());
        }
    }
}

/// Threads with working directories of their own would be asked for by the wrong one.
#[test]
fn threads_keep_one_working_directory() {
    let program = "import ctypes,errno\nlibc=ctypes.CDLL(None,use_errno=True)\n\
        print(libc.unshare(0x200), ctypes.get_errno())";
    for level in Level::ALL {
        let [native, ours] = both(level, &python(program));
        // A container's filter refuses it by itself.
        if level != Level::Nested {
            assert_eq!(native.text(), "0 0\n", "{level}");
        }
        assert_eq!(ours.text(), "-1 1\n", "{level}: {}", ours.error());
    }
}

#[test]
fn without_a_terminal_there_is_none_to_open() {
    let program =
        "import os\ntry: os.open('/dev/tty',os.O_RDWR)\nexcept OSError as e: print(e.errno)";
    let words = [&["/usr/bin/setsid", "--wait"][..], &python(program)].concat();
    for level in Level::ALL {
        for ended in both(level, &words) {
            assert_eq!(ended.text(), "6\n", "{level}: {}", ended.error());
        }
    }
}

#[test]
fn bash_substitutes_processes() {
    let script =
        "cat <(echo one) <(echo two); echo three > >(cat); wait $!; diff <(echo a) <(echo b)";
    for level in Level::ALL {
        let [native, ours] = both(level, &["/usr/bin/bash", "-c", script]);
        assert_eq!(native.text(), "one\ntwo\nthree\n1c1\n< a\n---\n> b\n");
        assert_eq!(
            (ours.text(), ours.code()),
            (native.text(), native.code()),
            "{level}: {}",
            ours.error()
        );
    }
}
