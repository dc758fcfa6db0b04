//! What a worker cannot do, to its neighbours above all.

use doorward::worker::{CallError, Nest};

use super::{plain, rogue, terms, zygote};

/// It makes no process, reaches no neighbour, and has no other way to one.
pub(crate) fn all(front: &str) {
    let zygote = plain(front);
    let (mut one, mut other) = (rogue(&zygote), rogue(&zygote));
    let process = |worker: &mut super::Rogues<super::Worker>| {
        worker.own(terms()).unwrap().whatever_it_is().result.1
    };
    let neighbour = process(&mut other);
    let mut attempt = |what: &str| {
        let result = one.attempt(terms(), what.to_owned());
        result.unwrap().whatever_it_is().result
    };
    assert_eq!(attempt("fork"), libc::EPERM);
    assert_eq!(attempt(&format!("kill {neighbour}")), libc::EPERM);
    assert_eq!(attempt(&format!("ptrace {neighbour}")), libc::EPERM);
    assert_eq!(attempt("shmget"), libc::EPERM);
    assert_ne!(attempt("socket"), 0);
    // Nor the zygote, the init of its namespace.
    let zygote_s = attempt("kill 1");
    assert!(
        zygote_s == libc::EPERM || zygote_s == libc::ESRCH,
        "{zygote_s}"
    );
    assert_eq!(process(&mut other), neighbour);
    // The control: it may signal itself.
    let own = process(&mut one);
    let result = one.attempt(terms(), format!("kill {own}"));
    assert!(matches!(result, Err(CallError::Died(_))), "{result:?}");
}

/// One that takes too much ends alone.
pub(crate) fn memory(front: &str) {
    let limits = "limits.memory = \"64MiB\"\n";
    let zygote = zygote(front, limits, Nest::default()).unwrap();
    let mut neighbour = rogue(&zygote);
    neighbour.own(terms()).unwrap().whatever_it_is();
    for _ in 0..3 {
        let mut worker = rogue(&zygote);
        match worker.fill(terms(), 256 << 20) {
            Err(CallError::Died(_)) => {}
            Ok(answer) => {
                let filled = answer.whatever_it_is().result;
                assert!(filled < 64 << 20, "{filled}");
            }
            Err(other) => panic!("{other:?}"),
        }
        // The control: half of it can be had, at the same time.
        let filled = neighbour.fill(terms(), 24 << 20).unwrap();
        assert_eq!(filled.whatever_it_is().result, 24 << 20);
    }
}

/// What workers cannot have is said before anything is started.
pub(crate) fn refusals(front: &str) {
    for (line, word) in [
        ("fs.scratch = \"1MiB\"\n", "fs.scratch"),
        ("limits.wall = \"1s\"\n", "limits.wall"),
    ] {
        let refused = zygote(front, line, Nest::default());
        let error = refused.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
