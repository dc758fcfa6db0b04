//! The racing program in a tree of its own.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use doorward_tests::{Ended, Level, Run, Snapshot, Tree, attempts, longest};

/// Naive attempts: a race that is not won in so many is none.
const NAIVE: &str = "200000";

/// A race wants the processors for itself.
static ALONE: Mutex<()> = Mutex::new(());

/// A tree with the program, and canaries in it.
pub(crate) struct Bench {
    pub(crate) tree: Tree,
    _alone: MutexGuard<'static, ()>,
}

impl Bench {
    pub(crate) fn new(level: Level) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let tree = Tree::new(level);
        for name in ["in/file", "in/allowed/file", "rw/file", "rw/allowed/file"] {
            tree.file(name, "fine..");
        }
        for name in ["in/secret/file", "rw/secret/file"] {
            tree.file(name, "secret");
        }
        let bench = Self {
            tree,
            _alone: alone,
        };
        bench.compile("races");
        bench
    }

    /// Makes a program of `tests/programs/races`.
    pub(crate) fn compile(&self, name: &str) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/races");
        self.make(&source.join(name).with_extension("c"), name);
    }

    /// Makes a program that ends with this status.
    pub(crate) fn ending(&self, name: &str, status: u8) {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("program.c");
        std::fs::write(&source, format!("int main(void) {{ return {status}; }}\n")).unwrap();
        self.make(&source, name);
    }

    fn make(&self, source: &Path, name: &str) {
        let place = tempfile::tempdir().unwrap();
        let built = place.path().join("built");
        let mut command = Command::new("gcc");
        command.args(["-O1", "-static", "-pthread", "-o"]);
        let output = command.arg(&built).arg(source).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        self.tree.program(name, std::fs::read(&built).unwrap());
    }

    fn run(&self, case: &str, attempts: &str, way: &str, name: &str) -> Run<'_> {
        let program = self.tree.name("races").into_os_string();
        let words = [case, attempts, way].map(Into::into);
        let name = self.tree.name(name).into_os_string();
        let words = std::iter::once(program).chain(words).chain([name]);
        Run::new(&self.tree, words).limit(Duration::from_secs(120).max(longest()))
    }

    /// Races under doorward, `usual` times if nothing else is asked for; else as often as is
    /// asked for, or less in the measure in which `usual` is less than 100,000.
    pub(crate) fn race(&self, case: &str, usual: u64, name: &str) -> Told {
        let asked: u64 = attempts(100_000).parse().unwrap();
        let attempts = (asked * usual / 100_000).to_string();
        Told::of(self.run(case, &attempts, "plain", name).under("races"))
    }

    /// Races against a naive way, without doorward.
    pub(crate) fn naive(&self, case: &str, name: &str) -> Told {
        self.naive_times(case, NAIVE, name)
    }

    /// The same, so many times.
    pub(crate) fn naive_times(&self, case: &str, attempts: &str, name: &str) -> Told {
        Told::of(self.run(case, attempts, "naive", name).native())
    }

    /// Names, modes and contents of what must not be changed.
    pub(crate) fn canaries(&self) -> Snapshot {
        Snapshot::of(self.tree.path()).without(|path| {
            let kept = ["work/in/file", "work/in/secret", "work/rw/secret"];
            !kept.iter().any(|name| path.starts_with(name))
        })
    }

    /// Mode of a file.
    pub(crate) fn mode(&self, name: &str) -> u32 {
        let status = self.tree.name(name).metadata().unwrap();
        status.permissions().mode() & 0o777
    }
}

/// What the program said.
#[derive(Debug)]
pub(crate) struct Told {
    text: String,
}

impl Told {
    fn of(ended: Ended) -> Self {
        let text = ended.succeeded().text();
        Self { text }
    }

    /// The number after a word.
    #[track_caller]
    pub(crate) fn number(&self, word: &str) -> u64 {
        let mut words = self.text.split_whitespace();
        words.find(|one| *one == word);
        let number = words.next().and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("no '{word}' in {}", self.text))
    }

    /// Holds that something was done, and something refused, so that there was a race.
    #[track_caller]
    pub(crate) fn raced(&self) {
        let (done, refused) = (self.number("done"), self.number("refused"));
        println!("done {done}, refused {refused}");
        assert!(done > 0 && refused > 0, "no race: {}", self.text);
    }
}

/// Does `step` over and over until `act` has ended.
pub(crate) fn meanwhile<T>(step: impl Fn() + Sync, act: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                step();
            }
        });
        let value = act();
        over.store(true, Ordering::Relaxed);
        value
    })
}
