//! Semaphores and memory shared by name: files of /dev/shm, which the scratch backs.

use doorward_tests::{Level, Run, Tree, policy_source};

use crate::fidelity::Program;

const SHARES: &str = "\
from multiprocessing import Lock, Process, shared_memory
def add(lock, name):
    memory = shared_memory.SharedMemory(name)
    for _ in range(200):
        with lock: memory.buf[0] = (memory.buf[0] + 1) % 251
    memory.close()
lock, memory = Lock(), shared_memory.SharedMemory(create=True, size=4096)
started = [Process(target=add, args=(lock, memory.name)) for _ in range(3)]
for process in started: process.start()
for process in started: process.join()
print(memory.buf[0], [process.exitcode for process in started])
memory.close(); memory.unlink()
";

const TRIES: &str = "\
from _multiprocessing import SemLock
import _posixshmem, os
for make in [lambda: SemLock(1, 1, 1, '/doorward-sharing', True),
             lambda: _posixshmem.shm_open('/doorward-sharing', os.O_RDWR | os.O_CREAT, 0o600),
             lambda: _posixshmem.shm_open('/doorward-canary', os.O_RDONLY, 0)]:
    try: make(); print('made')
    except OSError as error: print(error.errno)
";

fn words(program: &str) -> [&str; 5] {
    ["/usr/bin/python3", "-I", "-S", "-c", program]
}

#[test]
fn python_processes_share_locks_and_memory() {
    Program {
        policy: "python",
        prepare: &|_| {},
        words: &words(SHARES),
        variables: &[],
        ignored: &|_| false,
    }
    .compare(&Level::ALL, |ended, _| {
        assert_eq!(ended.text(), "98 [0, 0, 0]\n", "{}", ended.error());
    });
}

#[test]
fn what_is_shared_stays_in_the_sandbox_and_needs_a_scratch() {
    let canary = std::path::Path::new("/dev/shm/doorward-canary");
    std::fs::write(canary, "canary").unwrap();
    let source = std::fs::read_to_string(policy_source("python")).unwrap();
    let without = source.replace("scratch = \"64MiB\"", "");
    assert_ne!(source, without);
    for level in Level::ALL {
        let tree = Tree::new(level);
        let run = Run::new(&tree, words(TRIES)).option("--quiet");
        let with = run.under("python").succeeded();
        assert_eq!(with.text(), "made\nmade\n2\n", "{level}");
        let policy = tree.file("../without.toml", &without);
        let refused = run.under_file(&policy).succeeded();
        // Where no temporary name can be found, the C library's sem_open says ENOENT.
        assert_eq!(refused.text(), "2\n13\n13\n", "{level}");
        assert!(!std::path::Path::new("/dev/shm/doorward-sharing").exists());
    }
    std::fs::remove_file(canary).unwrap();
}
