//! Calls that go well.

use std::path::{Path, PathBuf};

use doorward::worker::{Nest, Tainted};

use super::{plain, rogue, terms, zygote};

/// Input, output, result and questions, by several workers at a time.
pub(crate) fn all(front: &str) {
    let zygote = plain(front);
    let mut workers: Vec<_> = (0..4).map(|_| rogue(&zygote)).collect();
    for round in 0..50_u8 {
        for worker in &mut workers {
            let input = vec![round; 10_000 + usize::from(round)];
            let given = terms().input(&input).output_up_to(input.len());
            let answer = worker.change(given).unwrap().whatever_it_is();
            assert_eq!(answer.result, input.len() as u64);
            assert!(answer.output.iter().all(|&byte| byte == round + 1));
            assert_eq!(answer.output.len(), input.len());
        }
    }
    let answering = terms().answering(3, |one: Tainted<u32>| u64::from(one.whatever_it_is()) + 1);
    let sum = workers[0].ask(answering, 3).unwrap().whatever_it_is();
    assert_eq!(sum.result, 6);
    // Each is a process of its own, and knows but its streams, its lane and its host.
    let own: Vec<(Vec<i32>, i32)> = workers
        .iter_mut()
        .map(|worker| worker.own(terms()).unwrap().whatever_it_is().result)
        .collect();
    for (descriptors, process) in &own {
        let lanes = match front {
            "notify" => 0,
            // That by which it gets its lanes, and two slots that are ready.
            "trap" => 1 + 2 * 3,
            _ => 1,
        };
        assert_eq!(descriptors.len(), 3 + 1 + lanes, "{descriptors:?}");
        assert_eq!(own.iter().filter(|(_, other)| other == process).count(), 1);
    }
    assert_eq!(zygote.living(), 4);
}

/// Files of this content in the working directory.
fn files<const N: usize>(names: [&str; N]) -> [PathBuf; N] {
    let here = std::env::current_dir().unwrap();
    names.map(|name| {
        let path = here.join(name);
        std::fs::write(&path, "content").unwrap();
        path
    })
}

/// What the policy names is read, by notification, and nothing else.
pub(crate) fn reads(front: &str) {
    let [named, other] = files(["named", "other"]);
    let rule = format!("fs.read = [\"{}\"]\n", named.display());
    let zygote = zygote(front, &rule, Nest::default()).unwrap();
    for _ in 0..3 {
        let mut worker = rogue(&zygote);
        let mut read = |path: &Path| {
            let path = path.to_str().unwrap().to_owned();
            worker.read(terms(), path).unwrap().whatever_it_is().result
        };
        let expected = match front {
            // Its lane has it, which this worker does not ask.
            "api" => Err(libc::EACCES),
            _ => Ok(b"content".to_vec()),
        };
        assert_eq!(read(&named), expected);
        assert_eq!(read(&other), Err(libc::EACCES));
    }
}

/// A worker that narrows itself is narrowed by each of its ways, and no other worker is.
pub(crate) fn narrows(front: &str) {
    let [one, other] = files(["one", "other"]);
    let list = |paths: &[&Path]| format!("fs.read = {paths:?}\n");
    let zygote = zygote(front, &list(&[&one, &other]), Nest::default()).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut narrowed = rogue(&zygote);
    let mut neighbour = rogue(&zygote);
    let document = format!("version = 1\n{}", list(&[&one]));
    // The control: before it narrows itself it opens both.
    for path in [&one, &other] {
        let opened = narrowed.open(terms(), text(path)).unwrap();
        assert_eq!(opened.whatever_it_is().result, 0);
    }
    let done = narrowed.narrow(terms(), document).unwrap();
    assert_eq!(done.whatever_it_is().result, 0);
    let mut later = rogue(&zygote);
    for (worker, errno) in [
        (&mut narrowed, libc::EACCES),
        (&mut neighbour, 0),
        (&mut later, 0),
    ] {
        for (path, due) in [(&one, 0), (&other, errno)] {
            let opened = worker.open(terms(), text(path)).unwrap();
            assert_eq!(opened.whatever_it_is().result, due, "{front} {path:?}");
            if front == "auto" {
                // By notification.
                let read = worker.read(terms(), text(path)).unwrap();
                let read = read
                    .whatever_it_is()
                    .result
                    .map_or_else(|errno| errno, |_| 0);
                assert_eq!(read, due, "{front} {path:?}");
            }
        }
    }
}
